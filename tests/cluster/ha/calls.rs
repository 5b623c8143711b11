//! The calls of the replicas, as the API server's audit log has them. Each replica is known
//! by its User-Agent.

use serde_json::Value;

use super::super::harness::{Space, operators_log};

/// A call of a replica that was answered.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub replica: String,
    pub verb: String,
    pub resource: String,
    pub name: String,
    pub subresource: String,
    pub code: u64,
    /// RFC 3339 in UTC with microseconds, so these sort as text.
    pub began: String,
    pub ended: String,
    /// The version that the write was for, if it named one.
    pub asked: Option<u64>,
    /// The version that the object had afterwards.
    pub version: Option<u64>,
    /// Of the Lease: the replica that holds it afterwards; "" for nobody.
    pub holder: String,
}

impl Call {
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    pub fn is_accepted(&self) -> bool {
        self.code < 300
    }

    pub fn is_of_lease(&self) -> bool {
        self.resource == "leases"
    }

    /// Whether both are about one object, subresources being parts of it.
    pub fn is_about_same(&self, other: &Self) -> bool {
        (&self.resource, &self.name) == (&other.resource, &other.name)
    }
}

/// The calls of all replicas so far, in the order of their ends.
pub async fn calls(space: &Space) -> Vec<Call> {
    let entries = operators_log(space).await;
    entries.iter().filter_map(call).collect()
}

/// The replica's name in an identity.
pub fn replica(identity: &str) -> Option<&str> {
    identity.split_once('_').map(|(name, _)| name).filter(|name| name.starts_with("replica-"))
}

fn call(entry: &Value) -> Option<Call> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let version =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
    let (reference, answer) = (&entry["objectRef"], &entry["responseObject"]);
    let agent = entry["userAgent"].as_str()?;
    if entry["stage"] != "ResponseComplete" {
        return None;
    }
    Some(Call {
        replica: replica(agent.split_once('(')?.1)?.to_owned(),
        verb: text(&entry["verb"])?,
        resource: text(&reference["resource"])?,
        name: text(&reference["name"]).or_else(|| text(&answer["metadata"]["name"])).unwrap_or_default(),
        subresource: text(&reference["subresource"]).unwrap_or_default(),
        code: entry["responseStatus"]["code"].as_u64()?,
        began: text(&entry["requestReceivedTimestamp"])?,
        ended: text(&entry["stageTimestamp"])?,
        asked: version(&entry["requestObject"]),
        version: version(answer),
        holder: answer["spec"]["holderIdentity"].as_str().and_then(replica).unwrap_or_default().to_owned(),
    })
}
