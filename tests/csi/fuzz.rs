//! Whatever is sent to the socket, the driver answers or refuses: it does not end, it touches nothing but the
//! folders of CSI volumes, it says nothing secret, and nothing is left of it all.
//!
//! `FUZZ_SECONDS` (3 by default) and `FUZZ_SEED` as in `tests/fuzz`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use presign_operator::csi::csi_proto::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};
use presign_operator::csi::registration_proto::RegistrationStatus;
use prost::Message as _;
use testbed::curl;
use tonic::Code;

use crate::calls::Mounted;
use crate::mutation::Mutations;
use crate::node::CsiNode;
use crate::stores::{CONTENT, wait_until};
use crate::wire;

const PUBLISH: &str = "/csi.v1.Node/NodePublishVolume";
const UNPUBLISH: &str = "/csi.v1.Node/NodeUnpublishVolume";
/// The other methods of the three services, and some that are none.
const OTHERS: [&str; 14] = [
    "/csi.v1.Node/NodeGetInfo",
    "/csi.v1.Node/NodeGetCapabilities",
    "/csi.v1.Node/NodeStageVolume",
    "/csi.v1.Node/NodeUnstageVolume",
    "/csi.v1.Node/NodeGetVolumeStats",
    "/csi.v1.Node/NodeExpandVolume",
    "/csi.v1.Node/Nothing",
    "/csi.v1.Identity/GetPluginInfo",
    "/csi.v1.Identity/GetPluginCapabilities",
    "/csi.v1.Identity/Probe",
    "/csi.v1.Controller/CreateVolume",
    "/pluginregistration.Registration/GetInfo",
    "/pluginregistration.Registration/NotifyRegistrationStatus",
    "/nothing",
];
/// All secrets begin like this, so that one in a message is found.
const SECRET: &str = "a-secret-that-is-not-told";
/// After so much more time than was asked for, a message is better than to go on.
const TOO_LONG: Duration = Duration::from_secs(600);

/// Bytes changed at random in messages of the kubelet, in frames and in front of them.
#[tokio::test]
async fn bytes_of_any_kind() {
    let scene = Scene::new().await;
    let channel = scene.node.channel().await;
    let good = scene.volume("good").await.request();
    let unpublish = unpublish_of(&good);
    let registered = RegistrationStatus { plugin_registered: true, error: "x".to_owned() };
    let messages = vec![good.encode_to_vec(), unpublish.encode_to_vec(), registered.encode_to_vec()];
    let mut mutations = Mutations::new(messages, seed());
    let streams = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    let mut of_stream = Mutations::new(streams.into(), seed());
    let (mut count, mut answered) = (0_usize, 0_usize);
    let begun = Instant::now();
    while begun.elapsed() < time() || answered < 20 {
        assert!(begun.elapsed() < time() + TOO_LONG, "{answered} of {count} messages were refused");
        let method = [PUBLISH, UNPUBLISH, OTHERS[count / 3 % OTHERS.len()]][count % 3];
        let message = mutations.next();
        let publish = NodePublishVolumeRequest::decode(&*message).ok();
        if let Some(Err(status)) = wire::call(&channel, method, message, method == UNPUBLISH).await {
            assert!(!format!("{status:?}").contains(SECRET), "{method}: {status:?}");
            let is_judged = ![Code::Unimplemented, Code::Unavailable].contains(&status.code());
            answered += usize::from(is_judged && method == PUBLISH && publish.is_some());
        }
        // What may have been published. The kubelet asks until it is gone.
        if let Some(publish) = publish.filter(|_| method == PUBLISH) {
            wire::call(&channel, UNPUBLISH, unpublish_of(&publish).encode_to_vec(), true).await;
        }
        if count % 16 == 0 {
            wire::write(&scene.node.socket(), &of_stream.next()).await;
        }
        count += 1;
    }
    eprintln!("{count} messages, {answered} refused");
    scene.expect_well().await;
}

/// Messages with values that are each likely, and together any mixture.
#[tokio::test]
async fn messages_of_any_kind() {
    let scene = Scene::new().await;
    let channel = scene.node.channel().await;
    let volumes = [scene.volume("one").await, scene.volume("two").await];
    let mut random = Rng::with_seed(seed());
    let (mut count, mut worked, mut refused) = (0, 0_usize, 0);
    let begun = Instant::now();
    while begun.elapsed() < time() || worked < 5 || refused < 50 {
        assert!(
            begun.elapsed() < time() + TOO_LONG,
            "{worked} of {count} messages worked, {refused} did not"
        );
        let mut request = volumes[random.usize(..2)].request();
        let changes = random.usize(..4);
        for _ in 0..changes {
            scene.change(&mut request, &mut random);
        }
        let unpublish = unpublish_of(&request).encode_to_vec();
        for (method, message) in [(PUBLISH, request.encode_to_vec()), (UNPUBLISH, unpublish)] {
            match wire::call(&channel, method, message, changes == 0 || method == UNPUBLISH).await {
                Some(Ok(())) => worked += usize::from(method == PUBLISH),
                Some(Err(status)) => {
                    assert!(!format!("{status:?}").contains(SECRET), "{status:?}");
                    refused += 1;
                }
                None => {}
            }
            count += 1;
        }
    }
    eprintln!("{count} messages, {worked} published, {refused} refused");
    scene.expect_well().await;
}

/// A node with files beside those of the driver.
struct Scene {
    node: CsiNode,
    before: BTreeMap<String, (u32, u64, i64)>,
}

