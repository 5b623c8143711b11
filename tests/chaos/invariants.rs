//! What has to hold when nothing goes wrong any more and everything has had time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use presign_operator::controller::CachedObject;
use presign_operator::crd::PresignedUrl;
use presign_operator::crd::names::{KIND, RESERVED_PREFIX};

use crate::Chaos;
use crate::download::download;
use crate::history::Violation;
use crate::read::{
    expires_at, is_current, is_labelled, is_ready, is_suspended, is_written_by_us, now, owner_of, target_of,
};
use crate::served::{is_accepted, object_is_served};
use crate::tenant::Tenant;

/// Memory that differs from the API server.
pub const MEMORY: &str = "a: memory equals the API server";
/// Secrets without an object.
pub const ORPHANS: &str = "b: no PresignedUrl, no Secret but retained ones";
/// What is Ready works.
pub const READY_WORKS: &str = "c: Ready True: the Secret exists, downloads and matches";
/// Foreign Secrets.
pub const FOREIGN: &str = "d: a foreign Secret is never touched";
/// Foreign Secrets that look like ours.
pub const COPIES: &str = "d: a copy of a Secret of ours is never touched";
/// Secrets under earlier names.
pub const EARLIER: &str = "f: a Secret of an earlier name goes when its URL has ended";
/// Objects that nobody cares for.
pub const CONVERGED: &str = "g: what can be issued is issued, and its generation is reported";
/// What the store says.
pub const VERIFIED: &str = "h: a URL that the store is asked about is not said to be refused";

/// How many things in the memory of a replica were compared with the API server, for the end.
pub const COMPARED: &str = "compared with the memory of a replica";
/// How many URLs of Ready objects were used.
pub const USED: &str = "URLs used";

/// How many objects were found whose URL the store had accepted.
pub const ACCEPTED: &str = "accepted by the store";

/// How late a Secret of an earlier name may be.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// How long the watch of the run may take.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// Namespace and name.
pub type Name = (String, String);

/// Everything that the API server has, as it was at one time.
pub struct Stored {
    pub objects: BTreeMap<Name, PresignedUrl>,
    pub secrets: BTreeMap<Name, Secret>,
}

impl Stored {
    async fn read(client: &Client) -> Result<Self, kube::Error> {
        let all = ListParams::default();
        let objects = Api::<PresignedUrl>::all(client.clone()).list(&all).await?.items;
        let secrets = Api::<Secret>::all(client.clone()).list(&all).await?.items;
        Ok(Self { objects: by_name(objects), secrets: by_name(secrets) })
    }
}

fn by_name<K: ResourceExt>(items: Vec<K>) -> BTreeMap<Name, K> {
    items.into_iter().map(|item| ((item.namespace().unwrap_or_default(), item.name_any()), item)).collect()
}

/// Whatever does not hold now. It may be on its way, so only what stays counts.
pub async fn broken(chaos: &Chaos) -> Vec<Violation> {
    let nowhere = |detail: String| vec![Violation::new(CONVERGED, "", "", detail)];
    let before = match Stored::read(&chaos.client).await {
        Ok(before) => before,
        Err(error) => return nowhere(format!("cannot list: {error}")),
    };
    let mut broken = Vec::new();
    let mut snapshots = Vec::new();
    for (number, replica) in chaos.replicas.lock().await.iter().enumerate() {
        if let Err(error) = replica.check() {
            broken.extend(nowhere(format!("replica {number}: {error}")));
        }
        match replica.memory() {
            Some(snapshot) => snapshots.push((number, snapshot)),
            None => broken.extend(nowhere(format!("replica {number} does not answer"))),
        }
    }
    let stored = match Stored::read(&chaos.client).await {
        Ok(stored) => stored,
        Err(error) => return nowhere(format!("cannot list: {error}")),
    };
    for (number, snapshot) in snapshots {
        chaos.history.add(COMPARED, snapshot.presigned_urls.len() + snapshot.secrets.len());
        let objects = (&before.objects, &stored.objects);
        compare(
            &mut broken,
            &format!("replica {number}, PresignedUrl"),
            objects,
            snapshot.presigned_urls,
            |_| true,
        );
        let secrets = (&before.secrets, &stored.secrets);
        compare(&mut broken, &format!("replica {number}, Secret"), secrets, snapshot.secrets, is_labelled);
    }
    for tenant in &chaos.tenants {
        secrets_have_owners(&mut broken, tenant, &stored);
    }
    let mut downloads = Vec::new();
    for (name, object) in &stored.objects {
        if object.metadata.deletion_timestamp.is_none() {
            downloads.extend(object_is_served(&mut broken, name, object, &stored));
        }
    }
    chaos.history.add(USED, downloads.len());
    let accepted = stored.objects.values().filter(|object| is_accepted(object)).count();
    chaos.history.add(ACCEPTED, accepted);
    broken.extend(download(downloads).await);
    broken
}

/// d. What was ever done to Secrets that are not ours: that does not pass.
pub async fn touched(chaos: &Chaos) -> Vec<Violation> {
    let mut touched = Vec::new();
    match Stored::read(&chaos.client).await {
        Ok(stored) => {
            for tenant in &chaos.tenants {
                foreign_is_untouched(&mut touched, chaos, tenant, &stored).await;
            }
        }
        Err(error) => touched.push(Violation::new(CONVERGED, "", "", format!("cannot list: {error}"))),
    }
    touched
}

