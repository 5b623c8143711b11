//! What people do in a namespace, at random.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, Preconditions};
use presign_operator::crd::names::{ANNOTATION_RENEW, LABEL_MANAGED};
use serde_json::{Value, json};

use crate::random::Random;
use crate::tenant::{KEYS, Keys, STEADY, Tenant};

/// The objects of a namespace.
const OBJECTS: [&str; 4] = ["o0", "o1", "o2", "o3"];
/// Those of them whose URLs the store is asked about.
const VERIFIED: [&str; 2] = ["o1", "o2"];
/// The copies that a namespace has at most.
const COPIES: usize = 3;

/// Everything that people do, as it is counted.
pub const ACTIONS: [&str; 9] = [
    "edit",
    "delete",
    "re-create",
    "change keys",
    "tamper",
    "delete Secret",
    "create foreign Secret",
    "delete foreign Secret",
    "ask for a renewal",
];

/// Makes every object, so that there is something to begin with.
pub async fn create_all(tenant: &Tenant, random: &mut Random) {
    for name in OBJECTS {
        create(tenant, random, name).await;
    }
}

/// One thing that a person does.
pub async fn act(tenant: &Tenant, random: &mut Random) {
    let name = *random.pick(&OBJECTS).expect("there are some");
    let spec = tenant.known().specs.get(name).cloned();
    let Some(spec) = spec else { return create(tenant, random, name).await };
    let (what, done) = match random.below(100) {
        0..30 => ("edit", edit(tenant, random, name, spec).await),
        30..38 => ("delete", delete(tenant, random, name).await),
        38..48 => ("re-create", re_create(tenant, random, name, spec).await),
        48..56 => ("change keys", change_keys(tenant, random).await),
        56..74 => ("tamper", tamper(tenant, random).await),
        74..84 => ("delete Secret", delete_secret(tenant, random).await),
        84..86 => ("create foreign Secret", create_foreign(tenant, random, name).await),
        86..94 => ("delete foreign Secret", delete_foreign(tenant, random).await),
        _ => ("ask for a renewal", renew(tenant, random, name).await),
    };
    if done == Some(true) {
        tenant.history.count(what);
    }
}

/// Whether it was done; nothing if there was nothing to do it to.
type Done = Option<bool>;

async fn create(tenant: &Tenant, random: &mut Random, name: &str) {
    let mut spec = tenant.spec("keys");
    if VERIFIED.contains(&name) {
        spec["verify"] = json!("Always");
    }
    let spec = changed(random, name, spec);
    let target = spec["secret"]["name"].as_str().unwrap_or(name).to_owned();
    if random.percent(25) {
        // Somebody else wants the same name, a moment before or in the same one.
        if random.percent(30) {
            tenant.create_foreign(foreign(&target, random), false).await;
            apply(tenant, name, &spec).await;
        } else {
            let theirs = in_a_moment(tenant, random, &target);
            futures::future::join(apply(tenant, name, &spec), theirs).await;
        }
        tenant.history.count("create beside a foreign Secret");
    } else {
        apply(tenant, name, &spec).await;
        tenant.history.count("create");
    }
}

/// Creates a foreign Secret while the operator is about to.
fn in_a_moment(tenant: &Tenant, random: &mut Random, name: &str) -> impl Future<Output = ()> {
    let (wait, secret) = (Duration::from_millis(random.below(60)), foreign(name, random));
    async move {
        tokio::time::sleep(wait).await;
        tenant.create_foreign(secret, false).await;
    }
}

async fn apply(tenant: &Tenant, name: &str, spec: &Value) -> bool {
    let result = tenant.apply(name, spec).await;
    let outline = json!([spec["method"], spec["key"], spec["expiresIn"], spec["suspend"], spec["secret"]]);
    let is_done = tenant.note(format!("apply {name} {outline}"), &result);
    if is_done {
        tenant.known().specs.insert(name.to_owned(), spec.clone());
    }
    is_done
}

/// A spec with one or more changes.
fn changed(random: &mut Random, name: &str, mut spec: Value) -> Value {
    for _ in 0..=random.below(2) {
        match random.below(8) {
            0 => spec["method"] = json!(random.pick(&["GET", "HEAD", "PUT"])),
            1 => spec["key"] = json!(random.pick(&KEYS)),
            2 => spec["expiresIn"] = json!(format!("{}s", 60 + random.below(240))),
            3 => {
                let other = random.pick(&["a", "b"]).map(|end| format!("{name}-{end}"));
                spec["secret"]["name"] = json!(if random.percent(50) { None } else { other });
            }
            4 => spec["secret"]["labels"] = json!({"turn": random.below(100).to_string()}),
            5 => spec["secret"]["deletionPolicy"] = json!(random.pick(&["Delete", "Retain"])),
            6 => spec["secret"]["urlKey"] = json!(random.pick(&["url", "link"])),
            _ => spec["suspend"] = json!(random.percent(30)),
        }
    }
    if random.percent(20) && spec["secret"].is_object() {
        spec["secret"]["labels"] = Value::Null;
    }
    drop_nulls(&mut spec);
    spec
}

