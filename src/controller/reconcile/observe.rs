//! Step 2: how things stand. Memory first, the API server only on a miss.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::reconcile::error::Failure;
use crate::controller::state::attempts::Hold;
use crate::controller::state::issued_secrets::SecretKey;
use crate::domain::decision::{Case, Decision, comparable_validity, decide, issue_reason};
use crate::domain::reason::IssueReason;
use crate::domain::status::{Seen, Standing};
use crate::domain::stored::Content;
use crate::domain::{Credentials, IssuedSecret, Owner, Request, Stored, render};
use crate::s3::PresignError;

/// How things stand for one object whose target is ours or free.
#[derive(Debug)]
pub struct Observed {
    /// What the target Secret holds.
    pub stored: Option<Stored>,
    /// The access key, or why there is none.
    pub credentials: Result<Credentials, Failure>,
    /// The stored Secret as it would be rendered at its own signing time; `None` when it
    /// holds no URL that can be read.
    pub rendered: Result<Option<Rendered>, PresignError>,
}

/// A stored Secret rendered again.
#[derive(Debug)]
pub struct Rendered {
    /// What a repair writes.
    pub secret: IssuedSecret,
    /// What is in it, for comparison.
    content: Content,
    /// The address of its object.
    location: String,
}

/// What the target Secret holds; `None` when there is none.
pub async fn target(ctx: &Context, key: &SecretKey, hold: Option<&Hold>) -> Result<Option<Stored>, Failure> {
    if let Some(stored) = ctx.facts.get(key) {
        return Ok(Some(stored));
    }
    if let Some(problem) = hold.and_then(Hold::problem) {
        return Err(Failure::Held(problem.clone()));
    }
    let _turn = ctx.turn(ctx.clock.now().as_second()).await?;
    let secret = ctx
        .secrets(&key.namespace)
        .get_opt(&key.name)
        .await
        .map_err(|error| Failure::api(format!("read Secret {:?}", key.name), error))?;
    let stored = secret.as_ref().map(Stored::read);
    if let Some(stored) = &stored {
        ctx.facts.learn(key, stored.clone());
    }
    Ok(stored)
}

/// Says which Secrets a request looks at. The namesake of an object needs no mention: it
/// always wakes it.
pub fn depend(ctx: &Context, request: &Request, owner: &Owner) {
    let mut looked_at = BTreeSet::from([request.credentials.name.clone()]);
    if request.target.name != owner.name {
        looked_at.insert(request.target.name.clone());
    }
    ctx.dependents.set(&owner.namespace, &owner.name, &looked_at);
}

/// Adds the credentials and the comparison to what the target holds.
pub async fn observe(
    ctx: &Context,
    request: &Request,
    owner: &Owner,
    stored: Option<Stored>,
    hold: Option<&Hold>,
) -> Observed {
    let credentials = credentials(ctx, request, owner, hold).await;
    let rendered = match &stored {
        Some(stored) => rendered(ctx, request, owner, stored, credentials.as_ref().ok()),
        None => Ok(None),
    };
    Observed { stored, credentials, rendered }
}

/// The same with credentials that are read now, if no watch keeps them right and a URL would
/// be signed with what was read before this pass had `begun`.
pub async fn refresh(
    ctx: &Context,
    request: &Request,
    owner: &Owner,
    observed: Observed,
    hold: Option<&Hold>,
    begun: Instant,
) -> Observed {
    if !ctx.reads_by_name() || hold.is_some_and(|hold| hold.problem().is_some()) {
        return observed;
    }
    let key = SecretKey::new(&owner.namespace, &request.credentials.name);
    let decision = decide(&observed.case(ctx, request, seed(&owner.uid)));
    if matches!(decision, Decision::Issue { .. }) && ctx.credentials.drop_older(&key, begun) {
        return observe(ctx, request, owner, observed.stored, hold).await;
    }
    observed
}

async fn credentials(
    ctx: &Context,
    request: &Request,
    owner: &Owner,
    hold: Option<&Hold>,
) -> Result<Credentials, Failure> {
    let key = SecretKey::new(&owner.namespace, &request.credentials.name);
    if let (Some(problem), false) = (hold.and_then(Hold::problem), ctx.credentials.is_known(&key)) {
        return Err(Failure::Held(problem.clone()));
    }
    let known =
        ctx.credentials.get(ctx, &key).await.map_err(|error| {
            Failure::api(format!("read Secret {:?} with the credentials", key.name), error)
        })?;
    match &known.data {
        None => Err(Failure::CredentialsNotFound { secret: key.name }),
        Some(data) => Ok(Credentials::parse(&request.credentials, data)?),
    }
}

/// The stored Secret rendered again at its own signing time. Without credentials it is
/// signed with a stand-in: everything but key id, token and signature can be compared.
fn rendered(
    ctx: &Context,
    request: &Request,
    owner: &Owner,
    stored: &Stored,
    credentials: Option<&Credentials>,
) -> Result<Option<Rendered>, PresignError> {
    let Some(url) = stored.content.url else { return Ok(None) };
    let validity = comparable_validity(url.validity, request, credentials);
    let signed = match credentials {
        Some(credentials) => ctx.signer.presign(request, credentials, validity),
        None => ctx.signer.presign(request, &Credentials::stand_in(), validity),
    }?;
    let location = signed.location().to_owned();
    let secret = render(request, &signed, owner, stored.handled_renew.as_deref());
    Ok(Some(Rendered { content: secret.content(), secret, location }))
}

impl Observed {
    fn rendered(&self) -> Option<&Rendered> {
        self.rendered.as_ref().ok()?.as_ref()
    }

    /// The question for [`decide`](crate::domain::decision::decide).
    #[must_use]
    pub fn case<'a>(&'a self, ctx: &Context, request: &'a Request, seed: u32) -> Case<'a> {
        Case {
            now: ctx.clock.now(),
            request,
            stored: self.stored.as_ref(),
            rendered: self.rendered().map(|rendered| &rendered.content),
            credentials: self.credentials.as_ref().ok(),
            seed,
        }
    }

    /// What the report will say of the stored URL, before anything is written.
    #[must_use]
    pub fn seen(&self, case: &Case<'_>) -> Seen {
        let Some((stored, url)) =
            self.stored.as_ref().and_then(|stored| stored.content.url.map(|url| (stored, url)))
        else {
            return Seen::Nothing;
        };
        let mismatch = [IssueReason::Missing, IssueReason::SpecChanged, IssueReason::Drifted];
        Seen::Url(Standing {
            // What cannot be signed again cannot be what the spec asks for.
            matches: self.rendered.is_ok()
                && issue_reason(case).is_none_or(|reason| !mismatch.contains(&reason)),
            location: self.rendered().map(|rendered| rendered.location.clone()),
            handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
            ..Standing::new(case.request, url.validity, case.credentials, case.seed)
        })
    }
}

/// A hash of an object's UID that no release changes (FNV-1a): it spreads renewals.
pub fn seed(uid: &str) -> u32 {
    uid.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
