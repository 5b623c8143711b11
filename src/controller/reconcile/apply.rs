//! Carries out the action of a plan: one write of the whole target Secret. Foreign Secrets are never
//! written.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};

use super::error::{Failure, is_code};
use super::observe::Observed;
use super::resolve::require_unchanged;
use super::target::{FoundTarget, read_target};
use super::verify::{SentUrl, leave_question};
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::crd::names::OPERATOR;
use crate::domain::ended::{EndReason, end_patch};
use crate::domain::finish::Done;
use crate::domain::plan::{Action, Plan};
use crate::domain::reason::IssueReason;
use crate::domain::status::{ReportedUrl, Seen};
use crate::domain::stored::Digest;
use crate::domain::{IssuedSecret, Removal, Request, SignedUrl, Stored, Validity, render};
use crate::runtime::Key;

/// The result of an action.
pub enum Acted {
    /// The action was carried out.
    Done(Done),
    /// A create was refused or not answered. Holds what a read of the target found, and the failure of
    /// the create, which is reported if the target is no obstacle.
    Found(Box<FoundTarget>, Failure),
}

/// Carries out the action of a plan.
///
/// # Guarantees
/// - A create is exclusive: it never changes a Secret that already exists.
/// - Every other write carries the UID and the resource version of the Secret that the plan was made
///   for, so that a process that was suspended cannot overwrite a newer write.
/// - Nothing is written for an object that the cache shows as deleted or as being deleted, and no URL
///   that its signer does not permit any more when the request is sent.
///
/// # Errors
/// [`Failure::Outdated`] when the Secret or the signer changed after the plan was made: reconcile again.
pub async fn carry_out_action(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    plan: &Plan,
) -> Result<Acted, Failure> {
    let key = Key::new(&observed.owner.namespace, plan.secret_name.as_deref().unwrap_or_default());
    match plan.action {
        // The observation has got the session, or says why there is none.
        Action::Nothing | Action::GetSession { .. } => Ok(Acted::Done(Done::Nothing)),
        Action::Repair => {
            let Some(rendered) = observed.rendered() else { return Ok(Acted::Done(Done::Nothing)) };
            let rendered = with_stored_url(ctx, observed, &key, rendered.clone()).await?;
            write(ctx, object, observed, &key, rendered, plan.reads_first).await?;
            ctx.metrics.repaired();
            tracing::debug!(
                namespace = key.namespace(),
                name = observed.owner.name,
                secret = key.name(),
                "repaired"
            );
            Ok(Acted::Done(Done::Repaired))
        }
        Action::End { why, request } => {
            let Some(stored) = observed.stored() else { return Err(Failure::Outdated) };
            empty_secret(ctx, object, observed, &key, stored, (why, request)).await?;
            ctx.verifications.forget(&Key::from(object));
            Ok(Acted::Done(Done::Ended))
        }
        Action::Create { reason, validity } => {
            let (request, signed, rendered) = sign(ctx, observed, validity)?;
            let sent = SentUrl::of(observed, reason, &signed, &rendered);
            match create(ctx, object, observed, &key, rendered).await {
                Ok(stored) => {
                    leave_question(ctx, object, observed, &sent);
                    Ok(Acted::Done(record_issue(ctx, (observed, request), plan, reason, &signed, &stored)))
                }
                Err(failure) if failure.may_have_been_carried_out() => {
                    leave_question(ctx, object, observed, &sent.unconfirmed());
                    let found = read_target(ctx, &observed.owner, &key).await?;
                    Ok(Acted::Found(Box::new(found), failure))
                }
                Err(failure) => Err(failure),
            }
        }
        Action::Replace { reason, validity } => {
            let (request, signed, rendered) = sign(ctx, observed, validity)?;
            let sent = SentUrl::of(observed, reason, &signed, &rendered);
            let written = write(ctx, object, observed, &key, rendered, plan.reads_first).await;
            let stored = written.inspect_err(|failure| {
                if failure.leaves_open() {
                    leave_question(ctx, object, observed, &sent.unconfirmed());
                }
            })?;
            leave_question(ctx, object, observed, &sent);
            Ok(Acted::Done(record_issue(ctx, (observed, request), plan, reason, &signed, &stored)))
        }
    }
}

