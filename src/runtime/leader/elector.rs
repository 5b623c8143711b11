//! Which of several processes leads: an elector over one `coordination.k8s.io` Lease.
//!
//! What a Lease says is `lease_record.rs`; what the lead is good for is decided by who asks
//! [`Leadership`]. Nothing is written here but the Lease.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, timeout};

use crate::runtime::client::Overloaded;
use crate::runtime::clock::Clock;
use crate::runtime::leader::leadership::{Leadership, Moment};
use crate::runtime::leader::lease::{LeaseSettings, Newest, holder, patience, released};

/// The longest pause between two looks of a standby: a released lease is taken that soon.
const LOOK: Duration = Duration::from_secs(1);
/// How long giving the lease back may take.
const RELEASE: Duration = Duration::from_secs(2);

/// Wins the lease, renews it, and gives it back.
///
/// # Guarantees
/// - Every write is a PUT of the version that was read: of two that reach for a free lease
///   one gets a conflict.
/// - We lead until two thirds of the duration after the moment *before* the renewal was
///   sent. Others wait from the moment *they* saw that renewal, for the duration less the pause
///   between two of their looks, which may be how late they saw it. So at least a fifth of it
///   lies between our last write and their first, whatever clocks say.
/// - A call that fails changes nothing while there is time left to try again.
/// - A lease that vanishes counts as held until its time is over.
/// - One that shows an older version than before is that of a store which was restored, and
///   says nothing about who leads now: who leads keeps it, everybody else leaves it alone for
///   its duration, even if it says that they hold it.
pub struct Elector {
    leases: Api<Lease>,
    settings: LeaseSettings,
    clock: Clock,
    leadership: Leadership,
    /// The lease as we wrote it last, unless somebody has written it since.
    held: Option<Lease>,
    /// The lease as another one wrote it last, and since when it stands so.
    seen: Option<(Lease, Instant)>,
    newest: Newest,
    /// When the lease was seen to be that of an earlier store, unless it was ours since.
    restored: Option<Instant>,
    /// What was logged last.
    was_leading: bool,
    trouble: Option<Trouble>,
}

/// What was told of calls that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The API server is busy, as it is while it starts.
    Busy,
    /// Anything else.
    Serious,
}

impl Elector {
    /// An elector that has not begun, and the leadership that it will grant.
    #[must_use]
    pub fn new(client: Client, settings: LeaseSettings, clock: Clock) -> (Self, Leadership) {
        let leadership = Leadership::none(clock.clone());
        let elector = Self {
            leases: Api::namespaced(client, &settings.namespace),
            settings,
            clock,
            leadership: leadership.clone(),
            held: None,
            seen: None,
            newest: Newest::default(),
            restored: None,
            was_leading: false,
            trouble: None,
        };
        (elector, leadership)
    }

