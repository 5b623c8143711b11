//! One pass over one `PresignedUrl`: parse, observe, decide, presign, apply, report.

mod apply;
mod conclude;
pub mod error;
mod observe;
mod prune;
mod report;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::reconcile::apply::{apply, permit, withdraw};
use crate::controller::reconcile::conclude::{conclude, left};
use crate::controller::reconcile::error::Failure;
use crate::controller::reconcile::observe::{Observed, observe, refresh, seed};
use crate::controller::reconcile::prune::prune;
use crate::controller::state::attempts::Cause;
use crate::controller::state::issued_secrets::SecretKey;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::domain::decision::{Decision, Obstacle, decide, issue_reason};
use crate::domain::reason::IssueReason;
use crate::domain::status::{Progress, Seen, Standing};
use crate::domain::{Owner, Ownership, Request, Validity, render};

/// How soon a pass is repeated that decided on something outdated. By then the watch shows
/// what is new, so the next one decides on that.
const FRESH_LOOK: Duration = Duration::from_millis(100);

/// Reconciles one object and says after how long to look at it again; when something
/// changes, if `None`. What fails is reported on the object and tried again. Who does not
/// lead leaves it: everything is looked at when that begins.
pub async fn reconcile(object: LeanPresignedUrl, ctx: Arc<Context>) -> Option<Duration> {
    let term = ctx.leadership.term().filter(|_| !object.is_being_deleted())?;
    ctx.begin_term(term);
    let started = Instant::now();
    let mut pass = Passage::new(&object);
    let is_first = ctx.attempts.hold(&object).is_none();
    let result = pursue(&ctx, &object, &mut pass).await;
    if is_first && matches!(result, Err(Failure::Outdated)) {
        ctx.attempts.note(&object, Cause::Outdated, None, None);
        return Some(FRESH_LOOK);
    }
    let conclusion = conclude(&ctx, &object, pass, result).await;
    ctx.metrics.reconciled(conclusion.label, started.elapsed().as_secs_f64());
    conclusion.next
}

/// What a pass found out, as far as it came.
pub(super) struct Passage {
    /// For whom.
    pub(super) owner: Owner,
    /// What is asked for, once it is parsed.
    pub(super) request: Option<Arc<Request>>,
    /// What the target Secret holds.
    pub(super) seen: Seen,
    /// When a Secret of an earlier name is to go.
    pub(super) prune_at: Option<Timestamp>,
    /// Why a new URL was issued, if one was.
    pub(super) issued: Option<IssueReason>,
}

impl Passage {
    fn new(object: &LeanPresignedUrl) -> Self {
        Self { owner: object.owner(), request: None, seen: Seen::Unknown, prune_at: None, issued: None }
    }
}

async fn pursue(ctx: &Context, object: &LeanPresignedUrl, pass: &mut Passage) -> Result<Progress, Failure> {
    let progress = settle(ctx, object, pass).await?;
    // Without a list nobody knows what was written under an earlier name.
    if let (Progress::Settled, Some(request), false) = (&progress, &pass.request, ctx.reads_by_name()) {
        pass.prune_at = prune(ctx, &pass.owner, &request.target.name).await?;
    }
    Ok(progress)
}

/// Steps 1 to 5.
async fn settle(ctx: &Context, object: &LeanPresignedUrl, pass: &mut Passage) -> Result<Progress, Failure> {
    let begun = Instant::now();
    let spec = object.spec.as_ref().map_err(|why| Failure::UnreadableSpec(why.clone()))?;
    let request = Arc::new(Request::parse(&pass.owner.name, spec, object.renew())?);
    pass.request = Some(request.clone());
    observe::depend(ctx, &request, &pass.owner);

    let key = SecretKey::new(&pass.owner.namespace, &request.target.name);
    let hold = ctx.attempts.hold(object);
    let stored = observe::target(ctx, &key, hold.as_ref()).await?;
    if let Some(stored) = &stored {
        let ownership = Ownership::of(stored, &pass.owner);
        let is_foreign = ownership != Ownership::Ours;
        if is_foreign {
            pass.seen = Seen::Nothing;
        }
        // The watch of other Secrets leaves some types out, which are fixed ones.
        let is_unwatched = ctx.reads_by_name() || (is_foreign && stored.is_fixed);
        if is_unwatched && (is_foreign || stored.is_fixed) {
            // Nobody tells when it changes or goes.
            ctx.facts.forget(&key, u64::MAX);
        }
        if ownership == Ownership::Predecessors {
            return Ok(Progress::AwaitingCollection);
        }
        if ownership == Ownership::Merged && !request.suspend {
            withdraw(ctx, &key, stored).await?;
        }
        permit(stored, ownership, &request)?;
    }
    let observed = observe(ctx, &request, &pass.owner, stored, hold.as_ref()).await;
    let observed = refresh(ctx, &request, &pass.owner, observed, hold.as_ref(), begun).await;

    let case = observed.case(ctx, &request, seed(&pass.owner.uid));
    pass.seen = observed.seen(&case);
    if let Err(error) = &observed.rendered {
        return Err(error.clone().into());
    }
    let decision = decide(&case);
    // A repair does not end the wait of a renewal for its credentials.
    let after_repair = match issue_reason(&case) {
        Some(IssueReason::RenewalDue) => Progress::AwaitingCredentials,
        _ => Progress::Settled,
    };
    let cause = hold.map(|hold| hold.cause);
    match (decision, cause) {
        (Decision::Keep { .. }, _) => {
            ctx.attempts.settle(object);
            Ok(Progress::Settled)
        }
        (Decision::Wait { obstacle }, _) => waits(obstacle, &request, observed),
        (_, Some(Cause::Failed(problem))) => Err(Failure::Held(problem)),
        (Decision::Repair, Some(Cause::Undone)) => Ok(after_repair),
        (Decision::Issue { reason, .. }, Some(Cause::Undone)) if is_undone(reason, object) => {
            Err(contested(&key))
        }
        (Decision::Repair, _) => {
            repair(ctx, object, &key, observed, pass).await?;
            Ok(after_repair)
        }
        (Decision::Issue { reason, validity }, _) => {
            issue(ctx, object, &key, observed, pass, Due { request: &request, reason, validity }).await
        }
    }
}

