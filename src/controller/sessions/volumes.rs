//! Sessions for the URLs of CSI volumes. A request for such URLs waits for its session, because no reconcile
//! follows, and a standby serves such requests too.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::time::{Instant, timeout};

use super::{SessionWish, Sessions, obtain};
use crate::controller::context::Context;
use crate::controller::reconcile::error::Failure;
use crate::domain::reason::FailureReason;
use crate::domain::session::{SessionKey, SessionNeed};
use crate::domain::signer::ParsedSigner;
use crate::domain::status::Problem;
use crate::domain::{Credentials, Owner, Request};
use crate::runtime::Key;

/// What the names of the users begin with that stand for volumes. No object in Kubernetes has a colon in its
/// name.
const VOLUME: &str = "volume:";
/// How long a request waits for news before it tries again: after a while a session serves that is not as good.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long a request waits for its session. It has a place that others need, and the driver tries again.
const SESSION_TIMEOUT: Duration = Duration::from_secs(4);

const LATE: &str = "a session is being requested, and the STS takes long: this is tried again";

/// A session for the URL of a volume, or why there is none. Waits for one that has to be requested; the caller
/// sets the deadline. Volumes of a namespace share a session where their requests ask for the same.
///
/// # Errors
/// The failure of a read.
///
/// # Cancel safety
/// The session is still requested, for the next attempt.
pub async fn session_for_volume(
    ctx: &Context,
    namespace: &str,
    request: &Request,
    signer: &ParsedSigner,
    base: Option<Arc<Credentials>>,
    longer_than: Option<Timestamp>,
) -> Result<Result<Arc<Credentials>, Problem>, Failure> {
    let (owner, begun) = (user(namespace, request, signer), Instant::now());
    loop {
        let news = ctx.sessions.news.notified();
        let mut news = std::pin::pin!(news);
        news.as_mut().enable();
        let now = ctx.clock.now();
        let until = now.checked_add(jiff::SignedDuration::from_secs(request.lifetime().into()));
        let need = SessionNeed { until: until.unwrap_or(Timestamp::MAX), longer_than };
        let base = base.clone();
        let wish = SessionWish { owner: &owner, request, signer: Some(signer), base, need, now };
        match obtain(ctx, wish).await {
            Err(Failure::AwaitingSession) if begun.elapsed() >= SESSION_TIMEOUT => {
                return Ok(Err(Problem::retried(FailureReason::CredentialsUnavailable, LATE.to_owned())));
            }
            Err(Failure::AwaitingSession) => drop(timeout(RETRY_INTERVAL, news).await),
            found => return found,
        }
    }
}

/// The user that stands for all volumes of a namespace that ask for the same session.
fn user(namespace: &str, request: &Request, signer: &ParsedSigner) -> Owner {
    let mut hasher = DefaultHasher::new();
    (&signer.uid, &request.credentials.source, &request.credentials.session).hash(&mut hasher);
    let name = format!("{VOLUME}{:016x}", hasher.finish());
    Owner { namespace: namespace.to_owned(), name, uid: String::new() }
}

/// Whether a user of a session stands for volumes.
pub(super) fn is_volume(user: &Key) -> bool {
    user.name().starts_with(VOLUME)
}

impl Sessions {
    /// The client that asks the API server for a token. A standby asks for the sake of volumes alone.
    pub(super) fn client<'a>(&self, ctx: &'a Context, key: &SessionKey) -> &'a Client {
        let is_for_volume = || {
            let cache = self.cache.read();
            cache.entries.get(key).is_some_and(|entry| entry.users.iter().any(is_volume))
        };
        if ctx.leadership.term().is_none() && is_for_volume() { &ctx.unfenced } else { &ctx.client }
    }
}
