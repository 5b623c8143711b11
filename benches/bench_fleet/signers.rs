//! Objects of one `ClusterSigner` beside as many with credentials of their own: memory, rotations, and
//! changes of the policy. On a control plane of its own.
//!
//! Each kind has its own namespace and its own operator. They take turns, because the speed of a machine
//! drifts within minutes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls;
use super::follow::Follower;
use super::operator::Operator;
use super::result::{Counted, Judging, Rotated, Sided, Signed};
use super::scene::{FLEET, Scene};
use super::watches::Watch;
use super::{bulk, plain};

/// The namespace of the objects with the signer, and that of its credentials.
const SIGNED: &str = "signed";
const PLATFORM: &str = "platform";
const SIGNER: &str = "/apis/presign.dev/v1alpha1/clustersigners/media";
/// The largest number of objects that the signer denies in the end; of fewer objects it is a half.
const DENIED: usize = 100;
/// How often each key is rotated.
const ROUNDS: usize = 2;
/// The longest that a change of the policy may take.
const LIMIT: Duration = Duration::from_secs(300);

/// One of the two kinds of objects.
#[derive(Clone, Copy)]
enum KeyOwner {
    /// With the access key of their own namespace.
    Own,
    /// With the `ClusterSigner`.
    Signer,
}

impl KeyOwner {
    fn namespace(self) -> &'static str {
        match self {
            Self::Own => FLEET,
            Self::Signer => SIGNED,
        }
    }

    /// The collection of its objects.
    fn path(self) -> String {
        plain::presigned_urls(self.namespace())
    }

    /// Its object of a number. The first `denied` of them have keys of their own kind.
    fn object(self, number: usize, denied: usize) -> Value {
        let name = format!("object-{number:06}");
        let key = format!("{}{name}.pdf", prefix(number < denied));
        let mut object = bulk::presigned_url(&name, "keys", &json!({"key": key}));
        if matches!(self, Self::Signer) {
            let spec = object["spec"].as_object_mut().unwrap();
            spec.remove("s3");
            spec.insert("signerRef".to_owned(), json!({"kind": "ClusterSigner", "name": "media"}));
        }
        object
    }

    /// Writes another access key.
    async fn write_key(self, scene: &Scene, round: usize) {
        let namespace = match self {
            Self::Own => FLEET,
            Self::Signer => PLATFORM,
        };
        let secret = format!("another/secret/access/key/of/round/{round:04}");
        bulk::write_keys(&scene.client, namespace, "keys", &secret).await;
    }

    /// Starts its operator, and waits until that has nothing to do any more.
    async fn operator(self, scene: &Scene) -> Operator {
        let operator = Operator::start_beside(scene, self.namespace(), PLATFORM);
        operator.ready().await;
        operator.quiet().await;
        operator
    }
}

/// What the keys begin with: of those that the signer denies in the end, and of the others.
fn prefix(is_denied: bool) -> &'static str {
    if is_denied { "2026/q3/to be denied/" } else { "2026/q3/to be allowed/" }
}

/// Measures both, and then the signer alone.
pub(crate) async fn run(objects: usize) -> Signed {
    let scene = Scene::set().await;
    for namespace in [SIGNED, PLATFORM] {
        scene.add_namespace(namespace).await;
    }
    let denied = DENIED.min(objects / 2);
    let both = [prefix(true), prefix(false)];
    write_policy(&scene, &both, false).await;
    let sides = [KeyOwner::Own, KeyOwner::Signer];
    let mut measured = Vec::new();
    for side in sides {
        let operator = side.operator(&scene).await;
        let empty_kib = operator.memory();
        operator.stop();
        measured.push(Sided { empty_kib, started_kib: 0, rotations: Vec::new() });
    }
    for side in sides {
        bulk::create(&scene.client, side.namespace(), objects, |number| side.object(number, denied)).await;
        issue(&scene, side, objects).await;
    }
    say(objects, "both kinds are issued");
    for round in 0..ROUNDS {
        for (side, measured) in sides.into_iter().zip(&mut measured) {
            let operator = side.operator(&scene).await;
            if round == 0 {
                measured.started_kib = operator.memory();
            }
            measured.rotations.push(rotate(&scene, side, &operator, round, objects).await);
            operator.stop();
        }
        say(objects, &format!("{} rotations of each", round + 1));
    }
    let operator = KeyOwner::Signer.operator(&scene).await;
    // Another rule, for nothing that anybody asks for.
    let same = judge(&scene, &operator, objects, 0, (&both[..], true)).await;
    say(objects, &format!("the same verdicts: {same:?}"));
    let denying = judge(&scene, &operator, objects, denied, (&both[1..], true)).await;
    say(objects, &format!("{denied} denied: {denying:?}"));
    let not_permitted = bulk::count(&scene.client, &KeyOwner::Signer.path(), "NotPermitted").await;
    assert_eq!(not_permitted, denied, "the statuses say which are denied");
    operator.stop();
    let [own, signer]: [Sided; 2] = measured.try_into().expect("there are two kinds");
    Signed { objects, denied, own, signer, same, denying }
}