/// What a repair writes: the same URL. One that a session signed cannot be signed again, so it is read.
async fn with_stored_url(
    ctx: &Context,
    observed: &Observed,
    key: &Key,
    rendered: IssuedSecret,
) -> Result<IssuedSecret, Failure> {
    if !observed.request().is_some_and(|request| request.credentials.has_session()) {
        return Ok(rendered);
    }
    let onto = observed.stored().ok_or(Failure::Outdated)?;
    let stored = read_unchanged(ctx, key, onto).await?;
    rendered.with_url_of(&stored).ok_or(Failure::Outdated)
}

/// Signs a new URL and renders its Secret. Returns the request too.
fn sign<'a>(
    ctx: &Context,
    observed: &'a Observed,
    validity: Validity,
) -> Result<(&'a Request, SignedUrl, IssuedSecret), Failure> {
    let (Some(request), Some(credentials)) = (observed.request(), observed.credentials()) else {
        return Err(Failure::Outdated);
    };
    let begun = tokio::time::Instant::now();
    let signed = ctx.signer.presign(request, credentials, validity)?;
    ctx.metrics.signed(begun.elapsed().as_secs_f64());
    let before = observed.stored().and_then(|stored| stored.handled_renew.as_deref());
    let token = request.renew.as_deref().or(before);
    let rendered = render(request, &signed, &observed.owner, token);
    Ok((request, signed, rendered))
}