    /// Takes part until `stop` resolves, and then gives the lease back, if it is ours.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let pause = tokio::select! {
                pause = self.round() => pause,
                // What is under way may go through: giving back sees to that.
                () = &mut stop => break,
            };
            self.tell();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut stop => break,
            }
        }
        self.leadership.resign();
        if !matches!(timeout(RELEASE, self.release()).await, Ok(Ok(()))) {
            tracing::warn!("the lease could not be given back: the next leader has to wait for its end");
        }
    }

    /// One look or one renewal; says how long to wait for the next.
    async fn round(&mut self) -> Duration {
        let trouble = match timeout(self.settings.duration / 3, self.proceed()).await {
            Ok(Ok(pause)) => {
                if self.trouble.take().is_some() {
                    let LeaseSettings { name, namespace, .. } = &self.settings;
                    tracing::info!(lease = name, namespace, "the lease can be used again");
                }
                return pause;
            }
            // Somebody has it, or a renewal went through whose answer was lost.
            Ok(Err(kube::Error::Api(status)))
                if matches!(status.code, 404 | 409) && self.held.take().is_some() =>
            {
                return Duration::ZERO;
            }
            // Somebody was quicker.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => return self.look_again(),
            Ok(Err(kube::Error::Api(status))) => {
                let trouble = if status.code == 429 { Trouble::Busy } else { Trouble::Serious };
                (trouble, format!("{} {}", status.code, status.message))
            }
            Ok(Err(error)) => match Overloaded::of(&error) {
                Some(overloaded) => (Trouble::Busy, overloaded.to_string()),
                None => (Trouble::Serious, "the API server could not be reached".to_owned()),
            },
            Err(_) => (Trouble::Serious, "the API server did not answer in time".to_owned()),
        };
        self.tell_trouble(trouble.0, &trouble.1);
        self.look_again()
    }

    /// One line for each kind of trouble, until it is over.
    fn tell_trouble(&mut self, trouble: Trouble, what: &str) {
        let LeaseSettings { name, namespace, .. } = &self.settings;
        match (self.trouble, trouble) {
            (Some(Trouble::Serious), _) | (Some(Trouble::Busy), Trouble::Busy) => return,
            (None, Trouble::Busy) => {
                tracing::info!(lease = name, namespace, "cannot use the lease yet: {what}");
            }
            (_, Trouble::Serious) => tracing::warn!(lease = name, namespace, "cannot use the lease: {what}"),
        }
        self.trouble = Some(trouble);
    }

    async fn proceed(&mut self) -> Result<Duration, kube::Error> {
        if let Some(lease) = self.held.clone() {
            return self.write(lease).await;
        }
        let found = self.leases.get_opt(&self.settings.name).await?;
        if let Some(lease) = &found {
            self.note(lease);
        }
        match found {
            Some(lease) if self.is_free(&lease) => self.write(lease).await,
            Some(lease) => {
                self.leadership.resign();
                Ok(self.wait_for(lease))
            }
            None => match self.seen.as_ref().and_then(|(lease, since)| self.left(lease, *since)) {
                Some(left) => Ok(left.min(self.look_again())),
                None => self.write(self.settings.first(self.clock.now())).await,
            },
        }
    }

    /// Whether there is nobody in the lease but, perhaps, ourselves.
    fn is_free(&self, lease: &Lease) -> bool {
        if self.restored.is_some_and(|since| since.elapsed() < self.settings.duration) {
            return self.leadership.left().is_some();
        }
        holder(lease).is_none_or(|holder| *holder == self.settings.identity)
            || self.seen.as_ref().is_some_and(|(seen, since)| {
                seen.metadata.resource_version == lease.metadata.resource_version
                    && self.left(seen, *since).is_none()
            })
    }

    /// Looks whether an answer is one of an earlier store.
    fn note(&mut self, lease: &Lease) {
        if self.newest.went_back(lease) {
            self.restored = Some(Instant::now());
            self.leadership.note_restore();
            tracing::warn!("the API server's store went back to an earlier state, as after a restore");
        }
    }

    /// Notes another one's lease, and says when to look again.
    fn wait_for(&mut self, lease: Lease) -> Duration {
        let since = match self.seen.take() {
            Some((seen, since)) if seen.metadata.resource_version == lease.metadata.resource_version => since,
            _ => Instant::now(),
        };
        let left = self.left(&lease, since).unwrap_or_else(|| self.look_again());
        self.seen = Some((lease, since));
        left.min(self.look_again())
    }

    /// Takes the lease, or renews it.
    async fn write(&mut self, lease: Lease) -> Result<Duration, kube::Error> {
        let sent = Moment::now(&self.clock);
        let (lease, params) = (self.settings.held(lease, self.clock.now()), PostParams::default());
        let written = if lease.metadata.resource_version.is_some() {
            self.leases.replace(&self.settings.name, &params, &lease).await?
        } else {
            self.leases.create(&params, &lease).await?
        };
        self.note(&written);
        self.leadership.grant(sent.plus(self.settings.duration * 2 / 3));
        (self.held, self.seen, self.restored) = (Some(written), None, None);
        Ok(self.settings.duration / 5)
    }

    /// Empties the lease, so that a standby need not wait for its end.
    async fn release(&mut self) -> Result<(), kube::Error> {
        // The second time for a renewal that went through unnoticed.
        for _ in 0..2 {
            let lease = match self.held.take() {
                Some(lease) => Some(lease),
                None => self.leases.get_opt(&self.settings.name).await?,
            };
            let Some(lease) = lease.filter(|lease| holder(lease) == Some(&self.settings.identity)) else {
                return Ok(());
            };
            let lease = released(lease, self.clock.now());
            match self.leases.replace(&self.settings.name, &PostParams::default(), &lease).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                answer => return answer.map(drop),
            }
        }
        Ok(())
    }

    /// How long a lease that stands so since then is still its holder's.
    fn left(&self, lease: &Lease, since: Instant) -> Option<Duration> {
        holder(lease)?;
        let patience = patience(lease).unwrap_or(self.settings.duration);
        let end = since + patience.saturating_sub(self.look_again());
        end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn look_again(&self) -> Duration {
        LOOK.min(self.settings.duration / 10)
    }

    /// One line on a transition.
    fn tell(&mut self) {
        let is_leading = self.leadership.left().is_some();
        if is_leading == std::mem::replace(&mut self.was_leading, is_leading) {
            return;
        }
        let LeaseSettings { name, namespace, identity, .. } = &self.settings;
        if is_leading {
            tracing::info!(lease = name, namespace, identity, "leading");
        } else {
            let successor = self.seen.as_ref().and_then(|(lease, _)| holder(lease));
            tracing::warn!(
                lease = name,
                namespace,
                identity,
                successor,
                "no longer leading: nothing is written"
            );
        }
    }
}
