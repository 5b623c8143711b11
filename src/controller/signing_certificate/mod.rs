//! The certificate of the signing service, if the operator makes it itself: it is kept in a Secret, and the
//! CAs that nodes trust in a `ConfigMap`.
//!
//! `domain::certificate` decides what is stored. `make.rs` makes certificates, and `objects.rs` reads and
//! writes the objects. The leader writes them; each replica serves what is stored.

mod make;
mod objects;

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;

use crate::domain::certificate::{CertificateObservation, StoredCertificates};
use crate::runtime::server::TlsError;
use crate::runtime::{Clock, Leadership, Tls, clock};
use make::make;
use objects::{CertificateObjects, published};

/// How often the wall clock is compared with the monotonic one.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// The longest time between two checks while there is no certificate to serve.
const WAITING: Duration = Duration::from_secs(5);
/// The time until the next check after another process wrote first.
const AFTER_CONFLICT: Duration = Duration::from_secs(1);

/// Where the certificate is kept, and for which names it is.
#[derive(Clone, Debug)]
pub struct CertificateSettings {
    /// The name of the Secret and of the `ConfigMap`.
    pub name: String,
    /// The namespace of the Secret.
    pub namespace: String,
    /// The namespace of the `ConfigMap`.
    pub ca_namespace: String,
    /// The names that clients call the signing service by.
    pub names: Vec<String>,
    /// The time between two checks of the Secret.
    pub every: Duration,
}

/// Why the certificate cannot be kept.
#[derive(Debug, thiserror::Error)]
enum CertificateFailure {
    #[error("cannot {what}")]
    Api { what: &'static str, source: Box<kube::Error> },
    #[error("another process wrote first")]
    Conflict,
    #[error(
        "the {kind} {name} exists and is not one of the operator: delete it, or give --signing-certificate another name"
    )]
    Foreign { kind: &'static str, name: String },
    #[error("cannot make a certificate: check --signing-dns-names")]
    Make(#[from] rcgen::Error),
    #[error("cannot serve the certificate")]
    Tls(#[from] TlsError),
}

/// The certificate of the signing service, which the operator makes and renews.
pub struct SigningCertificate {
    settings: CertificateSettings,
    objects: CertificateObjects,
    leadership: Leadership,
    clock: Clock,
    tls: Arc<Tls>,
    /// What was stored when it could last be used.
    remembered: Option<StoredCertificates>,
    /// The last failure that was logged.
    trouble: Option<String>,
}

impl SigningCertificate {
    /// Keeps the certificate by `client`, whose writes need the leadership.
    #[must_use]
    pub fn new(settings: CertificateSettings, client: &Client, leadership: Leadership, clock: Clock) -> Self {
        let objects = CertificateObjects::new(client, &settings);
        let tls = Arc::new(Tls::without_certificate());
        Self { settings, objects, leadership, clock, tls, remembered: None, trouble: None }
    }

    /// What a port serves. It has no certificate until the Secret was read or made.
    #[must_use]
    pub fn tls(&self) -> Arc<Tls> {
        self.tls.clone()
    }

    /// Keeps the certificate for as long as the process runs.
    pub async fn run(mut self) -> Infallible {
        let jumps = clock::jumps(self.clock.clone(), CHECK_INTERVAL);
        let mut wakes = std::pin::pin!(futures::stream::select(jumps, self.leadership.begins()));
        loop {
            let wait = self.check().await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(()) = wakes.next() => {}
            }
        }
    }

    /// Checks the certificate once, and returns the time until the next check.
    async fn check(&mut self) -> Duration {
        let (kept, is_leading) = (self.keep().await, self.leadership.term().is_some());
        let most = if self.tls.has_certificate() { Duration::MAX } else { WAITING };
        let wait = self.settings.every.min(most);
        match kept {
            Ok(()) => {
                self.trouble = None;
                wait
            }
            Err(CertificateFailure::Conflict) => wait.min(AFTER_CONFLICT),
            // A standby that was the leader has written nothing, and the next leader does.
            Err(CertificateFailure::Api { .. }) if !is_leading && self.tls.has_certificate() => wait,
            Err(failure) => {
                self.log_failure(&failure);
                wait
            }
        }
    }

    /// Logs a failure when it is another one than before.
    fn log_failure(&mut self, failure: &CertificateFailure) {
        let text = failure.to_string();
        if self.trouble.as_ref() != Some(&text) {
            let cause = failure.source().map(ToString::to_string);
            let CertificateSettings { name, namespace, ca_namespace, .. } = &self.settings;
            tracing::warn!(
                name,
                namespace,
                ca_namespace,
                cause,
                "the certificate of the signing service: {text}"
            );
            self.trouble = Some(text);
        }
    }

    async fn keep(&mut self) -> Result<(), CertificateFailure> {
        let secret = self.objects.secret().await?;
        let now = self.clock.now();
        let usable = secret.stored.as_ref().filter(|stored| stored.is_usable(&self.settings.names, now));
        // Also the leader serves it before it looks further, because a ConfigMap that cannot be read is no reason
        // to serve nothing.
        usable.cloned().map_or(Ok(()), |stored| self.serve(stored))?;
        if self.leadership.term().is_none() {
            return Ok(());
        }
        let config_map = self.objects.config_map().await?;
        let now = self.clock.now();
        let seen = CertificateObservation {
            stored: secret.stored.as_ref(),
            remembered: self.remembered.as_ref(),
            published: published(config_map.as_ref()),
            names: &self.settings.names,
            now,
        };
        let state = StoredCertificates::advance(&seen, || make(&self.settings.names, now))?;
        self.objects.write_secret(secret, &state).await?;
        let bundle = state.bundle();
        self.serve(state)?;
        self.objects.publish(config_map, bundle).await
    }

    fn serve(&mut self, stored: StoredCertificates) -> Result<(), CertificateFailure> {
        let pair = &stored.current;
        self.tls.give(pair.certificate.as_bytes(), pair.key.expose().as_bytes())?;
        if self.remembered.as_ref().is_none_or(|remembered| remembered.current != *pair) {
            let CertificateSettings { name, namespace, .. } = &self.settings;
            tracing::info!(secret = name, namespace, expires = %pair.expires_at, "serving the certificate of the signing service");
        }
        self.remembered = Some(stored);
        Ok(())
    }
}
