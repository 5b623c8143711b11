//! The stand-ins that tests of decisions share: a spec, credentials, a signer, and a
//! world in which one `PresignedUrl` is decided on.
//!
//! Not here: assertions, and the walk through time. The tests inside `src/domain` include
//! this file too: `crate::crd` and `crate::domain` exist in both crates.

pub mod form;
pub mod server;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

#[allow(unused_imports, reason = "not every test is about forms")]
pub use form::{form, sign_form};
pub use server::{OUR_UPDATE, SecretServer, THEM, US};

use crate::crd::{PresignedUrlSpec, SignerKind};
use crate::domain::decision::{Case, Decision, comparable_validity, decide};
use crate::domain::ended::{EndReason, end_patch};
use crate::domain::history::{History, Inputs};
use crate::domain::plan::{self, Observation, Plan, Rendering};
use crate::domain::policy::Requester;
use crate::domain::reason::FailureReason;
use crate::domain::request::InvalidSpec;
use crate::domain::resolve::{Permission, Resolved};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::status::Problem;
use crate::domain::{
    Credentials, IssuedSecret, Owner, Removal, Request, Sensitive, SignedUrl, Stored, Validity, render,
};

/// Seconds after the beginning of 2030.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_893_456_000 + second).unwrap()
}

/// The smallest useful spec.
pub fn spec() -> PresignedUrlSpec {
    let spec = json!({
        "bucket": "reports",
        "key": "2026/q3 summary.pdf",
        "s3": {
            "endpoint": "https://us-west.s3.qencode.com",
            "region": "us-west",
            "credentials": {"secretRef": {"name": "keys"}},
        },
    });
    serde_json::from_value(spec).unwrap()
}

/// [`spec`] of the `PresignedUrl` called `report`, checked.
pub fn request() -> Request {
    Request::inline(Requester::new("team-a", "report"), &spec(), None).unwrap()
}

/// [`request`] with sessions for a ServiceAccount.
#[allow(dead_code, reason = "not every test is about sessions")]
pub fn session_request() -> Request {
    let mut spec = spec();
    let credentials = json!({
        "webIdentity": {"serviceAccountRef": {"name": "uploader"}, "roleARN": "arn:aws:iam::1:role/reports"},
        "session": {"sts": {"endpoint": "https://us-west.s3.qencode.com"}},
    });
    spec.s3.as_mut().unwrap().credentials = serde_json::from_value(credentials).unwrap();
    Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap()
}

/// The `ClusterSigner` called `media`: everything below `tenants/NAMESPACE/` in `reports`, for an hour at
/// most.
#[allow(dead_code, reason = "not every test is about signers")]
pub fn signer() -> ParsedSigner {
    let spec = json!({
        "s3": {
            "endpoint": "https://us-west.s3.qencode.com",
            "region": "us-west",
            "credentials": {"secretRef": {"name": "media-key"}},
        },
        "allowedNamespaces": {"from": "Names", "names": ["team-a"]},
        "policy": {"rules": [{
            "name": "downloads", "methods": ["GET"], "buckets": ["reports"],
            "keyPrefixes": ["tenants/{namespace}/"], "maxExpiresIn": "1h",
        }]},
    });
    cluster_signer(spec, &json!({})).unwrap()
}

/// The `ClusterSigner` called `media` with this spec, but for the fields that `changes` has.
#[allow(dead_code, reason = "not every test is about signers")]
pub fn cluster_signer(spec: Value, changes: &Value) -> Result<ParsedSigner, InvalidSpec> {
    let id = SignerId { kind: SignerKind::ClusterSigner, namespace: String::new(), name: "media".to_owned() };
    let spec = serde_json::from_value(changed(spec, changes)).unwrap();
    ParsedSigner::of_cluster(id, "u-signer".to_owned(), 1, &spec, "platform")
}