/// The API server takes no null for what may be left out.
fn drop_nulls(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

async fn edit(tenant: &Tenant, random: &mut Random, name: &str, spec: Value) -> Done {
    Some(apply(tenant, name, &changed(random, name, spec)).await)
}

async fn delete(tenant: &Tenant, random: &mut Random, name: &str) -> Done {
    let (how, params) = if random.percent(50) {
        ("background", DeleteParams::background())
    } else {
        ("foreground", DeleteParams::foreground())
    };
    let result = tenant.objects().delete(name, &params).await;
    let is_done = tenant.note(format!("delete {name} in the {how}"), &result);
    tenant.known().specs.remove(name);
    Some(is_done)
}

async fn re_create(tenant: &Tenant, random: &mut Random, name: &str, spec: Value) -> Done {
    let is_deleted = delete(tenant, random, name).await?;
    let spec = if random.percent(50) { changed(random, name, spec) } else { spec };
    Some(apply(tenant, name, &spec).await && is_deleted)
}

async fn change_keys(tenant: &Tenant, random: &mut Random) -> Done {
    let choice = [Keys::First, Keys::Second, Keys::First, Keys::Second, Keys::Wrong, Keys::Missing];
    let keys = *random.pick(&choice)?;
    let result = tenant.write_keys("keys", keys).await;
    Some(tenant.note(format!("access keys: {keys:?}"), &result))
}

/// A Secret that the operator issued and that things happen to.
async fn issued(tenant: &Tenant, random: &mut Random) -> Option<Secret> {
    let params = ListParams::default().labels(LABEL_MANAGED);
    let mut secrets = tenant.secrets().list(&params).await.ok()?.items;
    secrets.retain(|secret| {
        let name = secret.name_any();
        name != STEADY && !name.starts_with("copy-")
    });
    secrets.sort_by_key(ResourceExt::name_any);
    random.pick(&secrets).cloned()
}

async fn tamper(tenant: &Tenant, random: &mut Random) -> Done {
    let secret = issued(tenant, random).await?;
    let name = secret.name_any();
    let key = if secret.data.iter().flatten().any(|(key, _)| key == "link") { "link" } else { "url" };
    let (what, mut patch) = match random.below(7) {
        0 => ("a label", json!({"metadata": {"labels": {"tampered": random.below(9).to_string()}}})),
        1 => ("the URL", json!({"stringData": {key: "http://127.0.0.1:1/elsewhere"}})),
        2 => ("the headers", json!({"stringData": {"headers": "X-Other: value\n"}})),
        3 => ("managedFields", json!({"metadata": {"managedFields": [{}]}})),
        4 => ("our label", json!({"metadata": {"labels": {LABEL_MANAGED: null}}})),
        _ => {
            return copy(tenant, secret).await;
        }
    };
    // Whoever tampers does so with what they have read.
    patch["metadata"]["resourceVersion"] = json!(secret.metadata.resource_version);
    let params = PatchParams { field_manager: Some("tamperer".to_owned()), ..PatchParams::default() };
    let result = tenant.secrets().patch(&name, &params, &Patch::Merge(patch)).await;
    Some(tenant.note(format!("tamper with {what} of Secret {name}"), &result))
}

/// Copies a Secret to another name, as `kubectl get -o yaml` and an editor do.
async fn copy(tenant: &Tenant, secret: Secret) -> Done {
    let number = {
        let mut known = tenant.known();
        if known.foreign.iter().filter(|foreign| foreign.is_copy && foreign.deleted.is_none()).count()
            >= COPIES
        {
            return None;
        }
        known.names += 1;
        known.names
    };
    let metadata = ObjectMeta {
        name: Some(format!("copy-{number}")),
        labels: secret.metadata.labels,
        annotations: secret.metadata.annotations,
        ..ObjectMeta::default()
    };
    Some(tenant.create_foreign(Secret { metadata, ..secret }, true).await)
}

async fn delete_secret(tenant: &Tenant, random: &mut Random) -> Done {
    let name = issued(tenant, random).await?.name_any();
    let result = tenant.secrets().delete(&name, &DeleteParams::default()).await;
    let is_done = tenant.note(format!("delete Secret {name}"), &result);
    if random.percent(20) {
        in_a_moment(tenant, random, &name).await;
    }
    Some(is_done)
}

fn foreign(name: &str, random: &mut Random) -> Secret {
    let mut secret = json!({"metadata": {"name": name}, "stringData": {"password": "theirs"}});
    if random.percent(50) {
        secret["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "somebody"});
    }
    serde_json::from_value(secret).expect("a Secret")
}

async fn create_foreign(tenant: &Tenant, random: &mut Random, name: &str) -> Done {
    let name = random.pick(&[name.to_owned(), format!("{name}-a"), format!("{name}-b")])?.clone();
    Some(tenant.create_foreign(foreign(&name, random), false).await)
}

async fn delete_foreign(tenant: &Tenant, random: &mut Random) -> Done {
    let theirs: Vec<_> = tenant.known().foreign.iter().filter(|f| f.deleted.is_none()).cloned().collect();
    let chosen = random.pick(&theirs)?.clone();
    for foreign in tenant.known().foreign.iter_mut().filter(|foreign| foreign.uid == chosen.uid) {
        foreign.deleted = Some(Instant::now());
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: Some(chosen.uid), resource_version: None }),
        ..DeleteParams::default()
    };
    let result = tenant.secrets().delete(&chosen.name, &params).await;
    Some(tenant.note(format!("delete the foreign Secret {}", chosen.name), &result))
}

async fn renew(tenant: &Tenant, random: &mut Random, name: &str) -> Done {
    let token = random.below(1_000_000).to_string();
    let patch = json!({"metadata": {"annotations": {ANNOTATION_RENEW: token}}});
    let result = tenant.objects().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    Some(tenant.note(format!("ask {name} for a renewal"), &result))
}