/// Counts and logs a new URL, and returns its description for the report.
fn record_issue(
    ctx: &Context,
    (observed, request): (&Observed, &Request),
    plan: &Plan,
    reason: IssueReason,
    signed: &SignedUrl,
    stored: &Stored,
) -> Done {
    ctx.metrics.issued(reason);
    if let (IssueReason::RenewalDue, Seen::Url(reported)) = (reason, &plan.seen) {
        let due = reported.renewal_time.unwrap_or(signed.validity.signing_time);
        ctx.metrics.renewal_lag(seconds_between(due, signed.validity.signing_time));
    }
    let (owner, expires) = (&observed.owner, signed.validity.expiration_time());
    tracing::info!(namespace = owner.namespace, name = owner.name, %reason, %expires, "issued");
    Done::Issued(ReportedUrl {
        location: Some(signed.location().to_owned()),
        digest: stored.content.url.map(Box::new),
        handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
        ..ReportedUrl::new(request, signed.validity, observed.credentials(), observed.seed)
    })
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// Creates the Secret; fails when a Secret of that name exists.
async fn create(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    key: &Key,
    rendered: IssuedSecret,
) -> Result<Stored, Failure> {
    let secret = rendered.into_secret();
    let params = PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
    ctx.require_live(object)?;
    require_unchanged(ctx, object, observed)?;
    let ticket = ctx.issued_secrets.begin_write(key.clone(), None);
    let answer = ctx.secrets(key.namespace()).create(&params, &secret).await;
    let answer = answer.map_err(|error| Failure::api(format!("create Secret {:?}", key.name()), error))?;
    let stored = Stored::read(&answer);
    ctx.store_answer(key, ticket, stored.clone());
    Ok(stored)
}

/// Writes a rendered Secret over the one that the plan was made for.
async fn write(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    key: &Key,
    rendered: IssuedSecret,
    reads_first: bool,
) -> Result<Stored, Failure> {
    let Some(onto) = observed.stored() else { return Err(Failure::Outdated) };
    let removal = if reads_first { find_removal(ctx, key, &rendered, onto).await? } else { None };
    let mut secret = rendered.into_secret();
    secret.metadata.uid = Some(onto.uid.to_string());
    secret.metadata.resource_version = Some(onto.resource_version.to_string());
    ctx.require_live(object)?;
    require_unchanged(ctx, object, observed)?;
    let ticket = ctx.issued_secrets.begin_write(key.clone(), Some(onto.resource_version));
    let secrets = ctx.secrets(key.namespace());
    let answer = match removal {
        None => {
            let params = PatchParams::apply(OPERATOR).force();
            secrets.patch(key.name(), &params, &Patch::Apply(&secret)).await
        }
        Some(removal) => {
            let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
            let patch = Patch::Strategic(removal.patch(&secret));
            secrets.patch(key.name(), &params, &patch).await
        }
    };
    let stored = Stored::read(&read_answer(ctx, key, answer)?);
    ctx.store_answer(key, ticket, stored.clone());
    Ok(stored)
}

/// Empties the URL in a Secret. The Secret is read first, because the cache holds no data keys.
pub(super) async fn empty_secret(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    key: &Key,
    onto: &Stored,
    (why, request): (EndReason, Option<Digest>),
) -> Result<(), Failure> {
    let secret = read_unchanged(ctx, key, onto).await?;
    let Some(patch) = end_patch(&secret, why, request) else { return Ok(()) };
    ctx.require_live(object)?;
    if why == EndReason::Denied {
        require_unchanged(ctx, object, observed)?;
    }
    let ticket = ctx.issued_secrets.begin_write(key.clone(), Some(onto.resource_version));
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let answer = ctx.secrets(key.namespace()).patch(key.name(), &params, &Patch::Merge(patch)).await;
    let stored = Stored::read(&read_answer(ctx, key, answer)?);
    ctx.store_answer(key, ticket, stored);
    tracing::info!(namespace = key.namespace(), secret = key.name(), reason = %why, "emptied the URL");
    Ok(())
}

/// Reads a Secret, which must not have changed since the plan was made.
async fn read_unchanged(ctx: &Context, key: &Key, onto: &Stored) -> Result<Secret, Failure> {
    let read = ctx.secrets(key.namespace()).get_opt(key.name()).await;
    let read: Option<Secret> = read.map_err(|error| Failure::reading(key, error))?;
    let is_it = |secret: &Secret| {
        let now = Stored::read(secret);
        now.uid == onto.uid && now.resource_version == onto.resource_version
    };
    let unchanged = read.filter(is_it);
    if unchanged.is_none() && ctx.reads_by_name() {
        ctx.issued_secrets.remove(key, u64::MAX);
    }
    unchanged.ok_or(Failure::Outdated)
}

/// The Secret that a write returned.
fn read_answer(ctx: &Context, key: &Key, answer: Result<Secret, kube::Error>) -> Result<Secret, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) if is_outdated(&error) => {
            if ctx.reads_by_name() {
                ctx.issued_secrets.remove(key, u64::MAX);
            }
            Err(Failure::Outdated)
        }
        Err(error) => Err(Failure::api(format!("write Secret {:?}", key.name()), error)),
    }
}

/// Reads the Secret and returns the fields that an apply of `rendered` would leave behind in it; `None`
/// when there are none.
async fn find_removal(
    ctx: &Context,
    key: &Key,
    rendered: &IssuedSecret,
    onto: &Stored,
) -> Result<Option<Removal>, Failure> {
    let secret = read_unchanged(ctx, key, onto).await?;
    Ok(Removal::beside_apply(&secret, rendered))
}

/// Whether a write failed because the Secret changed after the plan was made: its version or its UID
/// differs, or it does not exist. Kubernetes 1.37 answers an apply with 422 when the UID differs, and
/// with 409 when there is no such object. It answers any other patch of a missing object with 404.
fn is_outdated(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let names =
        |field: &str| status.details.iter().flat_map(|details| &details.causes).any(|c| c.field == field);
    is_code(error, 409) || is_code(error, 404) || (is_code(error, 422) && names("metadata.uid"))
}
