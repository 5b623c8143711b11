//! A namespace, and what keeps a certificate in it, inside the test on a clock that the test moves.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use presign_operator::controller::{CertificateSettings, SigningCertificate};
use presign_operator::runtime::{Clock, ClockOffset, Leadership, Pages, Site, http};
use testbed::{Proxy, answered, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::harness::{DEADLINE, World, make_namespace};

/// The time between two looks.
pub const EVERY: Duration = Duration::from_millis(200);

/// Where a certificate is kept.
pub struct CertificateNamespace {
    /// The way of the keepers to the API server.
    proxy: Proxy,
    pub namespace: String,
    pub name: String,
    pub secrets: Api<Secret>,
    pub config_maps: Api<ConfigMap>,
}

impl CertificateNamespace {
    pub async fn new() -> Self {
        let world = World::get().await;
        let proxy = tokio::task::spawn_blocking(|| Proxy::start(&world.plane)).await.unwrap().unwrap();
        let client = world.client().await;
        let namespace = make_namespace(&client, "certificate-").await;
        Self {
            secrets: Api::namespaced(client.clone(), &namespace),
            config_maps: Api::namespaced(client, &namespace),
            proxy,
            namespace,
            name: "signing".to_owned(),
        }
    }

    pub async fn secret(&self) -> Secret {
        self.secrets.get(&self.name).await.unwrap()
    }

    /// Changes the data of the Secret, and returns it as it was then. The operator may write at the same time.
    pub async fn change_secret(&self, change: fn(&mut BTreeMap<String, ByteString>)) -> Secret {
        loop {
            let mut secret = self.secret().await;
            let before = secret.data.clone();
            change(secret.data.as_mut().unwrap());
            assert_ne!(secret.data, before, "it changes nothing");
            match self.secrets.replace(&self.name, &PostParams::default(), &secret).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                changed => return changed.unwrap(),
            }
        }
    }

    pub async fn config_map(&self) -> Option<ConfigMap> {
        self.config_maps.get_opt(&self.name).await.unwrap()
    }

    /// Waits until a keeper has read the Secret this often from now on, which is how each of its looks begins.
    pub async fn wait_looks(&self, count: usize) {
        let read = format!("GET /api/v1/namespaces/{}/secrets/{}", self.namespace, self.name);
        let before = self.proxy.seen().iter().filter(|request| request.contains(&read)).count();
        assert!(self.proxy.wait_for(&read, before + count, DEADLINE).await, "the keeper does not look");
    }

    /// The published CAs; empty if there are none.
    pub async fn bundle(&self) -> String {
        let data = self.config_map().await.and_then(|map| map.data).unwrap_or_default();
        data.get("ca.crt").cloned().unwrap_or_default()
    }

    /// Waits until the published CAs are as wanted.
    pub async fn wait_bundle(&self, wanted: &str, is_so: impl Fn(&str) -> bool) -> String {
        let wanted_one = |bundle: &String| !bundle.is_empty() && is_so(bundle);
        let bundle = answered(DEADLINE, async || Some(self.bundle().await).filter(wanted_one)).await;
        bundle.unwrap_or_else(|| panic!("not in time: {wanted}"))
    }

    /// Waits until the Secret is as wanted.
    pub async fn wait_secret(&self, wanted: &str, is_so: impl Fn(&Secret) -> bool) -> Secret {
        let ask = async || self.secrets.get_opt(&self.name).await.unwrap().filter(&is_so);
        answered(DEADLINE, ask).await.unwrap_or_else(|| panic!("not in time: {wanted}"))
    }
}

/// What a client makes of the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    Trusted,
    Untrusted,
    /// There is no certificate.
    Refused,
}

/// Keeps a certificate, and serves a port with it.
pub struct Keeper {
    pub clock: ClockOffset,
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Keeper {
    /// Begins, and waits until the CAs are published.
    pub async fn start(place: &CertificateNamespace) -> Self {
        Self::start_at(place, 0).await
    }

    /// The same with a clock that is this many seconds ahead.
    pub async fn start_at(place: &CertificateNamespace, seconds: i64) -> Self {
        let keeper = Self::begin(place, seconds).await;
        place.wait_bundle("a CA", |_| true).await;
        let is_served = async || keeper.ask(&place.bundle().await) != Answer::Refused;
        assert!(eventually(DEADLINE, is_served).await, "it has no certificate");
        keeper
    }

    /// Begins, and waits for nothing.
    pub async fn begin(place: &CertificateNamespace, seconds: i64) -> Self {
        let (clock, offset) = Clock::adjustable();
        offset.set(seconds);
        let settings = CertificateSettings {
            name: place.name.clone(),
            namespace: place.namespace.clone(),
            ca_namespace: place.namespace.clone(),
            names: vec!["localhost".to_owned(), "a.b.svc".to_owned()],
            every: EVERY,
        };
        let kubeconfig = Kubeconfig::read_from(place.proxy.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let certificate = SigningCertificate::new(settings, &client, Leadership::unopposed(), clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Pages { probes: None, metrics: None, access: None };
        let site = Site { answers: pages, tls: Some(certificate.tls()) };
        let serving = tokio::spawn(http::serve(listener, site, std::future::pending::<()>()));
        let keeping = tokio::spawn(async move {
            certificate.run().await;
        });
        Self { clock: offset, address, tasks: [serving, keeping] }
    }

    pub fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    /// What a client that trusts only these CAs makes of the certificate.
    pub fn ask(&self, bundle: &str) -> Answer {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bundle.as_bytes()).unwrap();
        let url = format!("https://localhost:{}/", self.address.port());
        let mut curl = testbed::curl_command();
        curl.args(["--output", "/dev/null", "--cacert"]).arg(file.path()).arg(url);
        let output = tokio::task::block_in_place(|| curl.output()).expect("curl is installed");
        match output.status.code() {
            Some(0) => Answer::Trusted,
            Some(60) => Answer::Untrusted,
            Some(35) => Answer::Refused,
            code => panic!("curl ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Waits until a client that trusts only these CAs makes this of the certificate.
    pub async fn wait_for(&self, bundle: &str, answer: Answer) {
        let is_so = async || self.ask(bundle) == answer;
        assert!(eventually(DEADLINE, is_so).await, "not in time: {answer:?}");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}
