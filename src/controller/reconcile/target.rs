//! Finds the target Secret: in the caches, or at the API server when no cache holds the Secret or the
//! cache may be outdated.

use super::error::Failure;
use super::observe::Observed;
use crate::controller::context::Context;
use crate::domain::history::Awaited;
use crate::domain::status::Problem;
use crate::domain::{Owner, Ownership, Request, Stored};
use crate::runtime::Key;

/// The target Secret as a read returned it; `None` when it does not exist.
pub type FoundTarget = Option<Stored>;

/// The target Secret; `None` when the operator knows of none. If one exists after all, the create
/// fails.
pub(super) async fn find_target(
    ctx: &Context,
    observed: &Observed,
    request: &Request,
    is_awaited: bool,
) -> Result<Result<Option<Stored>, Problem>, Failure> {
    let key = Key::new(&observed.owner.namespace, &request.target.name);
    // The cache was outdated, or a watch may have missed a change: read the Secret.
    if is_awaited || observed.history.was_outdated() {
        return read_unless_in_backoff(ctx, observed, &key).await;
    }
    if let Some(stored) = ctx.issued_secrets.get(&key).or_else(|| ctx.obstacles.get(&key)) {
        return Ok(Ok(Some(stored)));
    }
    // A Secret that was written before may exist without our label, so it has to be read. Only a first
    // URL needs no read.
    let is_first = !observed.was_issued && observed.history.awaits() != Some(Awaited::Target);
    if is_first && !ctx.reads_by_name() {
        return Ok(Ok(None));
    }
    read_unless_in_backoff(ctx, observed, &key).await
}

async fn read_unless_in_backoff(
    ctx: &Context,
    observed: &Observed,
    key: &Key,
) -> Result<Result<Option<Stored>, Problem>, Failure> {
    if let Some((problem, _)) = observed.history.backoff(&observed.inputs, observed.now) {
        return Ok(Err(problem.clone()));
    }
    read_outcome(read_target(ctx, &observed.owner, key).await)
}

/// Reads the target Secret. A foreign Secret is kept in the cache of obstacles until it changes, unless
/// it carries our label, is immutable or of another type, or Secrets are read by name. Our own Secret
/// enters the cache only when Secrets are read by name; otherwise the watch brings it.
///
/// # Errors
/// The failure of the read.
pub async fn read_target(ctx: &Context, owner: &Owner, key: &Key) -> Result<Option<Stored>, Failure> {
    // If the read finds no Secret, the cache drops this version only: one that a watch brings meanwhile
    // is newer and stays.
    let known = ctx.issued_secrets.get(key).map_or(0, |stored| stored.resource_version);
    let of_ours = ctx.issued_secrets.begin_read(key.clone());
    let of_others = ctx.obstacles.begin_read(key.clone());
    let secret = ctx
        .secrets(key.namespace())
        .get_opt(key.name())
        .await
        .map_err(|error| Failure::reading(key, error))?;
    let Some(secret) = secret else {
        ctx.issued_secrets.remove(key, known);
        ctx.obstacles.remove(key, u64::MAX);
        return Ok(None);
    };
    let stored = Stored::read(&secret);
    if of_ours.shows_restore(stored.resource_version) {
        ctx.restart_watches();
    }
    if Ownership::of(&stored, owner) == Ownership::Ours {
        ctx.obstacles.remove(key, u64::MAX);
        if ctx.reads_by_name() {
            ctx.store_answer(key, of_ours, stored.clone());
        }
    } else if !stored.is_managed && !stored.is_fixed && !ctx.reads_by_name() {
        let effect = ctx.obstacles.answer(of_others, stored.clone().without_content());
        ctx.apply_effect(key, effect);
    }
    Ok(Some(stored))
}

/// Turns a failure to read into a part of the observation, unless the API server is overloaded.
pub(super) fn read_outcome<T>(read: Result<T, Failure>) -> Result<Result<T, Problem>, Failure> {
    match read {
        Err(failure @ Failure::Overloaded { .. }) => Err(failure),
        read => Ok(read.map_err(|failure| failure.problem())),
    }
}
