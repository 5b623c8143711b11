//! What the target Secret holds: memory first, the API server on a miss, and where memory is not
//! to be trusted.

use super::error::Failure;
use super::observe::Observed;
use crate::controller::context::Context;
use crate::domain::history::Awaited;
use crate::domain::status::Problem;
use crate::domain::{Owner, Ownership, Request, Stored};
use crate::runtime::Key;

/// What a read of the target Secret showed: nothing, or this.
pub type Found = Option<Stored>;

/// What the target Secret holds; `None` when there is none, as far as is known: a create will
/// tell.
pub(super) async fn target(
    ctx: &Context,
    observed: &Observed,
    request: &Request,
    is_awaited: bool,
) -> Result<Result<Option<Stored>, Problem>, Failure> {
    let key = Key::new(&observed.owner.namespace, &request.target.name);
    // The cache was wrong about it, or is not to be trusted: read it.
    if is_awaited || observed.history.was_outdated() {
        return read(ctx, observed, &key).await;
    }
    if let Some(stored) = ctx.issued_secrets.get(&key).or_else(|| ctx.obstacles.get(&key)) {
        return Ok(Ok(Some(stored)));
    }
    // What was written once may be there without our label; only a first URL needs no look.
    let is_first = !observed.was_issued && observed.history.awaits() != Some(Awaited::Target);
    if is_first && !ctx.reads_by_name() {
        return Ok(Ok(None));
    }
    read(ctx, observed, &key).await
}

async fn read(
    ctx: &Context,
    observed: &Observed,
    key: &Key,
) -> Result<Result<Option<Stored>, Problem>, Failure> {
    if let Some((problem, _)) = observed.history.held(&observed.inputs, observed.now) {
        return Ok(Err(problem.clone()));
    }
    told(read_target(ctx, &observed.owner, key).await)
}

/// Reads the target Secret. What is somebody else's is remembered until it changes, unless it may
/// be of a type that no watch shows; what is ours serves this reconcile only, if a watch shows it.
///
/// # Errors
/// What the API server or the way to it answered.
pub async fn read_target(ctx: &Context, owner: &Owner, key: &Key) -> Result<Option<Stored>, Failure> {
    // What is known by now; what a watch shows from here on is newer than what is read.
    let known = ctx.issued_secrets.get(key).map_or(0, |stored| stored.resource_version);
    let of_ours = ctx.issued_secrets.begin_read(key.clone());
    let of_others = ctx.obstacles.begin_read(key.clone());
    let secret = ctx
        .secrets(key.namespace())
        .get_opt(key.name())
        .await
        .map_err(|error| Failure::api(format!("read Secret {:?}", key.name()), error))?;
    let Some(secret) = secret else {
        ctx.issued_secrets.remove(key, known);
        ctx.obstacles.remove(key, u64::MAX);
        return Ok(None);
    };
    let stored = Stored::read(&secret);
    if of_ours.is_behind(stored.resource_version) {
        ctx.begin_watches_anew();
    }
    if Ownership::of(&stored, owner) == Ownership::Ours {
        ctx.obstacles.remove(key, u64::MAX);
        if ctx.reads_by_name() {
            ctx.learned(key, ctx.issued_secrets.answer(of_ours, stored.clone(), false));
        }
    } else if !stored.is_managed && !stored.is_fixed && !ctx.reads_by_name() {
        let answered = ctx.obstacles.answer(of_others, stored.clone().without_content());
        ctx.learned(key, answered);
    }
    Ok(Some(stored))
}

/// A failure to read as a part of the observation, unless it is not the object's fault.
pub(super) fn told<T>(read: Result<T, Failure>) -> Result<Result<T, Problem>, Failure> {
    match read {
        Err(failure @ Failure::Overloaded { .. }) => Err(failure),
        read => Ok(read.map_err(|failure| failure.problem())),
    }
}