/// An object with other values for the fields that `changes` has.
#[allow(dead_code, reason = "not every test is about signers")]
pub fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// The `PresignedUrl` called `report`.
pub fn owner() -> Owner {
    Owner { namespace: "team-a".to_owned(), name: "report".to_owned(), uid: "u-1".to_owned() }
}

/// An access key; a session that ends when `expiration` says.
pub fn credentials(id: &str, expiration: Option<Timestamp>) -> Credentials {
    Credentials {
        access_key_id: Sensitive::new(id.to_owned()),
        secret_access_key: Sensitive::new(format!("secret of {id}")),
        session_token: expiration.map(|_| Sensitive::new(format!("token of {id}"))),
        expiration,
    }
}

/// A presigned URL whose signature only looks like one: a hash of all that a real one
/// depends on.
pub fn sign(request: &Request, credentials: &Credentials, validity: Validity) -> SignedUrl {
    if let Some(form) = &request.form {
        return sign_form(request, form, credentials, validity);
    }
    let endpoint = request.connection.endpoint.as_ref().unwrap();
    let mut url = Url::parse(&format!("{endpoint}/{}", request.bucket)).unwrap();
    url.path_segments_mut().unwrap().extend(request.key.split('/'));
    let time = validity.signing_time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], request.connection.region);
    let names: Vec<String> = request.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    url.query_pairs_mut()
        .extend_pairs(&request.query)
        .append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
        .append_pair("X-Amz-Credential", &format!("{}/{scope}", credentials.access_key_id.expose()))
        .append_pair("X-Amz-Date", &time)
        .append_pair("X-Amz-Expires", &validity.lifetime.to_string())
        .append_pair("X-Amz-SignedHeaders", &[&names[..], &["host".to_owned()]].concat().join(";"))
        .extend_pairs(credentials.session_token.iter().map(|t| ("X-Amz-Security-Token", t.expose())));
    let (method, headers) = (request.method, &request.headers);
    let signed = format!("{method} {url} {headers:?} {}", credentials.secret_access_key.expose());
    let signature: String = Sha256::digest(signed.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    SignedUrl { url: Sensitive::new(format!("{url}&X-Amz-Signature={signature}")), form: None, validity }
}

/// One `PresignedUrl`, and everything that a decision about it depends on.
#[derive(Clone, Debug)]
pub struct World {
    pub now: Timestamp,
    pub request: Request,
    pub credentials: Option<Credentials>,
    pub server: SecretServer,
    pub seed: u32,
    /// What the signer says.
    pub permission: Permission,
}

impl World {
    /// At the beginning of time, without a Secret.
    pub fn new() -> Self {
        Self {
            now: at(0),
            request: request(),
            credentials: Some(credentials("AKIA", None)),
            server: SecretServer::default(),
            seed: 0,
            permission: Permission::NotNeeded,
        }
    }

    /// What the shell keeps of the Secret.
    pub fn stored(&self) -> Option<Stored> {
        self.server.get().map(|secret| Stored::read(&secret))
    }

    /// The stored Secret, rendered again at its own signing time.
    pub fn rendered(&self) -> Option<IssuedSecret> {
        self.rendered_as(&self.stored()?)
    }

    fn rendered_as(&self, stored: &Stored) -> Option<IssuedSecret> {
        let validity = stored.content.url?.validity;
        // Another session may have signed the stored URL.
        let credentials = self.credentials.as_ref().filter(|_| !self.request.credentials.has_session());
        let validity = comparable_validity(validity, stored.requested, &self.request, credentials);
        // Without credentials, what depends on them is not compared.
        let nobody = self::credentials("nobody", None);
        let signed = sign(&self.request, credentials.unwrap_or(&nobody), validity);
        Some(render(&self.request, &signed, &owner(), stored.handled_renew.as_deref()))
    }