/// a. What did not change between two lists is held as it is; `must_be_held` says which.
fn compare<K: ResourceExt>(
    broken: &mut Vec<Violation>,
    what: &str,
    (before, after): (&BTreeMap<Name, K>, &BTreeMap<Name, K>),
    held: Vec<CachedObject>,
    must_be_held: impl Fn(&K) -> bool,
) {
    let held: BTreeMap<Name, CachedObject> =
        held.into_iter().map(|held| ((held.namespace.clone(), held.name.clone()), held)).collect();
    let version = |item: &K| {
        let number = item.resource_version().and_then(|version| version.parse::<u64>().ok());
        (item.uid().unwrap_or_default(), number.unwrap_or_default())
    };
    let mut accuse = |name: &Name, detail: String| {
        broken.push(Violation::new(MEMORY, &name.0, &name.1, format!("{what} {detail}")));
    };
    for (name, item) in after {
        let there = version(item);
        if before.get(name).map(version).as_ref() != Some(&there) {
            continue;
        }
        match held.get(name) {
            Some(held) if (held.uid.as_str(), held.resource_version) == (there.0.as_str(), there.1) => {}
            Some(held) => {
                accuse(name, format!("is held as {} {}, and is {there:?}", held.uid, held.resource_version));
            }
            None if must_be_held(item) => accuse(name, format!("is not held, and is {there:?}")),
            None => {}
        }
    }
    for (name, held) in
        held.iter().filter(|(name, _)| !before.contains_key(*name) && !after.contains_key(*name))
    {
        accuse(name, format!("is held as {} {}, and is gone", held.uid, held.resource_version));
    }
}

/// b, first half, and f.
fn secrets_have_owners(broken: &mut Vec<Violation>, tenant: &Tenant, stored: &Stored) {
    let (foreign, retained) = {
        let known = tenant.known();
        let uids: Vec<_> = known.foreign.iter().map(|foreign| foreign.uid.clone()).collect();
        (uids, known.retained.clone())
    };
    for ((namespace, name), secret) in &stored.secrets {
        if *namespace != tenant.namespace || foreign.contains(&secret.uid().unwrap_or_default()) {
            continue;
        }
        let Some((owner, uid)) = owner_of(secret) else { continue };
        let object = stored.objects.get(&(namespace.clone(), owner.clone()));
        let object = object.filter(|object| uid.is_none() || object.uid() == uid);
        let mut accuse = |rule, detail| broken.push(Violation::new(rule, namespace, name, detail));
        let Some(object) = object else {
            if uid.is_some() || !retained.contains(&owner) {
                accuse(ORPHANS, format!("belongs to {owner} {uid:?}, which is gone"));
            }
            continue;
        };
        let is_settled = is_current(object) && is_ready(object) && !is_suspended(object);
        let can_be_known = is_labelled(secret) && is_written_by_us(secret);
        if target_of(object) == *name || !is_settled || !can_be_known {
            continue;
        }
        match (&uid, expires_at(secret)) {
            (Some(_), Some(expiry)) if now() < expiry + LATE => {}
            (Some(_), expiry) => accuse(EARLIER, format!("is still there, its URL ended at {expiry:?}")),
            (None, _) => accuse(EARLIER, format!("is retained, and still names {owner}")),
        }
    }
}

/// d.
async fn foreign_is_untouched(broken: &mut Vec<Violation>, chaos: &Chaos, tenant: &Tenant, stored: &Stored) {
    let foreign = tenant.known().foreign.clone();
    let observer = chaos.observer.lock().await;
    for foreign in foreign {
        let rule = if foreign.is_copy { COPIES } else { FOREIGN };
        let mut accuse =
            |detail: String| broken.push(Violation::new(rule, &tenant.namespace, &foreign.name, detail));
        for version in observer.other_versions(&foreign.uid, &foreign.resource_version) {
            accuse(format!("was version {}, and then {version}", foreign.resource_version));
        }
        let secret = stored.secrets.get(&(tenant.namespace.clone(), foreign.name.clone()));
        let secret = secret.filter(|secret| secret.uid().as_deref() == Some(&foreign.uid));
        let Some(secret) = secret else {
            if foreign.deleted.is_none() {
                accuse("was deleted, and by nobody here".to_owned());
            }
            continue;
        };
        if secret.resource_version().as_ref() != Some(&foreign.resource_version) {
            let now = secret.resource_version();
            accuse(format!("was version {}, and is {now:?}", foreign.resource_version));
        }
        // Without it the watch would have seen no other version either.
        let is_seen = async || observer.has_seen(&foreign.uid, &foreign.resource_version);
        if !testbed::eventually(SEEN_WITHIN, is_seen).await {
            accuse("was not seen by the watch of this run".to_owned());
        }
        let ours = |key: &String| key.starts_with(RESERVED_PREFIX);
        let is_marked = secret.labels().keys().chain(secret.annotations().keys()).any(ours);
        let is_owned = secret.owner_references().iter().any(|owner| owner.kind == KIND);
        if is_written_by_us(secret) || is_owned || (is_marked && !foreign.is_copy) {
            accuse("carries a mark of ours".to_owned());
        }
    }
}
