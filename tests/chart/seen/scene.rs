//! Operators at work and in trouble, and a Prometheus that watches them: made once, and looked
//! at by many tests.

use std::ffi::OsString;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use presign_operator::crd::names::ANNOTATION_ROLE_ARNS;
use testbed::{Fault, Match, ObjectStore, Program, Proxy, Role, SessionStore, allow};

use super::prometheus::Prometheus;
use super::series::Snapshot;
use crate::world::{WAIT, kubectl, kubectl_with, plane};

/// The namespace of everything here.
pub const NAMESPACE: &str = "chart-seen";
/// The `ServiceAccount` that is used for a session, and its role.
const ACCOUNT: &str = "urls";
/// How long temporary credentials live, in seconds. A URL that ends with them does so while we look.
/// Nothing is signed with their last ten seconds, and until then anything that is waited for has come.
const SHORT: u64 = WAIT.as_secs() + 20;

/// What there is to look at.
pub struct Scene {
    /// The leader, which logs JSON.
    pub leader: Operator,
    /// One that stands by, and logs text.
    pub standby: Operator,
    /// One that was cut off from the API server.
    pub cut_off: Operator,
    pub prometheus: Prometheus,
    /// What the three said, from the first moment on.
    pub snapshots: Vec<Snapshot>,
    proxy: Proxy,
    /// It knows none of the keys.
    store: ObjectStore,
    _sessions: SessionStore,
}

/// A running operator.
pub struct Operator {
    pub program: Program,
    pub port: u16,
}

static SCENE: LazyLock<Scene> = LazyLock::new(Scene::play);

/// The scene, after the last of its troubles.
pub fn scene() -> &'static Scene {
    &SCENE
}