    /// Observes, and hands over the case.
    pub fn with_case<T>(&self, judge: impl FnOnce(&Case<'_>) -> T) -> T {
        let stored = self.stored();
        let rendered =
            stored.as_ref().and_then(|stored| self.rendered_as(stored)).map(|secret| secret.content());
        judge(&Case {
            now: self.now,
            request: &self.request,
            stored: stored.as_ref(),
            rendered: rendered.as_ref(),
            credentials: self.credentials.as_ref(),
            seed: self.seed,
        })
    }

    /// Observes and decides.
    pub fn decide(&self) -> Decision {
        self.with_case(decide)
    }

    /// Observes and plans.
    pub fn plan(&self, history: &History, inputs: &Inputs, was_issued: bool) -> Plan {
        self.observe(history, inputs, was_issued, |observation| plan::plan(&observation))
    }

    /// Observes.
    pub fn observe<T>(
        &self,
        history: &History,
        inputs: &Inputs,
        was_issued: bool,
        use_it: impl FnOnce(Observation<'_>) -> T,
    ) -> T {
        let stored = self.stored();
        let rendered = stored.as_ref().and_then(|stored| self.rendered_as(stored));
        let content = rendered.map(|rendered| rendered.content());
        let rendering = content.as_ref().map(|content| Rendering { content, location: "" });
        let resolved = Resolved { request: self.request.clone(), permission: self.permission.clone() };
        let nobody = || Problem::new(FailureReason::CredentialsNotFound, "no Secret".to_owned());
        use_it(Observation {
            now: self.now,
            owner: &owner(),
            seed: self.seed,
            inputs,
            was_issued,
            reported_expiration: None,
            request: Ok(&resolved),
            target: Ok(stored.as_ref()),
            credentials: self.credentials.as_ref().ok_or_else(nobody),
            can_get_session: self.request.credentials.has_session() && self.credentials.is_none(),
            rendered: Ok(rendering),
            history,
        })
    }

    /// Carries a decision out: signs and writes, writes, or does nothing.
    pub fn act(&mut self, decision: Decision) {
        let rendered = match decision {
            Decision::Keep { .. } | Decision::Wait { .. } => return,
            Decision::Repair => self.rendered().unwrap(),
            Decision::End => return self.end(EndReason::Expired),
            Decision::Issue { validity, .. } => self.fresh(validity),
        };
        // Whoever it belongs to by now: a plan would not touch one that lost its marks.
        let reads_first = self.stored().is_some_and(|stored| stored.is_shared);
        self.write(rendered, reads_first).unwrap();
    }

    /// Empties the URL in the Secret as the shell does.
    pub fn end(&mut self, why: EndReason) {
        let secret = self.server.get().unwrap();
        if let Some(patch) = end_patch(&secret, why, Some(self.request.digest())) {
            self.server.patch(OUR_UPDATE, &patch, self.now).unwrap();
        }
    }

    /// The Secret with a new URL.
    pub fn fresh(&self, validity: Validity) -> IssuedSecret {
        let signed = sign(&self.request, self.credentials.as_ref().unwrap(), validity);
        let handled = self.stored().and_then(|stored| stored.handled_renew);
        render(&self.request, &signed, &owner(), self.request.renew.as_deref().or(handled.as_deref()))
    }

    /// Writes a rendered Secret as the shell does: a create where there is none, otherwise an
    /// apply, or a patch where an apply would leave something behind.
    pub fn write(&mut self, rendered: IssuedSecret, reads_first: bool) -> server::Answer {
        let Some(stored) = self.server.get() else {
            return self.server.create(OUR_UPDATE, &rendered.into_secret(), self.now);
        };
        let removal = Some(&stored).filter(|_| reads_first);
        let removal = removal.and_then(|stored| Removal::beside_apply(stored, &rendered));
        let mut secret = rendered.into_secret();
        secret.metadata.uid.clone_from(&stored.metadata.uid);
        secret.metadata.resource_version.clone_from(&stored.metadata.resource_version);
        match removal {
            None => self.server.apply(US, &secret, self.now),
            Some(removal) => self.server.patch(OUR_UPDATE, &removal.patch(&secret), self.now),
        }
    }
}
