//! Asks stores about URLs, beside the reconciles.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{DueQuestion, StoreQuestion};
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::crd::SignerKind;
use crate::domain::verification::{Finding, NotAsked, Question, QuestionKind, VerifyAnswer, VerifyPlace};
use crate::domain::{Request, SignedUrl, Validity};
use crate::verify::VerifyCall;

/// How long a signed listing works, in seconds.
const LISTING_LIFETIME: u32 = 60;
/// How long a URL must still work to be asked about, in seconds.
const LEAST_LEFT: i64 = 5;

/// Asks the questions that reconciles leave, for as long as the process runs.
pub async fn ask_stores(ctx: Arc<Context>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            due = ctx.verifications.next() => drop(running.spawn(serve(ctx.clone(), due))),
            Some(ended) = running.join_next() => if ended.is_err() { ctx.metrics.panicked() },
        }
    }
}

/// Asks one question, and wakes the object.
async fn serve(ctx: Arc<Context>, due: DueQuestion) {
    let found = async {
        let finding = ask(&ctx, &due).await?;
        if due.outage.is_none() {
            ctx.metrics.verified(finding.result());
        }
        Some(verify_answer(&ctx, finding, &VerifyPlace::of(&due.queued.question.resolved.request)))
    };
    let answer = caught(&ctx.metrics, found, || {
        let key = &due.queued.key;
        tracing::error!(
            namespace = key.namespace(),
            name = key.name(),
            "a bug in the operator stopped a question to a store"
        );
        Some(verify_answer(&ctx, Finding::NotAsked(NotAsked::Impossible), &VerifyPlace::default()))
    });
    let answer = answer.await;
    if ctx.verifications.answered(&due, answer, Instant::now()) {
        ctx.wake(&due.queued.key);
    }
}

fn verify_answer(ctx: &Context, finding: Finding, place: &VerifyPlace) -> VerifyAnswer {
    let (now, message) = (ctx.clock.now(), finding.message(place));
    VerifyAnswer { at: Timestamp::from_second(now.as_second()).unwrap_or(now), finding, message }
}

/// What the store says; `None` when the question is not to be asked any more.
async fn ask(ctx: &Context, due: &DueQuestion) -> Option<Finding> {
    let verifier = ctx.verifications.verifier.as_ref()?;
    let StoreQuestion { resolved, credentials, validity, .. } = &*due.queued.question;
    let now = ctx.clock.now();
    let left = validity.expiration_time().as_second() - now.as_second();
    if ctx.leadership.term().is_none() || left < LEAST_LEFT {
        return None;
    }
    if let Some(outage) = due.outage {
        return Some(Finding::Unreachable(outage));
    }
    let question = Question::of(&resolved.request);
    let validity = match question.kind {
        QuestionKind::Object => *validity,
        QuestionKind::Listing => Validity {
            signing_time: Timestamp::from_second(now.as_second()).unwrap_or(now),
            lifetime: LISTING_LIFETIME,
        },
    };
    let Ok(SignedUrl { url, .. }) = ctx.signer.presign(&question.request, credentials, validity) else {
        return Some(Finding::NotAsked(NotAsked::Impossible));
    };
    let call = VerifyCall {
        kind: question.kind,
        url: &url,
        headers: &question.headers,
        region: &resolved.request.connection.region,
        ca_bundle: resolved.request.verify.ca_bundle.as_deref(),
        is_of_platform: is_of_platform(&resolved.request),
    };
    Some(verifier.ask(call, || ctx.clock.now()).await)
}

/// Whether a `ClusterSigner` names the store of a request.
pub(super) fn is_of_platform(request: &Request) -> bool {
    request.credentials.signer.as_ref().is_some_and(|signer| signer.kind == SignerKind::ClusterSigner)
}
