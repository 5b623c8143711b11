//! What the model API server answers, and what is known of the calls to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hyper::Method;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::accounts::Reviews;
use crate::cluster::{Cluster, Kind, Name, epoch, named, uid};
use crate::http::{Answer, Trouble, failure, found};
use crate::lease::Election;
use crate::server::{OUR_UPDATE, SecretServer, US};
use crate::sts::Sts;

/// A call that changes something, as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub sent: Instant,
    pub kind: Kind,
    pub name: Name,
    pub code: Option<u16>,
}

/// The API server, and what is known of the calls to it.
#[derive(Default)]
pub struct State {
    pub cluster: Cluster,
    pub election: Election,
    pub sts: Sts,
    pub reviews: Reviews,
    pub troubles: VecDeque<Trouble>,
    /// Whether each reconcile panics that has written a Secret.
    pub is_poisoned: bool,
    /// Calls but watches and those about the Lease.
    pub calls: u64,
    pub writes: Vec<Write>,
    /// When the operator was shown that the `PresignedUrl` of this UID is gone.
    pub shown_gone: BTreeMap<String, Instant>,
    /// What people asked for, of which object.
    pub inputs: Vec<(Name, Instant)>,
    /// What happened that is rare.
    pub reached: BTreeSet<&'static str>,
    /// What must never happen.
    pub wrongs: Vec<String>,
}

impl State {
    /// Nothing is sent for an object of which the operator knows that it is gone.
    pub fn judge_sent(&mut self, kind: Kind, name: &Name, body: &Value) {
        if kind == Kind::TokenReviews && self.reviews.is_needless() {
            self.wrongs.push("a token is reviewed again".to_owned());
        }
        let owner = &body["metadata"]["ownerReferences"][0]["uid"];
        let owner = if body["kind"] == "PresignedUrl" { &body["metadata"]["uid"] } else { owner };
        let shown = owner.as_str().and_then(|owner| self.shown_gone.get(owner));
        if shown.is_some_and(|shown| shown.elapsed() > Duration::from_secs(1)) {
            self.wrongs.push(format!("written for an object that is gone: {name:?}"));
        }
        if self.election.another_leads() {
            self.wrongs.push(format!("written while another leads: {name:?}"));
        }
    }

    /// Deletes an object of the operator's.
    pub fn undo(&mut self, kind: Kind, name: &Name) {
        match kind {
            Kind::PresignedUrls => self.cluster.delete_url(name),
            Kind::Secrets if name.1 != "keys" => self.cluster.write_secret(name, SecretServer::delete),
            _ => {}
        }
    }

    pub fn answer(
        &mut self,
        kind: Kind,
        method: &Method,
        name: &Name,
        path: &[String],
        head: &hyper::http::request::Parts,
        body: &Value,
    ) -> Answer {
        let content = head.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        match kind {
            Kind::PresignedUrls if *method == Method::GET => {
                found(self.cluster.stored.urls.get(name).cloned())
            }
            Kind::PresignedUrls => self.write_status(name, path, body),
            Kind::Leases => unreachable!("answered by the election"),
            Kind::ServiceAccounts => self.cluster.read_account(name),
            Kind::Tokens => self.cluster.issue_token(name, body),
            Kind::TokenReviews => Reviews::answer(body),
            Kind::Secrets if *method == Method::GET => found(self.cluster.secret(name)),
            Kind::Secrets => self.write_secret(method, &of(name, body), content, body),
        }
    }

    fn write_status(&mut self, name: &Name, path: &[String], body: &Value) -> Answer {
        if path.last().is_none_or(|last| last != "status") {
            self.wrongs.push(format!("a PresignedUrl is written, not its status: {name:?}"));
        }
        let Some(there) = self.cluster.stored.urls.get(name).cloned() else {
            return failure(404, "NotFound");
        };
        let (wanted, has) = (&body["metadata"], &there["metadata"]);
        for (part, code) in [("resourceVersion", 409), ("uid", 409)] {
            if !wanted[part].is_null() && wanted[part] != has[part] {
                return failure(code, "Conflict");
            }
        }
        self.cluster.edit_url(name, |object| object["status"] = body["status"].clone());
        found(self.cluster.stored.urls.get(name).cloned())
    }

    fn write_secret(&mut self, method: &Method, name: &Name, content: &str, body: &Value) -> Answer {
        let before = self.cluster.secret(name);
        let answer = self.cluster.write_secret(name, |server| {
            let parsed = || serde_json::from_value::<Secret>(body.clone()).unwrap();
            match (method, content) {
                (&Method::POST, _) => server.create(OUR_UPDATE, &parsed(), epoch()),
                (&Method::DELETE, _) => {
                    let wanted = |part: &str| body["preconditions"][part].as_str();
                    let there = server.get();
                    let deleted = server.delete_only(wanted("uid"), wanted("resourceVersion"));
                    deleted.map(|()| there.unwrap())
                }
                (_, "application/apply-patch+yaml") => server.apply(US, &parsed(), epoch()),
                _ => server.patch(OUR_UPDATE, body, epoch()),
            }
        });
        let is_foreign = |object: &Value| self.cluster.stored.foreign.contains(uid(object).unwrap());
        if before.as_ref().is_some_and(is_foreign) && before != self.cluster.secret(name) {
            self.wrongs.push(format!("a foreign Secret was changed: {name:?}"));
        }
        if answer.is_ok() {
            self.judge_url(name);
        }
        match answer {
            Ok(secret) => (if method == Method::POST { 201 } else { 200 }, named(&secret, name)),
            Err(404) => failure(404, "NotFound"),
            Err(409) if method == Method::POST => failure(409, "AlreadyExists"),
            Err(422) => {
                let mut failure = failure(422, "Invalid");
                failure.1["details"] = json!({"causes": [{"field": "metadata.uid", "reason": "FieldValueInvalid", "message": "immutable"}]});
                failure
            }
            Err(code) => failure(code, "Conflict"),
        }
    }
}

/// The object that a request is about; a create names it in its body.
pub fn target(path: &[String]) -> Option<(Kind, Name)> {
    if path.last().is_some_and(|last| last == "tokenreviews") {
        return Some((Kind::TokenReviews, Name::default()));
    }
    let namespace = path.iter().position(|part| part == "namespaces")?;
    let kind = match path.get(namespace + 2)?.as_str() {
        "secrets" => Kind::Secrets,
        "presignedurls" => Kind::PresignedUrls,
        "leases" => Kind::Leases,
        "serviceaccounts" if path.last().is_some_and(|last| last == "token") => Kind::Tokens,
        "serviceaccounts" => Kind::ServiceAccounts,
        _ => return None,
    };
    Some((kind, (path[namespace + 1].clone(), path.get(namespace + 3).cloned().unwrap_or_default())))
}

pub fn of(name: &Name, body: &Value) -> Name {
    let in_body = || body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    (name.0.clone(), if name.1.is_empty() { in_body() } else { name.1.clone() })
}
