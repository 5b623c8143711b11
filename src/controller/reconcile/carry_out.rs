//! Observes an object, plans, and acts.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::apply::{Acted, carry_out_action};
use super::error::Failure;
use super::observe::{Observed, observe, reported_expiration};
use super::prune::{prune, withdraw};
use super::ttl::delete_after_ttl;
use crate::controller::context::Context;
use crate::controller::state::lean::{LeanPresignedUrl, NoSpec};
use crate::domain::finish::{Done, Outcome};
use crate::domain::history::{Awaited, History};
use crate::domain::plan::{Plan, plan};
use crate::domain::resolve::Resolved;
use crate::domain::status::{Problem, Progress};
use crate::runtime::Key;

/// What was planned for an object, and what came of it.
pub(super) struct CarriedOut {
    pub(super) plan: Plan,
    pub(super) outcome: Outcome,
    /// What the spec and its signer ask for; `None` if the object was not observed.
    pub(super) resolved: Option<Arc<Resolved>>,
}

/// An observation, and the plan that was made for it.
struct Step {
    observed: Observed,
    plan: Plan,
}

/// Observes, plans and acts. If a create is refused or not answered, all of this is repeated once, with what a read of
/// the target found.
pub(super) async fn carry_out(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    history: &History,
    reads: Option<Awaited>,
) -> CarriedOut {
    let object = &match complete_spec(ctx, object).await {
        Ok(object) => object,
        Err(failure) => return interrupted(ctx, object, &failure),
    };
    match act_on_target(ctx, key, object, history, reads).await {
        Ok((step, acted)) => complete(ctx, object, step, acted).await,
        // The observation is incomplete, for a reason that is not a fault of the object.
        Err(failure) => interrupted(ctx, object, &failure),
    }
}

/// Brings the target Secret up to date, and returns the last step with what came of its action.
///
/// # Errors
/// The failure of an observation.
async fn act_on_target(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    history: &History,
    reads: Option<Awaited>,
) -> Result<(Step, Result<Done, Failure>), Failure> {
    let observe_and_plan = async |found| {
        let observed = observe(ctx, key, object, history, reads, found).await?;
        let plan = plan(&observed.observation());
        ctx.verifications.saw(key, &plan.seen);
        Ok::<_, Failure>(Step { observed, plan })
    };
    let step = observe_and_plan(None).await?;
    let (found, why) = match carry_out_action(ctx, object, &step.observed, &step.plan).await {
        Ok(Acted::Found(found, why)) => (*found, why),
        Ok(Acted::Done(done)) => return Ok((step, Ok(done))),
        Err(failure) => return Ok((step, Err(failure))),
    };
    drop(step);
    let step = observe_and_plan(Some(found)).await?;
    if step.plan.creates() {
        // The target does not exist: either the Secret that the create met was deleted meanwhile, or the
        // create failed for another reason.
        return Ok((step, Err(why.or_outdated())));
    }
    let acted = match carry_out_action(ctx, object, &step.observed, &step.plan).await {
        Ok(Acted::Found(_, why)) => Err(why),
        Ok(Acted::Done(done)) => Ok(done),
        Err(failure) => Err(failure),
    };
    Ok((step, acted))
}

/// Does what follows the action on the target Secret.
async fn complete(
    ctx: &Context,
    object: &LeanPresignedUrl,
    step: Step,
    acted: Result<Done, Failure>,
) -> CarriedOut {
    let acted = end_the_rest(ctx, object, &step, acted).await;
    let (acted, prune_at) = prune_earlier_names(ctx, object, &step, acted).await;
    let result = acted.map_err(|failure| failure.interruption());
    let outcome = Outcome { ended_at: ctx.clock.now(), result, prune_at };
    CarriedOut { resolved: step.observed.resolved(), plan: step.plan, outcome }
}

/// The object with its spec. A spec that is too large for the cache is read from the API server.
///
/// # Errors
/// [`Failure::Outdated`] when the spec has changed; [`Failure::Gone`] when the object is gone; otherwise
/// the failure of the read.
async fn complete_spec<'a>(
    ctx: &Context,
    object: &'a LeanPresignedUrl,
) -> Result<Cow<'a, LeanPresignedUrl>, Failure> {
    if object.spec != Err(NoSpec::NotKept) {
        return Ok(Cow::Borrowed(object));
    }
    let owner = object.owner();
    let read = ctx.presigned_urls(&owner.namespace).get_opt(&owner.name).await;
    let read = read.map_err(|error| Failure::api("read the spec", error))?.ok_or(Failure::Gone)?;
    if read.uid() != object.uid() || read.metadata.generation != object.metadata.generation {
        return Err(Failure::Outdated);
    }
    Ok(Cow::Owned(LeanPresignedUrl { spec: read.spec, ..object.clone() }))
}

/// After the target: empties the Secrets of earlier names if the signer withdraws them, and deletes the
/// object some time after its URL ended, if the spec asks for that.
async fn end_the_rest(
    ctx: &Context,
    object: &LeanPresignedUrl,
    Step { observed, plan }: &Step,
    acted: Result<Done, Failure>,
) -> Result<Done, Failure> {
    // Whatever became of the target.
    let is_in_backoff = observed.history.backoff(&observed.inputs, observed.now).is_some();
    let withdrawn =
        if plan.withdraws && !is_in_backoff { withdraw(ctx, object, observed).await } else { Ok(()) };
    let done = acted?;
    withdrawn?;
    if plan.delete_at.is_some_and(|time| time <= ctx.clock.now()) {
        delete_after_ttl(ctx, object).await?;
    }
    Ok(done)
}

/// Deletes or releases the Secrets that were written under an earlier `spec.secret.name`, once the
/// target Secret is up to date.
async fn prune_earlier_names(
    ctx: &Context,
    object: &LeanPresignedUrl,
    Step { observed, plan }: &Step,
    acted: Result<Done, Failure>,
) -> (Result<Done, Failure>, Option<Timestamp>) {
    // Without a list of Secrets the operator does not know which ones it wrote under earlier names.
    if acted.is_err() || plan.progress != Progress::UpToDate || ctx.reads_by_name() {
        return (acted, None);
    }
    match prune(ctx, object, observed).await {
        Ok(prune_at) => (acted, prune_at),
        // The write to the target is reported first; pruning is tried again at once.
        Err(_) if !matches!(acted, Ok(Done::Nothing)) => (acted, Some(ctx.clock.now())),
        Err(failure) => (Err(failure), None),
    }
}

/// The plan and outcome of a reconcile that ended before a plan was made.
pub(super) fn interrupted(ctx: &Context, object: &LeanPresignedUrl, failure: &Failure) -> CarriedOut {
    let ended_at = ctx.clock.now();
    let outcome = Outcome { ended_at, result: Err(failure.interruption()), prune_at: None };
    CarriedOut { plan: unseen(ctx, object, ended_at), outcome, resolved: None }
}

/// The plan and outcome of a reconcile during the backoff after a panic. A wake does not end it.
pub(super) fn in_panic_backoff(ctx: &Context, object: &LeanPresignedUrl, problem: Problem) -> CarriedOut {
    let now = ctx.clock.now();
    let outcome = Outcome { ended_at: now, result: Ok(Done::Nothing), prune_at: None };
    CarriedOut { plan: unseen(ctx, object, now).fail(problem), outcome, resolved: None }
}

/// A plan to do nothing, made without an observation. The time that the reported URL has left limits
/// the backoff.
fn unseen(ctx: &Context, object: &LeanPresignedUrl, now: Timestamp) -> Plan {
    Plan::nothing(now, object.inputs(0), reported_expiration(ctx, &Key::from(object)))
}
