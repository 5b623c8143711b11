//! The pod's own token pays: it becomes a session of an STS, which is narrowed to the object.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::json;
use testbed::{ControlPlane, Role, SessionStore, StsFault, StsFront, allow, curl};
use tonic::Code;

use crate::calls::Mounted;
use crate::node::CsiNode;
use crate::stores::{BUCKET, CONTENT, KEY, next_second, store, wait_until};

const AUDIENCE: &str = "sts.amazonaws.com";
const ROLE: &str = "reader";

struct TokenWorld {
    plane: ControlPlane,
    store: SessionStore,
}

static WORLD: LazyLock<TokenWorld> = LazyLock::new(|| {
    let plane = ControlPlane::start().expect("the control plane starts");
    for arguments in
        [&["create", "namespace", "team-a"][..], &["-n", "team-a", "create", "serviceaccount", "reader"]]
    {
        assert!(plane.kubectl().args(arguments).status().unwrap().success());
    }
    let everything = allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = Role::new(ROLE, everything).service_account("team-a", "reader");
    let store = SessionStore::builder().issuer(&plane).unwrap().role(role).start().expect("the store starts");
    store.create_bucket(BUCKET).unwrap();
    store.put_object(BUCKET, KEY, CONTENT).unwrap();
    TokenWorld { plane, store }
});

async fn world() -> &'static TokenWorld {
    tokio::task::spawn_blocking(|| &*WORLD).await.expect("the testbed starts")
}

impl TokenWorld {
    /// What the kubelet gives to the driver: a token that it has asked for, and when it expires.
    fn tokens(&self, audience: &str, end: &str) -> String {
        let audience_flag = format!("--audience={audience}");
        let output = self
            .plane
            .kubectl()
            .args(["-n", "team-a", "create", "token", "reader", "--duration=10m", &audience_flag])
            .output()
            .unwrap();
        let token = String::from_utf8(output.stdout).unwrap();
        json!({audience: {"token": token.trim(), "expirationTimestamp": end}}).to_string()
    }
}

/// A node whose driver may ask the STS, and the way there.
pub async fn place() -> (CsiNode, Arc<StsFront>) {
    let front = front().await;
    let node = CsiNode::new(&["--sts-endpoints=http://127.0.0.1"]).await;
    (node, front)
}

/// A way to the STS.
pub async fn front() -> Arc<StsFront> {
    Arc::new(StsFront::start(world().await.store.endpoint()).unwrap())
}

/// A volume with a role.
pub async fn volume(node: &CsiNode, front: &StsFront, name: &str) -> Mounted {
    of_role(node.volume(name).await, front).await
}

/// The same volume with a role in place of a key.
async fn of_role(volume: Mounted, front: &StsFront) -> Mounted {
    let world = world().await;
    let (store, arn) = (world.store.endpoint(), world.store.role_arn(ROLE));
    let mut volume = volume.with(&[
        ("endpoint", &store),
        ("region", world.store.region()),
        ("roleARN", &arn),
        ("sts.endpoint", &front.endpoint()),
    ]);
    volume.secrets = [(TOKENS.to_owned(), world.tokens(AUDIENCE, "2099-01-01T00:00:00Z"))].into();
    volume
}

/// A volume for a driver with another folder, and the way to its STS.
pub async fn web_identity(kubelet: &Path, name: &str, session: &str) -> (Mounted, StsFront) {
    let front = StsFront::start(world().await.store.endpoint()).unwrap();
    let volume = of_role(Mounted::new(kubelet, name, store().await), &front).await;
    (volume.with(&[("session.duration", session)]), front)
}

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

#[tokio::test]
async fn a_token_of_the_pod_becomes_a_url_that_is_narrowed_to_the_object() {
    let (mut node, front) = place().await;
    let (channel, volume) = (node.channel().await, volume(&node, &front, "web").await);
    volume.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    let [asked] = front.answers().try_into().unwrap_or_else(|_| panic!("one session"));
    assert_eq!(
        (asked.action.as_str(), asked.session_name.as_str()),
        ("AssumeRoleWithWebIdentity", "presign-team-a")
    );
    assert!(asked.policy.is_some_and(|policy| policy.contains(BUCKET)));

    // A new token is kept, and no reason to sign.
    let mut other = volume.clone();
    other.secrets.insert(TOKENS.to_owned(), world().await.tokens(AUDIENCE, "2098-01-01T00:00:00Z"));
    next_second().await;
    other.publish(&channel).await.unwrap();
    let control = of_role(node.volume("control").await, &front).await;
    node.pass(&control).await;
    assert_eq!((front.answers().len(), node.issued()), (2, 2), "once for each volume");
    assert!(std::fs::read_to_string(&node.kept()[0]).unwrap().contains("2098-01-01"));

    // A restart asks for nothing while the URL is fresh.
    node.kill();
    next_second().await;
    node.start().await;
    other.publish(&node.channel().await).await.unwrap();
    node.pass(&control).await;
    assert_eq!((front.answers().len(), node.issued()), (3, 1), "only the other is signed");
}

