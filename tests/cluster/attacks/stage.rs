//! Where the attacks happen: the attacker's namespaces, the platform team's namespace with its keys, the
//! stores with what belongs to others, and signers that work.

use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};

use super::eventually;
use super::stores::Store;
use crate::harness::{DEADLINE, curl, make_namespace_named, merge, ready};
use crate::tenancy::{Tenancy, role};

/// What each object holds that belongs to others.
pub const OF_OTHERS: &str = "what belongs to another team";

/// Where the attacker creates an object.
#[derive(Clone, Copy, Debug)]
pub enum AttackNamespace {
    /// The namespace that the signers allow.
    Team,
    /// Another namespace of the attacker, which they do not allow.
    Elsewhere,
    /// The signer namespace. Whoever may create objects there has more rights than the attacker.
    Platform,
}

pub struct AttackSetup {
    pub tenancy: Tenancy,
    /// The attacker's other namespace.
    pub elsewhere: String,
    /// The team whose objects the attacker is after. Its name begins as the attacker's.
    pub victim: String,
    pub stores: Vec<Store>,
    /// What the attacker has.
    attacker: Client,
    count: AtomicUsize,
}

impl AttackSetup {
    pub async fn set() -> Self {
        let mut tenancy = Tenancy::new("attacks").await;
        let (team, platform) = (tenancy.name().to_owned(), tenancy.platform.clone());
        let elsewhere = format!("{team}-else");
        make_namespace_named(&tenancy.team.client, &elsewhere).await;
        tenancy.restart_for(&[&team, &elsewhere, &platform], &[]);
        let attacker = attacker(&tenancy, &elsewhere).await;
        let stores = vec![Store::of(tenancy.team.world), Store::start_s3s()];
        let (victim, count) = (format!("{team}b"), AtomicUsize::new(0));
        let stage = Self { tenancy, elsewhere, victim, stores, attacker, count };
        for store in &stage.stores {
            Box::pin(stage.fill(store)).await;
        }
        stage
    }

    /// The attacker's namespace, which is also the name of the bucket.
    pub fn team(&self) -> &str {
        self.tenancy.name()
    }

    /// A bucket that no rule names.
    pub fn other_bucket(&self) -> String {
        format!("{}-others", self.team())
    }

