//! Replicas of the operator, each on a way of its own to the API server.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, ListParams};
use testbed::{Fault, Match, Proxy, eventually};

use super::super::harness::{Operator, Space, World};

/// One process, and the way that it takes.
pub struct Replica {
    name: String,
    operator: Operator,
    proxy: Proxy,
}

impl Replica {
    async fn start(space: &Space, name: String, lease: Duration) -> Self {
        let starting = tokio::task::spawn_blocking(|| Proxy::start(&World::get_blocking().plane));
        let proxy = starting.await.unwrap().unwrap();
        // A call may take longer than the lease, as by default.
        let timeout = (lease + lease / 2).as_secs().to_string();
        let lease = lease.as_secs().to_string();
        let variables = [
            ("KUBECONFIG", proxy.kubeconfig().to_str().unwrap()),
            ("HOSTNAME", name.as_str()),
            ("PRESIGN_LEASE_DURATION", lease.as_str()),
            ("PRESIGN_REQUEST_TIMEOUT", timeout.as_str()),
        ];
        let operator = Operator::start(space.world, &space.namespace, &variables);
        Self { name, operator, proxy }
    }

    /// How its identity begins.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub fn page(&self, path: &str) -> String {
        self.operator.page(path)
    }

    pub fn log(&self) -> String {
        self.operator.log()
    }

    pub fn signal(&self, signal: &str) {
        self.operator.signal(signal);
    }

    /// Ends it as a node that fails does.
    pub fn kill(&self) {
        self.operator.kill();
    }

    /// Nothing comes through any more, in either direction.
    pub fn cut_off(&self) {
        self.proxy.fault(Match::new("*", "/"), u64::MAX, Fault::Drop);
        self.proxy.cut_watches();
    }

    /// All that it writes stands still, but for its lease.
    pub fn hang_writes(&self) {
        self.proxy.fault(Match::new("*", "/leases"), u64::MAX, Fault::Delay(Duration::ZERO));
        self.stop_writes(&Fault::HangUntilHealed);
    }

    /// All that it writes is taken in, its lease too, and arrives at the end.
    pub fn buffer_writes(&self) {
        self.stop_writes(&Fault::Buffer);
    }

    fn stop_writes(&self, fault: &Fault) {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            self.proxy.fault(Match::new(method, "/"), u64::MAX, fault.clone());
        }
    }

    pub fn heal(&self) {
        self.proxy.heal();
    }
}

/// All replicas of a story.
pub struct Replicas<'a> {
    space: &'a Space,
    lease: Duration,
    started: usize,
    running: Vec<Replica>,
}

impl<'a> Replicas<'a> {
    /// Starts some in place of the space's own operator, and waits until one leads and all
    /// are ready.
    pub async fn start(space: &'a Space, count: usize, lease: Duration) -> Self {
        space.operator.stop();
        let mut replicas = Self { space, lease, started: 0, running: Vec::new() };
        for _ in 0..count {
            replicas.add().await;
        }
        // An operator that stops on a busy machine may keep its lease until that expires.
        let leads = async || {
            let holder = lease_of(space).await.and_then(|lease| lease.holder_identity);
            holder.is_some_and(|holder| replicas.running.iter().any(|replica| is_of(&holder, replica.name())))
        };
        assert!(eventually(super::DEADLINE, leads).await, "none of the replicas leads");
        replicas
    }

    /// Starts one more, and waits until it is ready.
    pub async fn add(&mut self) {
        self.started += 1;
        let replica = Replica::start(self.space, format!("replica-{}", self.started), self.lease).await;
        let is_ready = async || replica.page("/readyz").trim() == "ok";
        assert!(eventually(super::DEADLINE, is_ready).await, "not ready:\n{}", replica.log());
        self.running.push(replica);
    }

    pub fn all(&self) -> &[Replica] {
        &self.running
    }

    /// The one with this identity.
    pub fn leader(&self, identity: &str) -> &Replica {
        let is_it = |replica: &&Replica| is_of(identity, replica.name());
        self.running.iter().find(is_it).unwrap_or_else(|| panic!("{identity:?} is none of ours"))
    }

    /// The one with this identity, which is no longer among them.
    pub fn take(&mut self, identity: &str) -> Replica {
        let place = self.running.iter().position(|replica| is_of(identity, replica.name()));
        self.running.remove(place.unwrap_or_else(|| panic!("{identity:?} is none of ours")))
    }

    /// Ends them all as a person does who scales down.
    pub fn stop(&self) {
        for replica in &self.running {
            replica.operator.stop();
        }
    }
}

/// The lease of a space, as the API server has it now; `None` if there is none yet.
pub async fn lease_of(space: &Space) -> Option<LeaseSpec> {
    let leases = Api::<Lease>::namespaced(space.client.clone(), &space.namespace);
    leases.list(&ListParams::default()).await.unwrap().items.into_iter().next()?.spec
}

/// Whether an identity is one of the replica of this name.
pub fn is_of(identity: &str, name: &str) -> bool {
    identity.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'))
}