fn say(objects: usize, what: &str) {
    println!("signers of {objects}: {what}");
}

/// Writes the signer, whose policy permits keys with these prefixes.
async fn write_policy(scene: &Scene, prefixes: &[&str], has_another_rule: bool) {
    let rule = |name: &str, bucket: &str| json!({"name": name, "methods": ["GET"], "buckets": [bucket], "keyPrefixes": prefixes});
    let mut rules = vec![rule("downloads", "reports")];
    if has_another_rule {
        rules.push(rule("elsewhere", "archive"));
    }
    let body = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "ClusterSigner", "metadata": {"name": "media"},
        "spec": {
            "s3": {
                "endpoint": "https://us-west.s3.qencode.com", "region": "us-west",
                "credentials": {"secretRef": {"name": "keys"}},
            },
            "allowedNamespaces": {"from": "Names", "names": [SIGNED]},
            "policy": {"rules": rules},
        },
    });
    plain::apply(&scene.client, SIGNER, "person", body.to_string().into_bytes()).await;
}

/// Has an operator issue everything.
async fn issue(scene: &Scene, side: KeyOwner, objects: usize) {
    let observer = Watch::open(&scene.client, &side.path(), "", false).await;
    let operator = Operator::start_beside(scene, side.namespace(), PLATFORM);
    Follower::new(&observer, &operator, objects as u64).until(objects as u64).await;
    operator.quiet().await;
    operator.stop();
    assert_eq!(bulk::count(&scene.client, &side.path(), "Issued").await, objects, "all are issued");
}

/// Rotates the access key, and follows the statuses.
async fn rotate(scene: &Scene, side: KeyOwner, operator: &Operator, round: usize, objects: usize) -> Rotated {
    let observer = Watch::open(&scene.client, &side.path(), "", false).await;
    let mut follower = Follower::new(&observer, operator, objects as u64);
    side.write_key(scene, round).await;
    follower.until(objects as u64).await;
    let writing = follower.end();
    operator.quiet().await;
    Rotated { objects: writing.objects, seconds: writing.seconds, cpu_seconds: writing.cpu_seconds }
}

/// Changes the policy, and waits until every object is judged and the statuses of the denied ones say so.
async fn judge(
    scene: &Scene,
    operator: &Operator,
    objects: usize,
    denied: usize,
    (prefixes, has_another_rule): (&[&str], bool),
) -> Judging {
    let observer = Watch::open(&scene.client, &KeyOwner::Signer.path(), "", false).await;
    let before = (calls::answered(&scene.client).await, operator.calls().await);
    let (reconciles, cpu) = (operator.reconciles().await, operator.cpu_seconds());
    let (wanted, begun) = (reconciles + objects as u64, Instant::now());
    write_policy(scene, prefixes, has_another_rule).await;
    while operator.reconciles().await < wanted || observer.events() < denied as u64 {
        assert!(begun.elapsed() < LIMIT, "not every object is judged in time");
        // Each look takes processor time of the operator, too.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    operator.quiet().await;
    let calls = Counted {
        by_api_server: calls::answered(&scene.client).await.since(&before.0),
        by_operator: operator.calls().await.since(&before.1),
    };
    Judging { seconds, cpu_seconds: operator.cpu_seconds() - cpu, calls }
}