impl Scene {
    async fn new() -> Self {
        let node = CsiNode::new(&[]).await;
        let home = node.kubelet().parent().unwrap().to_owned();
        for folder in
            ["outside/mount", "kubelet/pods/p/volumes/kubernetes.io~secret/s", "kubelet/pods/p/etc-hosts"]
        {
            std::fs::create_dir_all(home.join(folder)).unwrap();
            std::fs::write(home.join(folder).join("..data"), "theirs").unwrap();
        }
        for name in ["uid-of-good", "uid-of-one", "uid-of-two"] {
            let folder = format!("kubelet/pods/{name}/volumes/kubernetes.io~csi/report");
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let before = files(&home);
        Self { node, before }
    }

    async fn volume(&self, name: &str) -> Mounted {
        self.node.volume(name).await.with_key("AKIAOFVOLUMES", SECRET)
    }

    /// Changes one thing.
    fn change(&self, request: &mut NodePublishVolumeRequest, random: &mut Rng) {
        let home = self.node.kubelet().parent().unwrap().display().to_string();
        let csi = format!("{home}/kubelet/pods/p/volumes/kubernetes.io~csi");
        let long = "x".repeat(5000);
        let texts = ["", "\0", "..", "/", "a/../b", "é😀", "5m", "true", "\r\nx: y", "%2F", "x=y", &long];
        let text = texts[random.usize(..texts.len())].to_owned();
        match random.usize(..8) {
            0 => {
                let targets = [
                    text,
                    format!("{home}/outside/mount"),
                    format!("{home}/kubelet/../outside/mount"),
                    format!("{home}/kubelet/pods/p/volumes/kubernetes.io~secret/s/mount"),
                    format!("{csi}/../kubernetes.io~secret/mount"),
                    format!("{csi}/{long}/mount"),
                    format!("{csi}/a\0b/mount"),
                    format!("{csi}/not-there/mount"),
                    format!("{csi}/./mount"),
                    format!("{csi}//mount"),
                ];
                request.target_path.clone_from(&targets[random.usize(..targets.len())]);
            }
            1 => request.volume_id = text,
            2 => request.readonly = random.usize(..2) == 0,
            3 => {
                let mut keys: Vec<String> = request.volume_context.keys().cloned().collect();
                // A map has another order in each process.
                keys.sort();
                request.volume_context.insert(keys[random.usize(..keys.len())].clone(), text);
            }
            4 => drop(request.volume_context.insert(text, String::new())),
            5 => {
                let names = [
                    "access-key-id",
                    "secret-access-key",
                    "session-token",
                    "csi.storage.k8s.io/serviceAccount.tokens",
                ];
                let value = [SECRET.to_owned(), format!("{SECRET}\n"), format!("{{\"a\": \"{SECRET}\"}}")];
                let value = value[random.usize(..3)].clone();
                request.secrets.insert(names[random.usize(..names.len())].to_owned(), value);
            }
            6 => request.secrets.clear(),
            _ => {
                let names = [
                    "roleARN",
                    "audience",
                    "profile",
                    "out.key",
                    "form.maxSize",
                    "caBundle",
                    "header.X",
                    "keys.accessKeyID",
                ];
                request.volume_context.insert(names[random.usize(..names.len())].to_owned(), text);
            }
        }
    }

    /// The driver runs and is well, and nothing has changed but what it was asked for.
    async fn expect_well(mut self) {
        let channel = self.node.channel().await;
        // What nobody waits for ends by itself. So does what cannot be unmounted, if there is nothing.
        wait_until("no volume is left", || {
            let page = self.node.page("/metrics");
            let counts: Vec<&str> =
                page.lines().filter(|line| line.starts_with("presign_csi_volumes{")).collect();
            !counts.is_empty() && counts.iter().all(|line| line.ends_with(" 0"))
        })
        .await;
        assert_eq!(self.node.mounts(), Vec::<String>::new());
        assert_eq!(self.node.kept().len(), 0);
        let home = self.node.kubelet().parent().unwrap().to_owned();
        assert_eq!(files(&home), self.before);
        let volume = self.node.volume("well").await;
        volume.publish(&channel).await.unwrap();
        assert_eq!(curl(&[&self.node.read(&volume, "url")]).unwrap(), CONTENT);
        volume.unpublish(&channel).await.unwrap();
        assert!(!self.node.log().contains("panicked"), "{}", self.node.log());
        // It is the process that was started.
        self.node.kill();
    }
}

/// Everything below a folder but what the driver keeps and logs: the mode, the size and the time of change.
fn files(folder: &Path) -> BTreeMap<String, (u32, u64, i64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, known) = (entry.path(), entry.metadata().unwrap());
            if ["state", "log"].iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let of_file = if known.is_file() {
                (known.mode(), known.size(), known.mtime())
            } else {
                (known.mode(), 0, 0)
            };
            found.insert(path.display().to_string(), of_file);
            if known.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn unpublish_of(request: &NodePublishVolumeRequest) -> NodeUnpublishVolumeRequest {
    let (volume_id, target_path) = (request.volume_id.clone(), request.target_path.clone());
    NodeUnpublishVolumeRequest { volume_id, target_path }
}

fn seed() -> u64 {
    let seed = testbed::number("FUZZ_SEED", 7);
    println!("FUZZ_SEED={seed}");
    seed
}

fn time() -> Duration {
    Duration::from_secs(testbed::number("FUZZ_SECONDS", 3))
}
