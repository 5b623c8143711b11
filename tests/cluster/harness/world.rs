//! The one control plane and the one object store of this test binary.

use std::sync::LazyLock;

use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use testbed::{ControlPlane, ControlPlaneBuilder, ObjectStore};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::wait::{await_condition, conditions};

/// Everything that the stories share.
pub struct World {
    pub plane: ControlPlane,
    pub store: ObjectStore,
}

/// Id and secret of a second access key that the store knows, for rotations.
pub const SECOND_KEY: (&str, &str) = ("SECONDKEYFORROTATION", "a-second-secret-for-rotation");

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/harness/audit-policy.yaml");
    World::start(&ControlPlane::builder().audit_policy(policy))
});

/// For stories with hundreds of megabytes of objects, which nobody wants in an audit log.
static SPACIOUS: LazyLock<World> = LazyLock::new(|| World::start(&ControlPlane::builder()));

/// For the one story whose operator looks after all namespaces.
static SOLITARY: LazyLock<World> = LazyLock::new(|| World::start(&ControlPlane::builder()));

impl World {
    /// The world, started by whoever comes first.
    pub async fn get() -> &'static Self {
        tokio::task::spawn_blocking(|| &*WORLD).await.expect("the testbed starts")
    }

    /// Another one, without an audit log.
    #[allow(dead_code, reason = "not every test binary is about memory")]
    pub async fn spacious() -> &'static Self {
        tokio::task::spawn_blocking(|| &*SPACIOUS).await.expect("the testbed starts")
    }

    /// A third one, in which no other story has an operator.
    #[allow(dead_code, reason = "only one test looks after all namespaces")]
    pub async fn solitary() -> &'static Self {
        tokio::task::spawn_blocking(|| &*SOLITARY).await.expect("the testbed starts")
    }

    fn start(plane: &ControlPlaneBuilder) -> Self {
        let plane = plane.start().expect("the control plane starts");
        let store = ObjectStore::builder().account(SECOND_KEY.0, SECOND_KEY.1).start();
        let store = store.expect("the object store starts");
        let world = Self { plane, store };
        // A thread of its own, since this may run inside a test's runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(world.install_definitions());
            });
        });
        world
    }

    /// The same from outside a runtime.
    pub fn get_blocking() -> &'static Self {
        &WORLD
    }

    /// A client with all rights. Each test has its own, since a client belongs to a runtime.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.plane.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    async fn install_definitions(&self) {
        let api = Api::<CustomResourceDefinition>::all(self.client().await);
        for crd in presign_operator::crd::definitions().unwrap() {
            let name = crd.metadata.name.clone().unwrap();
            api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&crd)).await.unwrap();
            await_condition(api.clone(), &name, conditions::is_crd_established()).await.unwrap();
        }
        // The garbage collector learns of a new kind only every 30 s unless it starts anew.
        self.plane.restart_controller_manager().unwrap();
    }
}