/// A decision to wait, as progress or as the failure behind it.
fn waits(obstacle: Obstacle, request: &Request, observed: Observed) -> Result<Progress, Failure> {
    match obstacle {
        Obstacle::Suspended => Ok(Progress::Suspended),
        Obstacle::AwaitingCredentials => Ok(Progress::AwaitingCredentials),
        Obstacle::NoCredentials => observed.credentials.map(|_| Progress::Settled),
        Obstacle::CredentialsExpired(expired) => Err(Failure::CredentialsExpired {
            secret: request.credentials.name.clone(),
            expiration: expired.expiration,
        }),
    }
}

/// Writes the same URL again, and notes it: a second writer must not make this hot.
async fn repair(
    ctx: &Context,
    object: &LeanPresignedUrl,
    key: &SecretKey,
    observed: Observed,
    pass: &Passage,
) -> Result<(), Failure> {
    let (Ok(Some(rendered)), Some(stored)) = (observed.rendered, observed.stored) else {
        return Ok(());
    };
    let _turn = ctx.turn(urgency(ctx, pass)).await?;
    apply(ctx, key, rendered.secret, Some(&stored)).await?;
    ctx.attempts.note(object, Cause::Undone, left(ctx, &pass.seen), None);
    ctx.metrics.repaired();
    tracing::debug!(namespace = key.namespace, name = pass.owner.name, secret = key.name, "repaired");
    Ok(())
}

/// A new URL that is due.
struct Due<'a> {
    request: &'a Request,
    reason: IssueReason,
    validity: Validity,
}

/// Signs and writes a new URL.
async fn issue(
    ctx: &Context,
    object: &LeanPresignedUrl,
    key: &SecretKey,
    observed: Observed,
    pass: &mut Passage,
    due: Due<'_>,
) -> Result<Progress, Failure> {
    let (request, credentials) = (due.request, observed.credentials?);
    let _turn = ctx.turn(urgency(ctx, pass)).await?;
    let begun = Instant::now();
    let signed = ctx.signer.presign(request, &credentials, due.validity)?;
    ctx.metrics.signed(begun.elapsed().as_secs_f64());
    let before = observed.stored.as_ref().and_then(|stored| stored.handled_renew.as_deref());
    let token = request.renew.as_deref().or(before);
    let rendered = render(request, &signed, &pass.owner, token);
    let stored = apply(ctx, key, rendered, observed.stored.as_ref()).await?;

    ctx.metrics.issued(due.reason);
    if let (IssueReason::RenewalDue, Seen::Url(standing)) = (due.reason, &pass.seen) {
        let lag = due.validity.signing_time.duration_since(standing.renewal_time);
        ctx.metrics.renewal_lag(lag.as_secs_f64());
    }
    if is_undone(due.reason, object) {
        ctx.attempts.note(object, Cause::Undone, None, None);
    } else {
        ctx.attempts.settle(object);
    }
    let (expires, reason) = (due.validity.expiration_time(), due.reason);
    tracing::info!(namespace = key.namespace, name = pass.owner.name, %reason, %expires, "issued");
    pass.issued = Some(due.reason);
    pass.seen = Seen::Url(Standing {
        location: Some(signed.location().to_owned()),
        handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
        ..Standing::new(request, due.validity, Some(&credentials), seed(&pass.owner.uid))
    });
    Ok(Progress::Settled)
}

/// Whether a reason means that somebody undid our work, perhaps again and again.
fn is_undone(reason: IssueReason, object: &LeanPresignedUrl) -> bool {
    match reason {
        IssueReason::Missing => object.status.signing_time.is_some(),
        IssueReason::Drifted => true,
        _ => false,
    }
}

fn contested(key: &SecretKey) -> Failure {
    let why = "is changed or deleted by somebody else again and again: find out who writes to it; it is written again shortly";
    Failure::SecretConflict { secret: key.name.clone(), why: why.to_owned() }
}

/// The second at which the stored URL expires; now when there is none.
fn urgency(ctx: &Context, pass: &Passage) -> i64 {
    pass.seen.expiration().unwrap_or_else(|| ctx.clock.now()).as_second()
}
