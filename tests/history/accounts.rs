//! `ServiceAccount`s in the model: which roles they permit, their tokens, and the reviews of these.

use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{Cluster, Name};
use crate::http::{Answer, failure};
use crate::objects::role;

/// The `ServiceAccount` of each namespace.
pub const NAME: &str = "urls";
/// The only audience that the operator may ask a token for.
pub const AUDIENCE: &str = "sts.amazonaws.com";
/// What every token begins and ends with.
const TOKEN: (&str, &str) = ("token.", ".signature");
/// For how long a review counts, a little less than for the operator.
const REVIEWED: Duration = Duration::from_secs(3500);
/// For how long a check may last: a review can be sent that long after the answer to another one.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// For how long the operator may not notice a change: a read that it keeps, and three calls.
pub const UNNOTICED: Duration = Duration::from_secs(60);

/// A `ServiceAccount`.
#[derive(Clone, Debug)]
pub struct Account {
    uid: String,
    /// Since when it has permitted no role; `None` while it does.
    refuses: Option<Instant>,
}

impl Account {
    fn permits(&self) -> String {
        if self.refuses.is_some() { String::new() } else { [role(1), role(0)].join(", ") }
    }

    /// Whether the operator must have noticed that it permits no role.
    fn has_refused_for_long(&self) -> bool {
        self.refuses.is_some_and(|since| since.elapsed() > UNNOTICED)
    }
}

impl Cluster {
    /// Creates a `ServiceAccount`, or creates it again.
    pub fn create_account(&mut self, name: &Name) {
        let uid = self.new_uid();
        let refuses = self.stored.accounts.get(name).and_then(|account| account.refuses);
        self.stored.accounts.insert(name.clone(), Account { uid, refuses });
    }

    /// Lets a `ServiceAccount` permit the roles, or not.
    pub fn permit_roles(&mut self, name: &Name, permits: bool) {
        let Some(account) = self.stored.accounts.get_mut(name) else { return };
        account.refuses = (!permits).then(|| account.refuses.unwrap_or_else(Instant::now));
    }

    /// A restore is noticed as late as any other change.
    pub fn notice_restored_accounts(&mut self) {
        let accounts = self.stored.accounts.values_mut();
        accounts.for_each(|account| account.refuses = account.refuses.map(|_| Instant::now()));
    }

    /// Answers a read.
    pub fn read_account(&self, name: &Name) -> Answer {
        let Some(account) = self.stored.accounts.get(name) else { return failure(404, "NotFound") };
        let metadata = json!({
            "namespace": name.0, "name": name.1, "uid": account.uid,
            "annotations": {"presign.dev/role-arns": account.permits()},
        });
        let kind = "PartialObjectMetadata";
        (200, json!({"apiVersion": "meta.k8s.io/v1", "kind": kind, "metadata": metadata}))
    }

    /// Answers a request for a token.
    pub fn issue_token(&self, name: &Name, body: &Value) -> Answer {
        let Some(account) = self.stored.accounts.get(name) else { return failure(404, "NotFound") };
        let audience = body["spec"]["audiences"][0].as_str().unwrap_or_default();
        let mut answer = body.clone();
        let claims = json!({
            "aud": audience,
            "kubernetes.io": {"namespace": name.0, "serviceaccount": {"uid": account.uid}},
        });
        let claims = serde_json::to_value(ByteString(claims.to_string().into_bytes())).unwrap();
        // Without padding, as in a JWT.
        let claims = claims.as_str().unwrap().trim_end_matches('=').to_owned();
        answer["status"] = json!({
            "token": format!("{}{claims}{}", TOKEN.0, TOKEN.1),
            "expirationTimestamp": "2030-01-01T00:00:00Z",
        });
        (201, answer)
    }

    /// What is wrong with it that a token is sent to an STS.
    pub fn judge_token(&self, token: &str) -> Option<String> {
        let mut claims = token.strip_prefix(TOKEN.0).unwrap().strip_suffix(TOKEN.1).unwrap().to_owned();
        claims.push_str(&"=".repeat((4 - claims.len() % 4) % 4));
        let ByteString(claims) = serde_json::from_value(claims.into()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let text = |claim: &Value| claim.as_str().unwrap().to_owned();
        let (audience, of_cluster) = (text(&claims["aud"]), &claims["kubernetes.io"]);
        let (namespace, uid) = (text(&of_cluster["namespace"]), text(&of_cluster["serviceaccount"]["uid"]));
        if audience != AUDIENCE {
            return Some(format!("a token for {audience:?} is sent to the STS"));
        }
        let account = self.stored.accounts.get(&(namespace.clone(), NAME.to_owned()));
        let is_refused = account.is_some_and(|account| account.uid == uid && account.has_refused_for_long());
        is_refused.then(|| format!("a token of {namespace} is sent to the STS without consent"))
    }
}

/// The review of the audience.
#[derive(Debug, Default)]
pub struct Reviews {
    /// When the operator was told that the API server does not accept such tokens.
    reviewed: Option<Instant>,
}

impl Reviews {
    /// Answers a review: the token is valid, but not for the API server.
    pub fn answer(body: &Value) -> Answer {
        let mut answer = body.clone();
        let audiences = &body["spec"]["audiences"];
        answer["status"] = if audiences.is_null() {
            json!({"authenticated": false, "error": "invalid bearer token"})
        } else {
            json!({"authenticated": true, "audiences": audiences})
        };
        (201, answer)
    }

    /// The operator has got the answer to a review. That for the audience is the second of two.
    pub fn arrived(&mut self, answer: &Value) {
        if answer["status"]["authenticated"] == true {
            self.reviewed = Some(Instant::now());
        }
    }

    /// Whether a review was sent that says nothing new. Several checks may be under way at a time.
    pub fn is_needless(&self) -> bool {
        self.reviewed.is_some_and(|reviewed| (UNDER_WAY..REVIEWED).contains(&reviewed.elapsed()))
    }

    /// Whether the operator may send a token to an STS.
    pub fn permit_exchange(&self) -> bool {
        self.reviewed.is_some()
    }
}