impl Operator {
    fn start(environment: &[(&'static str, &str)]) -> Self {
        let arguments = ["run", "--listen=127.0.0.1:0"];
        let mut variables = vec![
            ("KUBECONFIG", plane().kubeconfig().as_os_str().to_owned()),
            ("PRESIGN_NAMESPACE", NAMESPACE.into()),
            ("PRESIGN_LEASE_NAMESPACE", NAMESPACE.into()),
        ];
        variables.extend(environment.iter().map(|(name, value)| (*name, OsString::from(value))));
        let binary = env!("CARGO_BIN_EXE_presign-operator");
        let program = Program::start("presign-operator", binary, arguments, variables).unwrap();
        let port = program.port("listen").expect("it listens");
        Self { program, port }
    }

    /// What it says on a path, or nothing while it does not answer.
    pub fn page(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        testbed::curl(&["--max-time", "5", &url]).ok()
    }

    fn await_ready(&self) {
        let begun = Instant::now();
        while self.page("/readyz").is_none() {
            assert!(begun.elapsed() < WAIT, "not ready; it says:\n{}", self.program.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Scene {
    fn play() -> Self {
        let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n");
        kubectl_with(&["apply", "-f", "-"], &namespace).unwrap();
        let proxy = Proxy::start(plane()).unwrap();
        let store = ObjectStore::builder().region("eu-central-1").start().unwrap();
        let allowed = store.endpoint().trim_start_matches("http://").to_owned();
        let verify = [("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", allowed.as_str())];
        let role = Role::new(ACCOUNT, allow(&["s3:*"], &["*"])).service_account(NAMESPACE, ACCOUNT);
        let sessions = SessionStore::builder().issuer(plane()).unwrap().role(role).start().unwrap();
        let of_leader = [("PRESIGN_LOG_FORMAT", "json"), ("PRESIGN_STS_ENDPOINTS", "http://127.0.0.1")];
        let leader = Operator::start(&[&verify[..], &of_leader].concat());
        leader.await_ready();
        let standby = Operator::start(&verify);
        let environment = [
            ("KUBECONFIG", proxy.kubeconfig().to_str().unwrap()),
            ("PRESIGN_LEASE_NAME", "cut-off"),
            ("PRESIGN_NAMESPACE", "chart-cut-off"),
        ];
        let cut_off = Operator::start(&environment);
        let prometheus = Prometheus::start(&[leader.port, standby.port, cut_off.port]);
        standby.await_ready();
        cut_off.await_ready();

        make_work(&sessions);
        let snapshots = Vec::new();
        let mut scene =
            Self { leader, standby, cut_off, prometheus, snapshots, proxy, store, _sessions: sessions };
        scene.look_until("a healthy moment", WAIT, Snapshot::is_healthy);
        scene.make_trouble();
        let last = Duration::from_secs(SHORT) + WAIT;
        scene.look_until("the last of the short lives, and a renewal", last, |now| {
            now.value("presign_expired_objects") >= 2.0
                && now.value(r#"presign_objects_by_reason{reason="CredentialsNotFound"}"#) >= 1.0
                && now.value(r#"presign_issued_total{reason="RenewalDue"}"#) >= 1.0
                && now.value(r#"presign_refused_objects{reason="UnknownKey"}"#) >= 1.0
        });
        scene.prometheus.await_scrape();
        scene
    }

    /// URLs that end with their credentials, of which one Secret then goes; a target that is
    /// somebody else's; a URL that its store refuses; and an operator that cannot watch any more.
    fn make_trouble(&mut self) {
        let end = jiff::Zoned::now().timestamp().as_second() + i64::try_from(SHORT).unwrap();
        let expiration = format!("session-token: token\n  expiration: \"{end}\"");
        let manifests = [
            keys("ending", &expiration),
            keys("going", &expiration),
            keys("foreign", ""),
            presigned_url("awaiting", "ending", "awaiting"),
            presigned_url("failing", "going", "failing"),
            presigned_url("conflict", "keys", "foreign"),
            self.refused(),
        ];
        kubectl_with(&["-n", NAMESPACE, "apply", "-f", "-"], &manifests.join("---\n")).unwrap();
        self.look_until("short lives", WAIT, |now| {
            now.value(r#"presign_issued_total{reason="Missing"}"#) >= 6.0
        });
        kubectl(&["-n", NAMESPACE, "delete", "secret", "going"]).unwrap();
        let gone = Fault::Answer { code: 503, reason: "ServiceUnavailable", retry_after: 0 };
        self.proxy.fault(Match::new("GET", "secrets"), u64::MAX, gone);
        self.proxy.cut_watches();
    }

    /// A URL with a key that its store does not know.
    fn refused(&self) -> String {
        let endpoint = format!("verify: Once, s3: {{endpoint: {:?}, ", self.store.endpoint());
        presigned_url("refused", "keys", "refused").replace("s3: {", &endpoint)
    }

    /// Looks again and again until something is so, and keeps what it saw.
    fn look_until(&mut self, what: &str, longest: Duration, is_so: impl Fn(&Snapshot) -> bool) {
        let begun = Instant::now();
        loop {
            let pages =
                [&self.leader, &self.standby, &self.cut_off].map(|operator| operator.page("/metrics"));
            let [Some(leader), standby, cut_off] = pages else { panic!("the leader is gone") };
            let now = Snapshot::parse([
                &leader,
                standby.as_deref().unwrap_or_default(),
                cut_off.as_deref().unwrap_or_default(),
            ]);
            let is_there = is_so(&now);
            self.snapshots.push(now);
            if is_there {
                return;
            }
            assert!(begun.elapsed() < longest, "{what} did not come; there is:\n{leader}");
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

/// Three URLs that are well, of which one is renewed after some ten seconds, and one is signed with a session.
fn make_work(sessions: &SessionStore) {
    let early = "spec: {expiresIn: 1m, renewBeforePercentage: 80, ";
    let manifests = [
        keys("keys", ""),
        presigned_url("good", "keys", "good"),
        presigned_url("early", "keys", "early").replace("spec: {", early),
        with_session(sessions),
    ];
    kubectl_with(&["-n", NAMESPACE, "apply", "-f", "-"], &manifests.join("---\n")).unwrap();
}

/// A URL that is signed with a session of a `ServiceAccount`.
fn with_session(store: &SessionStore) -> String {
    let (endpoint, role) = (store.endpoint(), store.role_arn(ACCOUNT));
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {ACCOUNT}, annotations: {{{ANNOTATION_ROLE_ARNS}: {role:?}}}}}\n\
         ---\n\
         apiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {{name: session}}\n\
         spec: {{bucket: bucket, key: session, s3: {{endpoint: {endpoint:?}, region: {}, credentials: {{\
         webIdentity: {{serviceAccountRef: {{name: {ACCOUNT}}}, roleARN: {role:?}}}, \
         session: {{sts: {{endpoint: {endpoint:?}}}, narrowTo: Nothing}}}}}}}}\n",
        store.region(),
    )
}

fn keys(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData:\n  \
         access-key-id: KEYIDOFNOBODY\n  secret-access-key: very-secret\n  {more}\n"
    )
}

fn presigned_url(name: &str, keys: &str, secret: &str) -> String {
    format!(
        "apiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {{name: {name}}}\n\
         spec: {{bucket: bucket, key: {name}, secret: {{name: {secret}}}, \
         s3: {{region: eu-central-1, credentials: {{secretRef: {{name: {keys}}}}}}}}}\n"
    )
}
