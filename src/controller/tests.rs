//! A context for the tests of the controller, over an API server that the test makes up.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use prometheus_client::registry::Registry;

use super::context::Context;
use super::{Controller, Process, SecretAccess, Settings};
use crate::domain::Limits;
use crate::domain::limits::StsEndpoints;
use crate::domain::resolve::ConnectionSettings;
use crate::runtime::{Clock, Leadership, Probes, Skew};
use crate::sts::{Sts, StsSettings};

/// The context of an operator that leads, and that has read nothing yet.
pub(super) fn context(client: Client) -> Arc<Context> {
    let settings = Settings {
        instance: "test".to_owned(),
        namespaces: Vec::new(),
        secret_access: SecretAccess::Watch,
        max_in_flight: 4,
        pods: false,
        limits: Limits::new(Vec::new(), Vec::new()),
        connection_settings: ConnectionSettings::default(),
        cluster_signers: true,
        namespace_selectors: false,
    };
    let terms = StsSettings {
        endpoints: StsEndpoints::default(),
        ca_bundle: None,
        proxy: None,
        no_proxy: None,
        ambient: None,
    };
    let process = Process {
        unfenced: client.clone(),
        clock: Clock::system(),
        leadership: Leadership::unopposed(),
        registry: &mut Registry::default(),
        probes: Probes::new(Duration::from_secs(60)),
        limiter: Controller::limiter(),
        skew: Skew::default(),
        sts: Sts::new(terms).unwrap(),
        verifier: None,
    };
    Controller::new(settings, client, process).context
}