#[tokio::test]
async fn what_the_sts_and_the_kubelet_refuse_is_said_to_the_author_of_the_pod() {
    let (node, front) = place().await;
    let channel = node.channel().await;
    let good = volume(&node, &front, "refused").await;

    let mut none = good.clone();
    none.secrets.clear();
    let status = none.publish(&channel).await.unwrap_err();
    assert!(
        status.code() == Code::PermissionDenied && status.message().contains("csi.audiences"),
        "{status:?}"
    );

    let other = good.clone().with(&[("audience", "another")]);
    let status = other.publish(&channel).await.unwrap_err();
    assert!(
        status.code() == Code::PermissionDenied && status.message().contains("--token-audiences"),
        "{status:?}"
    );

    let unknown = good.clone().with(&[("roleARN", "arn:aws:iam::000000000000:role/nobody")]);
    let status = unknown.publish(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(status.message().contains("system:serviceaccount:team-a:reader"), "{status:?}");
    node.expect_nothing_left(&good);

    let both = good.clone();
    let mut both = both.with_key("AKIA", "key");
    both.secrets.extend(good.secrets.clone());
    let status = both.publish(&channel).await.unwrap_err();
    assert!(status.message().contains("has no effect with nodePublishSecretRef"), "{status:?}");
    node.expect_nothing_left(&good);
}

#[tokio::test]
async fn an_sts_that_is_away_for_a_moment_delays_the_first_url() {
    let (node, front) = place().await;
    let (channel, volume) = (node.channel().await, volume(&node, &front, "away").await);
    front.fault(StsFault::Close);
    let publish = tokio::spawn({
        let (channel, volume) = (channel.clone(), volume.clone());
        async move { volume.publish(&channel).await }
    });
    wait_until("the STS is asked", || node.log().contains("cannot issue")).await;
    front.heal();
    publish.await.unwrap().unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
}

#[tokio::test]
async fn while_the_sts_hangs_volumes_can_be_unpublished_and_others_published() {
    let (mut node, front) = place().await;
    let (channel, stuck) = (node.channel().await, volume(&node, &front, "stuck").await);
    front.fault(StsFault::Hang);
    let publish = tokio::spawn({
        let (channel, stuck) = (channel.clone(), stuck.clone());
        async move { stuck.publish(&channel).await }
    });
    wait_until("the STS is asked", || front.count(None) > 0).await;
    let other = node.volume("other").await;
    other.publish(&channel).await.unwrap();
    stuck.unpublish(&channel).await.unwrap();
    assert_eq!(publish.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(node.mounts().len(), 1);
    assert!(!node.inside(&stuck.target).exists());

    // Killed while it waits for the STS: nothing is left of the volume but what the kubelet asks for again.
    let before = front.count(None);
    let publish = tokio::spawn({
        let (channel, stuck) = (channel.clone(), stuck.clone());
        async move { stuck.publish(&channel).await }
    });
    wait_until("the STS is asked", || front.count(None) > before).await;
    assert!(!publish.is_finished(), "it waits for the STS");
    node.kill();
    assert!(publish.await.unwrap().is_err());
    assert_eq!((node.mounts().len(), node.kept().len()), (1, 1));
    front.heal();
    node.start().await;
    let channel = node.channel().await;
    stuck.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&stuck, "url")]).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_kubelet_that_gives_up_leaves_nothing_behind() {
    let (node, front) = place().await;
    let (channel, volume) = (node.channel().await, volume(&node, &front, "given-up").await);
    front.fault(StsFault::Hang);
    let publish = tokio::spawn({
        let volume = volume.clone();
        async move { volume.publish(&channel).await }
    });
    let starting = |count: usize| node.shows(&format!("presign_csi_volumes{{state=\"Starting\"}} {count}"));
    wait_until("the STS is asked", || front.count(None) > 0 && starting(1)).await;
    publish.abort();
    wait_until("the volume is forgotten", || starting(0)).await;
    front.heal();
    node.expect_nothing_left(&volume);
}