    /// A name that no other object has.
    pub fn fresh_name(&self, kind: &str) -> String {
        format!("{kind}-{:03}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    pub fn namespace(&self, place: AttackNamespace) -> &str {
        match place {
            AttackNamespace::Team => self.team(),
            AttackNamespace::Elsewhere => &self.elsewhere,
            AttackNamespace::Platform => &self.tenancy.platform,
        }
    }

    /// The `PresignedUrl`s of a namespace, with the rights of whoever attacks from there.
    pub fn presigned_urls(&self, place: AttackNamespace) -> Api<PresignedUrl> {
        let client = match place {
            AttackNamespace::Team | AttackNamespace::Elsewhere => &self.attacker,
            AttackNamespace::Platform => &self.tenancy.team.client,
        };
        Api::namespaced(client.clone(), self.namespace(place))
    }

    /// The object once the operator has judged it.
    pub async fn judged(&self, place: AttackNamespace, name: &str) -> PresignedUrl {
        let look = |object: Option<&PresignedUrl>| {
            let object = object?;
            ready(object).filter(|ready| ready.observed_generation == object.metadata.generation)?;
            Some(object.clone())
        };
        let team = &self.tenancy.team;
        let objects = Api::namespaced(team.client.clone(), self.namespace(place));
        team.wait_for(DEADLINE, objects, name, "a verdict", look).await
    }

    /// The name of the signer with this role for a store.
    pub fn signer(&self, store: &Store, role: &str) -> String {
        format!("{}-{}-{role}", self.team(), store.name)
    }

    /// A spec that names the signer with this role.
    pub fn spec(&self, store: &Store, role: &str, key: &str, changes: Value) -> Value {
        let signer = json!({"kind": "ClusterSigner", "name": self.signer(store, role)});
        let mut spec = json!({"bucket": self.team(), "key": key, "signerRef": signer});
        merge(&mut spec, changes);
        spec
    }

    /// A key of the attacker.
    pub fn own_key(&self, rest: &str) -> String {
        format!("tenants/{}/{rest}", self.team())
    }

    /// Makes a signer with `changes` on top of what most of them have.
    pub async fn make_signer(&self, store: &Store, role: &str, changes: Value) {
        let (team, own) = (self.team(), "tenants/{namespace}/");
        let mut spec = json!({
            "s3": store.connection(&store.secret()),
            "allowedNamespaces": {"from": "Names", "names": [team]},
            "policy": {"rules": [
                {"name": "rule-for-downloads", "methods": ["GET", "HEAD"], "buckets": [team], "keyPrefixes": [own],
                    "maxExpiresIn": "10m"},
                {"name": "rule-for-uploads", "methods": ["PUT"], "buckets": [team], "keyPrefixes": [own]},
                {"name": "rule-for-deletions", "methods": ["DELETE"], "buckets": [team], "keyPrefixes": [own]},
                {"name": "rule-for-people", "methods": ["GET"], "buckets": [team],
                    "keyPrefixes": ["people/{namespace}/{name}/"]},
                {"name": "rule-of-others", "namespaces": ["somebody-else"], "methods": ["GET"],
                    "buckets": ["bucket-of-others"], "keyPrefixes": ["prefix-of-others/"]},
            ]},
        });
        merge(&mut spec, changes);
        self.tenancy.try_apply_signer(&self.signer(store, role), spec).await.unwrap();
    }

    /// Issues a URL that is permitted, which shows that the operator knows the signer and that it works.
    pub async fn control(&self, place: AttackNamespace, spec: Value) -> String {
        let name = self.fresh_name("control");
        let object = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name},
            "spec": spec,
        });
        let object: PresignedUrl = serde_json::from_value(object).unwrap();
        let objects = self.presigned_urls(place);
        objects.create(&kube::api::PostParams::default(), &object).await.unwrap();
        let is_issued = async || {
            let object = objects.get(&name).await.unwrap();
            ready(&object).is_some_and(|ready| ready.reason == "Issued")
        };
        let log = || self.tenancy.team.operator.log();
        assert!(eventually(is_issued).await, "{name} is permitted and is not issued:\n{}", log());
        name
    }

    /// The same for a download of the attacker's own object, which is tried.
    async fn control_download(&self, store: &Store, role: &str) {
        let spec = self.spec(store, role, &self.own_key("report.txt"), json!({}));
        let name = self.control(AttackNamespace::Team, spec).await;
        assert_eq!(self.tenancy.team.download(&name).await.unwrap(), "content", "{} {role}", store.name);
    }

    /// The same for an upload.
    async fn control_upload(&self, store: &Store, role: &str) {
        let key = self.own_key("uploaded.txt");
        let name =
            self.control(AttackNamespace::Team, self.spec(store, role, &key, json!({"method": "PUT"}))).await;
        let body = self.tenancy.team.operator.folder().join("body");
        std::fs::write(&body, "uploaded").unwrap();
        curl(&["-T", body.to_str().unwrap(), &self.tenancy.team.data(&name, "url").await]).unwrap();
        assert_eq!(store.get(self.team(), &key).unwrap(), b"uploaded", "{} {role}", store.name);
    }

    /// Fills a store, and makes its signers.
    async fn fill(&self, store: &Store) {
        let (team, elsewhere, platform) = (self.team(), &self.elsewhere, &self.tenancy.platform);
        let key = json!({"access-key-id": store.access_key_id, "secret-access-key": store.secret_access_key});
        self.tenancy.write_platform_secret(&store.secret(), &key).await;
        store.put(team, &self.own_key("report.txt"), "content");
        for key in [
            "secret.txt".to_owned(),
            format!("tenants/{}/secret.txt", self.victim),
            format!("people/{team}/theirs/secret.txt"),
            format!("{elsewhere}/secret.txt"),
        ] {
            store.put(team, &key, OF_OTHERS);
        }
        store.put(&self.other_bucket(), &self.own_key("secret.txt"), OF_OTHERS);

        let refused = json!({"unsignedHeaders": "Refused"});
        let rule = |name: &str, methods: &[&str], prefixes: &[&str], more: Value| {
            let mut rule =
                json!({"name": name, "methods": methods, "buckets": [team], "keyPrefixes": prefixes});
            merge(&mut rule, more);
            json!({"rules": [rule]})
        };
        let own = ["tenants/{namespace}/"];
        let wild = rule("wild", &["GET", "PUT"], &own, json!({"allowHeaders": ["x-*", "content-*"]}));
        let folder = format!("{elsewhere}/");
        let of_team = rule("of-team", &["GET"], &[own[0], &folder], json!({"namespaces": [team]}));
        for (role, changes) in [
            ("plain", json!({})),
            ("trusted", json!({"s3": refused})),
            ("wild", json!({"s3": refused, "policy": wild})),
            ("lying", json!({"writeOnlyKey": true})),
            ("open", json!({"allowedNamespaces": {"from": "All", "names": null}, "policy": of_team})),
        ] {
            self.make_signer(store, role, changes).await;
            self.control_download(store, role).await;
        }
        for role in ["trusted", "wild"] {
            self.control_upload(store, role).await;
        }
        let for_platform = json!({"allowedNamespaces": {"names": [platform]}});
        self.make_signer(store, "home", for_platform).await;
        let key = format!("tenants/{platform}/report.txt");
        self.control(AttackNamespace::Platform, self.spec(store, "home", &key, json!({}))).await;
        // No URL for AWS can be tried here, but the verdicts can.
        let policy = rule("aws", &["GET"], &own, json!({"buckets": ["media-bucket"]}));
        let aws = json!({"s3": {"endpoint": null, "region": "us-east-1"}, "policy": policy});
        self.make_signer(store, "aws", aws).await;
        let there = json!({"bucket": "media-bucket"});
        self.control(AttackNamespace::Team, self.spec(store, "aws", &self.own_key("a"), there)).await;
    }
}

/// A client of a user who may create `PresignedUrl`s in two namespaces, and nothing else.
async fn attacker(tenancy: &Tenancy, elsewhere: &str) -> Client {
    let (world, user) = (tenancy.team.world, format!("{}-tenant", tenancy.name()));
    let rules = json!([{"apiGroups": ["presign.dev"], "resources": ["presignedurls"], "verbs": ["*"]}]);
    let namespaces = [tenancy.name(), elsewhere];
    for namespace in namespaces {
        tenancy.apply_manifests(&role(namespace, &user, &rules));
    }
    let can_create = |namespace: &str| {
        let mut kubectl = world.plane.kubectl();
        kubectl.args([
            "auth",
            "can-i",
            "create",
            "presignedurls.presign.dev",
            "--as",
            &user,
            "-n",
            namespace,
        ]);
        kubectl.output().unwrap().status.success()
    };
    assert!(eventually(async || namespaces.into_iter().all(can_create)).await, "the tenant has its role");
    let mut kubeconfig = Kubeconfig::read_from(world.plane.kubeconfig()).unwrap();
    for info in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        info.impersonate = Some(user.clone());
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}
