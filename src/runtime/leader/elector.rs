//! The elector, which decides by a `coordination.k8s.io` Lease which of several processes leads.
//!
//! `lease.rs` knows what a Lease contains. Code that asks [`Leadership`] decides what only the leader may
//! do. This file writes nothing but the Lease.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, timeout};

use crate::runtime::client::Overloaded;
use crate::runtime::clock::Clock;
use crate::runtime::leader::leadership::{Leadership, Moment};
use crate::runtime::leader::lease::{LeaseSettings, Newest, holder, lease_duration, released};

/// The longest pause between two reads of a standby, which takes a released lease that soon.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the release of the lease may take.
const RELEASE: Duration = Duration::from_secs(2);

/// Acquires the lease, renews it, and releases it.
///
/// # Guarantees
/// - Every write is a PUT of the version that was read. If two processes try to take a free lease, one
///   of them gets a conflict.
/// - We lead until two thirds of the duration after the time *before* the renewal was sent. A standby
///   waits from the time *it* saw that renewal, for the duration less the pause between two of its
///   reads, because it may have seen it that late. At least a fifth of the duration is therefore between
///   our last write and its first, whatever the clocks show.
/// - A call that fails changes nothing while there is time left to try again.
/// - A lease that is deleted counts as held until its duration is over.
/// - A lease with an older version than before comes from a restored store, and does not show which
///   process leads now. The leader keeps leading. Every other process waits for the duration of the
///   lease, even if the lease names it as the holder.
pub struct Elector {
    leases: Api<Lease>,
    settings: LeaseSettings,
    clock: Clock,
    leadership: Leadership,
    /// The lease as we wrote it last, unless another process has written it since.
    own: Option<Lease>,
    /// The lease as another process wrote it last, and when we first saw that version.
    seen: Option<(Lease, Instant)>,
    newest: Newest,
    /// When a restore of the store was noticed, unless we have acquired the lease since.
    restored: Option<Instant>,
    /// Whether the last logged transition was to leader.
    was_leading: bool,
    trouble: Option<Trouble>,
}

/// The kind of failure that was logged last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The API server is overloaded, as it is while it starts.
    Busy,
    /// Any other failure.
    Serious,
}

impl Elector {
    /// An elector that does not run yet, and the leadership that it will grant.
    #[must_use]
    pub fn new(client: Client, settings: LeaseSettings, clock: Clock) -> (Self, Leadership) {
        let leadership = Leadership::none(clock.clone());
        let elector = Self {
            leases: Api::namespaced(client, &settings.namespace),
            settings,
            clock,
            leadership: leadership.clone(),
            own: None,
            seen: None,
            newest: Newest::default(),
            restored: None,
            was_leading: false,
            trouble: None,
        };
        (elector, leadership)
    }

    /// Takes part in the election until `stop` resolves, and then releases the lease if we hold it.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let pause = tokio::select! {
                pause = self.round() => pause,
                // A write under way may still succeed. `release` covers that case.
                () = &mut stop => break,
            };
            self.log_transition();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut stop => break,
            }
        }
        self.leadership.resign();
        if !matches!(timeout(RELEASE, self.release()).await, Ok(Ok(()))) {
            tracing::warn!("the lease could not be released: the next leader has to wait until it expires");
        }
    }

    /// Reads or renews the lease once, and returns how long to wait until the next time.
    async fn round(&mut self) -> Duration {
        let trouble = match timeout(self.settings.duration / 3, self.proceed()).await {
            Ok(Ok(pause)) => {
                if self.trouble.take().is_some() {
                    let LeaseSettings { name, namespace, .. } = &self.settings;
                    tracing::info!(lease = name, namespace, "the lease can be used again");
                }
                return pause;
            }
            // Another process holds the lease, or a renewal succeeded whose answer was lost.
            Ok(Err(kube::Error::Api(status)))
                if matches!(status.code, 404 | 409) && self.own.take().is_some() =>
            {
                return Duration::ZERO;
            }
            // Another process took the lease first.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => return self.retry_interval(),
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
        self.log_trouble(trouble.0, &trouble.1);
        self.retry_interval()
    }

    /// Logs one line for each kind of failure, until calls succeed again.
    fn log_trouble(&mut self, trouble: Trouble, what: &str) {
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
        if let Some(lease) = self.own.clone() {
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
                Some(left) => Ok(left.min(self.retry_interval())),
                None => self.write(self.settings.first(self.clock.now())).await,
            },
        }
    }

    /// Whether we may take the lease: no other process holds it, or its holder has been silent too long.
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

    /// Checks whether an answer comes from a restored store.
    fn note(&mut self, lease: &Lease) {
        if self.newest.shows_restore(lease) {
            self.restored = Some(Instant::now());
            self.leadership.note_restore();
            tracing::warn!("the API server's store went back to an earlier state, as after a restore");
        }
    }

    /// Notes a lease that another process holds, and returns when to read it again.
    fn wait_for(&mut self, lease: Lease) -> Duration {
        let since = match self.seen.take() {
            Some((seen, since)) if seen.metadata.resource_version == lease.metadata.resource_version => since,
            _ => Instant::now(),
        };
        let left = self.left(&lease, since).unwrap_or_else(|| self.retry_interval());
        self.seen = Some((lease, since));
        left.min(self.retry_interval())
    }

    /// Acquires or renews the lease.
    async fn write(&mut self, lease: Lease) -> Result<Duration, kube::Error> {
        let sent = Moment::now(&self.clock);
        let (lease, params) = (self.settings.claim(lease, self.clock.now()), PostParams::default());
        let written = if lease.metadata.resource_version.is_some() {
            self.leases.replace(&self.settings.name, &params, &lease).await?
        } else {
            self.leases.create(&params, &lease).await?
        };
        self.note(&written);
        self.leadership.grant(sent.plus(self.settings.duration * 2 / 3));
        (self.own, self.seen, self.restored) = (Some(written), None, None);
        Ok(self.settings.duration / 5)
    }

    /// Releases the lease, so that a standby need not wait for its end.
    async fn release(&mut self) -> Result<(), kube::Error> {
        // The second attempt is for a renewal that succeeded, but whose answer was lost.
        for _ in 0..2 {
            let lease = match self.own.take() {
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

    /// How long the holder of a lease that was first seen at `since` still keeps it.
    fn left(&self, lease: &Lease, since: Instant) -> Option<Duration> {
        holder(lease)?;
        let lease_duration = lease_duration(lease).unwrap_or(self.settings.duration);
        let end = since + lease_duration.saturating_sub(self.retry_interval());
        end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn retry_interval(&self) -> Duration {
        RETRY_INTERVAL.min(self.settings.duration / 10)
    }

    /// Logs one line when this process becomes leader or standby.
    fn log_transition(&mut self) {
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
