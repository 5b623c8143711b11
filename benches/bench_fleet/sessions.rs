//! URLs that are signed with sessions beside as many that are signed with an access key. On a control plane
//! of its own, with an STS on the same machine.
//!
//! Each kind has its own namespace, operator and `Signer`. They take turns at signing everything anew, which
//! is what a renewal of all URLs at once costs: a Secret and a status for each.

use serde_json::{Value, json};
use testbed::{Role, SessionStore, StsFront, allow};

use super::follow::Follower;
use super::operator::Operator;
use super::result::{OfSessions, Rotated};
use super::scene::{FLEET, KEY, Scene};
use super::watches::Watch;
use super::{bulk, plain};

/// The namespace of the objects with sessions.
const SESSIONS: &str = "sessions";
const ROLE: &str = "urls";
/// How often each side signs everything anew.
const ROUNDS: usize = 3;

/// One of the two kinds of objects.
#[derive(Clone, Copy)]
enum SignedWith {
    /// Signed with an access key.
    Key,
    /// Signed with sessions of a role that the access key assumes.
    Session,
}

impl SignedWith {
    fn namespace(self) -> &'static str {
        match self {
            Self::Key => FLEET,
            Self::Session => SESSIONS,
        }
    }

    /// The collection of its objects.
    fn path(self) -> String {
        plain::presigned_urls(self.namespace())
    }

    async fn observer(self, scene: &Scene) -> Watch {
        Watch::open(&scene.client, &self.path(), "", false).await
    }

    /// Makes its signer sign everything anew: with another access key, or with sessions of another duration.
    async fn write(self, scene: &Scene, sts: &Sts, round: usize) {
        match self {
            Self::Key => {
                let secret = format!("another/secret/access/key/of/round/{round:04}");
                bulk::write_keys(&scene.client, FLEET, "keys", &secret).await;
            }
            Self::Session => write_signer(scene, self, sts, round).await,
        }
    }

    async fn operator(self, scene: &Scene) -> Operator {
        let operator = Operator::start_with_sts(scene, self.namespace());
        operator.ready().await;
        operator.quiet().await;
        operator
    }
}

/// The STS, and the way to it that counts the calls.
struct Sts {
    front: StsFront,
    role: String,
}

/// Measures both in turns.
pub(crate) async fn run(objects: usize) -> OfSessions {
    let scene = Scene::set().await;
    scene.add_namespace(SESSIONS).await;
    let store = tokio::task::spawn_blocking(|| {
        let everything = allow(&["s3:*"], &["arn:aws:s3:::*"]);
        SessionStore::builder()
            .identity(bulk::KEY_ID, KEY, &[])
            .role(Role::new(ROLE, everything).identity(bulk::KEY_ID))
            .start()
    });
    let store = store.await.unwrap().expect("the store starts");
    let sts = Sts { front: StsFront::start(store.endpoint()).unwrap(), role: store.role_arn(ROLE) };
    let sides = [SignedWith::Key, SignedWith::Session];
    for side in sides {
        write_signer(&scene, side, &sts, 0).await;
        bulk::create(&scene.client, side.namespace(), objects, object).await;
        let begun = (side.observer(&scene).await, Operator::start_with_sts(&scene, side.namespace()));
        sign(&scene, side, begun, objects, async || {}).await;
    }
    println!("sessions: both kinds of {objects} are issued");
    let (calls, mut rounds) = (sts.front.count(None), [Vec::new(), Vec::new()]);
    for round in 1..=ROUNDS {
        for (side, rounds) in sides.into_iter().zip(&mut rounds) {
            let operator = side.operator(&scene).await;
            let begun = (side.observer(&scene).await, operator);
            let write = async || side.write(&scene, &sts, round).await;
            let signed = sign(&scene, side, begun, objects, write).await;
            println!("sessions: {} objects in {:.1} s in {}", objects, signed.seconds, side.namespace());
            rounds.push(signed);
        }
    }
    let [key, session] = rounds;
    OfSessions { objects, key, session, calls: sts.front.count(None) - calls }
}

/// Changes something, and follows the operator of a side until it has signed every object. Ends it.
async fn sign(
    scene: &Scene,
    side: SignedWith,
    (observer, operator): (Watch, Operator),
    objects: usize,
    change: impl AsyncFnOnce(),
) -> Rotated {
    let mut follower = Follower::new(&observer, &operator, objects as u64);
    change().await;
    follower.until(objects as u64).await;
    let writing = follower.end();
    operator.quiet().await;
    operator.stop();
    assert_eq!(bulk::count(&scene.client, &side.path(), "Issued").await, objects, "all are issued");
    Rotated { objects: writing.objects, seconds: writing.seconds, cpu_seconds: writing.cpu_seconds }
}

fn object(number: usize) -> Value {
    let mut object = bulk::presigned_url(&format!("object-{number:06}"), "keys", &Value::Null);
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("s3");
    spec.insert("signerRef".to_owned(), json!({"name": "store"}));
    // Shorter than every session, so that each URL lasts as long as it is asked to.
    spec.insert("expiresIn".to_owned(), json!("30m"));
    object
}

async fn write_signer(scene: &Scene, side: SignedWith, sts: &Sts, round: usize) {
    let mut credentials = json!({"secretRef": {"name": "keys"}});
    if matches!(side, SignedWith::Session) {
        credentials["assumeRole"] = json!({"roleARN": sts.role});
        let duration = format!("{}m", 120 + round);
        credentials["session"] = json!({"duration": duration, "sts": {"endpoint": sts.front.endpoint()}});
    }
    let s3 = json!({"endpoint": "https://us-west.s3.qencode.com", "region": "us-west", "credentials": credentials});
    let body = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "store"},
        "spec": {"s3": s3},
    });
    let path = format!("{}/{}/signers/store", plain::GROUP, side.namespace());
    plain::apply(&scene.client, &path, "person", body.to_string().into_bytes()).await;
}
