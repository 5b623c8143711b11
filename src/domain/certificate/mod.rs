//! The certificate that the operator makes for its signing service: what to do with the stored one.
//!
//! Each certificate has a CA of its own, whose private key is thrown away. Every renewal is therefore also a
//! change of the CA: the next CA is published first, and its certificate is served a day later.
//! `check.rs` says whether a certificate can be used, and `stored.rs` how a Secret holds it.

mod check;
mod stored;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::domain::Sensitive;

/// How long a certificate is valid.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long before its expiry a certificate gets a successor: a third of its lifetime.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long two CAs are trusted at a time: before the next certificate is served, and after it is. The
/// kubelets bring a changed `ConfigMap` within minutes.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// A certificate, its private key, and the CA that signed it, each as PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServingPair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: Sensitive<String>,
    /// The certificate of the CA.
    pub ca: String,
    /// When the certificate expires.
    pub expires_at: Timestamp,
}

/// The certificate that is served next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Successor {
    /// The certificate.
    pub pair: ServingPair,
    /// When it is served; `None` while its CA is not published.
    pub served_from: Option<Timestamp>,
}

/// The CA of the certificate that was served before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Predecessor {
    /// The certificate of the CA.
    pub ca: String,
    /// Until when it is trusted.
    pub until: Timestamp,
}

/// Everything that is stored about the certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredCertificates {
    /// What is served.
    pub current: ServingPair,
    /// What is served next.
    pub next: Option<Successor>,
    /// What was served before.
    pub previous: Option<Predecessor>,
}

/// What the decision depends on.
#[derive(Clone, Debug)]
pub struct CertificateObservation<'a> {
    /// What the Secret holds; `None` if it does not exist or cannot be read.
    pub stored: Option<&'a StoredCertificates>,
    /// What this process knows from before.
    pub remembered: Option<&'a StoredCertificates>,
    /// The CAs that are published.
    pub published: &'a str,
    /// The names that the certificate must have.
    pub names: &'a [String],
    /// The current time.
    pub now: Timestamp,
}

impl StoredCertificates {
    /// What to store now. It is equal to what is stored if there is nothing to do.
    ///
    /// # Guarantees
    /// - A certificate that can be used is replaced only by one whose CA has been published for a day. This
    ///   also holds if the Secret was deleted or changed, as long as one process remembers the certificate.
    /// - If no certificate can be used, another one is served at once.
    ///
    /// # Errors
    /// Those of `make`, which makes a certificate for the names.
    pub fn advance<E>(
        seen: &CertificateObservation<'_>,
        mut make: impl FnMut() -> Result<ServingPair, E>,
    ) -> Result<Self, E> {
        let is_usable = |pair: &ServingPair| check::is_usable(pair, seen.names, seen.now);
        let usable = |known: Option<&Self>| known.filter(|known| is_usable(&known.current)).cloned();
        let mut state = if let Some(stored) = usable(seen.stored) {
            stored
        } else if let Some(remembered) = usable(seen.remembered) {
            // Somebody may have deleted the Secret to get another key, so this begins a renewal.
            Self { next: Some(Successor { pair: make()?, served_from: None }), ..remembered }
        } else {
            let stored = seen.stored.cloned();
            let previous = stored.as_ref().map(|stored| Predecessor::of(&stored.current, seen.now));
            let next = stored.and_then(|stored| stored.next).filter(|next| is_usable(&next.pair));
            let current = next.map_or_else(&mut make, |next| Ok(next.pair))?;
            Self { current, next: None, previous }
        };
        state.next = state.next.filter(|next| is_usable(&next.pair));
        if state.next.is_none() && state.current.expires_at.duration_since(seen.now) <= RENEW_BEFORE {
            state.next = Some(Successor { pair: make()?, served_from: None });
        }
        state.keep_times(seen);
        Ok(state)
    }

    /// Serves the successor when its time has come, and forgets the predecessor when its time has passed.
    fn keep_times(&mut self, seen: &CertificateObservation<'_>) {
        let latest = later(seen.now, OVERLAP);
        if let Some(next) = &mut self.next {
            let is_published = seen.published.contains(next.pair.ca.trim());
            // After a clock that was ahead, the time may be too far away.
            next.served_from =
                is_published.then(|| next.served_from.map_or(latest, |planned| planned.min(latest)));
        }
        let is_due = |next: &mut Successor| next.served_from.is_some_and(|time| time <= seen.now);
        if let Some(next) = self.next.take_if(is_due) {
            let last = std::mem::replace(&mut self.current, next.pair);
            self.previous = Some(Predecessor::of(&last, seen.now));
        }
        self.previous = self.previous.take().filter(|previous| previous.until > seen.now);
        if let Some(previous) = &mut self.previous {
            previous.until = previous.until.min(latest);
        }
    }

    /// Whether what is served can be used now.
    #[must_use]
    pub fn is_usable(&self, names: &[String], now: Timestamp) -> bool {
        check::is_usable(&self.current, names, now)
    }

    /// The CAs to trust, as PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| &next.pair.ca);
        let previous = self.previous.as_ref().map(|previous| &previous.ca);
        let all = [Some(&self.current.ca), next, previous];
        all.into_iter().flatten().map(|ca| format!("{}\n", ca.trim())).collect()
    }
}

impl Predecessor {
    fn of(pair: &ServingPair, now: Timestamp) -> Self {
        Self { ca: pair.ca.clone(), until: later(now, OVERLAP) }
    }
}

fn later(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}
