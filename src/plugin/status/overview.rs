//! What `status` shows of an object. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use kube::core::ObjectMeta;
use serde::Serialize;

use super::users::SecretUsers;
use crate::crd::names::{ANNOTATION_ENDED, ANNOTATION_OWNER, ANNOTATION_RENEW, LABEL_MANAGED};
use crate::crd::{LimitedBy, PERMITTED, PodRefresh, PresignedUrl, READY, UploadForm};
use crate::plugin::console::{Paint, printable, span, when};
use crate::plugin::tree::Tree;

/// Everything around an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    namespace: String,
    name: String,
    method: String,
    bucket: String,
    key: String,
    /// What may be uploaded, with method POST.
    form: Option<UploadForm>,
    /// The address of the object, without any query.
    location: Option<String>,
    signer: String,
    /// What the signer says about the request.
    permission: Option<String>,
    secret_name: String,
    secret: SecretSeen,
    /// The pods that use the Secret; `None` if they may not be listed.
    pods: Option<SecretUsers>,
    is_annotated: bool,
    signing_time: Option<Timestamp>,
    renewal_time: Option<Timestamp>,
    expiration_time: Option<Timestamp>,
    /// How long the URL or the form lives, from signing to expiry.
    lifetime_seconds: Option<i64>,
    limited_by: Option<LimitedBy>,
    /// Whether the annotation asks for a renewal that has not happened.
    is_renewal_requested: bool,
    conditions: Vec<ConditionSeen>,
    is_current: bool,
}

/// A condition.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConditionSeen {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    since: Timestamp,
}

/// What is known about the Secret, without its content.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SecretSeen {
    Missing,
    NotPermitted,
    Present { owner: Option<String>, ended: Option<String>, is_ours: bool },
}

impl SecretSeen {
    /// Reads the metadata of a Secret.
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name).cloned();
        let is_ours = metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_MANAGED));
        Self::Present { owner: annotation(ANNOTATION_OWNER), ended: annotation(ANNOTATION_ENDED), is_ours }
    }
}

/// The name of the Secret of an object: that of the status, or the one that the spec asks for.
pub(super) fn secret_name(object: &PresignedUrl) -> String {
    let in_status = object.status.as_ref().and_then(|status| status.secret_name.clone());
    let asked = object.spec.secret.as_ref().and_then(|secret| secret.name.clone());
    in_status.or(asked).unwrap_or_else(|| object.name_any())
}

impl Overview {
    /// Collects what there is.
    pub(super) fn of(object: &PresignedUrl, secret: SecretSeen, pods: Option<SecretUsers>) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let time = |time: Option<Time>| time.map(|time| time.0);
        let signer = match (&object.spec.signer_ref, &object.spec.s3) {
            (Some(reference), _) => format!("{} {:?}", reference.kind.unwrap_or_default(), reference.name),
            (None, Some(s3)) => match &s3.credentials.secret_ref {
                Some(reference) => format!("credentials in Secret {:?}", reference.name),
                None => "a session of its own".to_owned(),
            },
            (None, None) => "none".to_owned(),
        };
        let seen = |condition: &Condition| ConditionSeen {
            kind: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: printable(&condition.message),
            since: condition.last_transition_time.0,
        };
        let conditions: Vec<_> = status.conditions.iter().map(seen).collect();
        let permission = conditions.iter().find(|condition| condition.kind == PERMITTED);
        let token = object.annotations().get(ANNOTATION_RENEW);
        let times = (time(status.signing_time.clone()), time(status.expiration_time.clone()));
        let lifetime = times.0.zip(times.1).map(|(from, until)| until.as_second() - from.as_second());
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            method: object.spec.method.unwrap_or_default().to_string(),
            bucket: printable(&object.spec.bucket),
            key: printable(&object.spec.key),
            form: object.spec.form.clone(),
            location: status.location.as_deref().map(printable),
            signer,
            permission: permission.map(|condition| condition.message.clone()),
            secret_name: secret_name(object),
            secret,
            pods,
            is_annotated: object.spec.pod_refresh == Some(PodRefresh::Annotate),
            signing_time: times.0,
            renewal_time: time(status.renewal_time),
            expiration_time: times.1,
            lifetime_seconds: lifetime,
            limited_by: status.limited_by,
            is_renewal_requested: token
                .is_some_and(|token| Some(token) != status.last_handled_renew.as_ref()),
            is_current: status.observed_generation == object.metadata.generation,
            conditions,
        }
    }

    /// Whether the condition Ready is True.
    pub(super) fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == READY && condition.status == "True")
    }

    /// The tree of it.
    pub(super) fn tree(&self, now: Timestamp, paint: Paint) -> Tree {
        let ready = self.conditions.iter().find(|condition| condition.kind == READY);
        let state = match ready {
            Some(ready) if ready.status == "True" => paint.good(&format!("Ready, {}", ready.reason)),
            Some(ready) => paint.bad(&format!("not ready, {}", ready.reason)),
            None => paint.warn("not seen by the operator yet"),
        };
        let title = paint.bold(&format!("PresignedUrl {}/{}", self.namespace, self.name));
        let stale = (!self.is_current && ready.is_some())
            .then(|| Tree::leaf(paint.warn("the status is that of an earlier spec")));
        Tree::leaf(format!("{title}: {state}"))
            .with_all(ready.map(|ready| Tree::leaf(ready.message.clone())))
            .with_all(stale)
            .with_all([
                self.object(),
                self.signed_by(),
                self.secret(paint),
                self.users(paint),
                self.dates(now, paint),
            ])
            .with(self.others(now, paint))
    }

    /// What the Secret holds.
    fn noun(&self) -> &'static str {
        if self.form.is_some() { "form" } else { "URL" }
    }

    fn object(&self) -> Tree {
        let line = format!("{} {} of {}", self.method, self.key, self.bucket);
        Tree::fact("object", line)
            .with_all(self.location.as_ref().map(|location| Tree::leaf(location.clone())))
            .with_all(self.form.as_ref().map(|form| Tree::fact("uploads", permitted(form))))
    }

    fn signed_by(&self) -> Tree {
        Tree::fact("signer", &self.signer).with_all(self.permission.clone().map(Tree::leaf))
    }

    fn secret(&self, paint: Paint) -> Tree {
        let said = match &self.secret {
            SecretSeen::Missing => paint.bad("does not exist"),
            SecretSeen::NotPermitted => paint.faint("you may not read it"),
            SecretSeen::Present { ended: Some(why), .. } => {
                paint.bad(&format!("its {} was removed: {}", self.noun(), printable(why)))
            }
            SecretSeen::Present { is_ours: false, .. } => paint.bad("is not written by the operator"),
            SecretSeen::Present { owner: Some(owner), .. } if *owner != self.name => {
                paint.bad(&format!("belongs to PresignedUrl {owner:?}"))
            }
            SecretSeen::Present { .. } => paint.good(&format!("holds the {}", self.noun())),
        };
        Tree::fact("Secret", format!("{} {said}", self.secret_name))
    }

    fn users(&self, paint: Paint) -> Tree {
        let Some(SecretUsers(users)) = &self.pods else {
            return Tree::fact("pods", paint.faint("you may not list them"));
        };
        if users.is_empty() {
            return Tree::fact("pods", "none uses the Secret");
        }
        let noun = self.noun();
        let soon = if self.is_annotated { "within seconds" } else { "within about 90 seconds" };
        let pod = |user: &super::users::SecretUser| {
            let of = if user.of.starts_with("Pod ") { String::new() } else { format!(" of {}", user.of) };
            let uses = user.uses.iter().map(|one| {
                let container =
                    one.container.as_ref().map(|name| format!("container {name}: ")).unwrap_or_default();
                if one.is_refreshed {
                    Tree::leaf(format!("{container}{}: gets a new {noun} {soon}", one.how))
                } else {
                    let never = format!(
                        "{container}{}: never gets a new {noun}: mount the whole Secret as a volume",
                        one.how
                    );
                    Tree::leaf(paint.bad(&never))
                }
            });
            Tree::leaf(format!("{}{of}, {}", user.pod, user.phase)).with_all(uses)
        };
        Tree::fact("pods", users.len()).with_all(users.iter().map(pod))
    }

    fn dates(&self, now: Timestamp, paint: Paint) -> Tree {
        let fact = |name: &str, time: Option<Timestamp>| time.map(|time| Tree::fact(name, when(time, now)));
        let limited = match self.limited_by {
            Some(LimitedBy::Credentials) => Some("the credentials end before the requested lifetime"),
            Some(LimitedBy::Signer) => Some("the signer allows a shorter lifetime than the requested one"),
            Some(LimitedBy::Requested) | None => None,
        };
        let asked = self.is_renewal_requested.then(|| {
            Tree::leaf(paint.warn(&format!("a new {} is asked for and not issued yet", self.noun())))
        });
        let lives = self.lifetime_seconds.map(|seconds| {
            Tree::fact("lives", format!("{seconds} seconds ({})", span(seconds.unsigned_abs())))
        });
        let dates = [
            fact("signed", self.signing_time),
            fact("renews", self.renewal_time),
            fact("expires", self.expiration_time),
        ];
        let line = if dates.iter().any(Option::is_some) { "dates" } else { "dates: none yet" };
        Tree::leaf(line)
            .with_all(dates.into_iter().flatten())
            .with_all(lives)
            .with_all(limited.map(Tree::leaf))
            .with_all(asked)
    }

    fn others(&self, now: Timestamp, paint: Paint) -> Tree {
        let shown =
            self.conditions.iter().filter(|condition| ![READY, PERMITTED].contains(&condition.kind.as_str()));
        let line = |condition: &ConditionSeen| {
            let bad = if condition.kind == crate::crd::STALLED { "True" } else { "False" };
            let text = format!(
                "{} {} ({}), since {}",
                condition.kind,
                condition.status,
                condition.reason,
                when(condition.since, now)
            );
            let text = if condition.status == bad { paint.warn(&text) } else { text };
            Tree::leaf(text).with(Tree::leaf(condition.message.clone()))
        };
        Tree::leaf("conditions").with_all(shown.map(line))
    }
}

/// What a form permits, in a line.
fn permitted(form: &UploadForm) -> String {
    let from = form.min_size.unwrap_or(0);
    let name = if form.key_prefix == Some(true) { ", under a name that the visitor chooses" } else { "" };
    let content_type = match form.content_type.as_deref().map(printable) {
        None => ", of any type".to_owned(),
        Some(prefix) if prefix.ends_with('/') => format!(", of a type that begins with {prefix}"),
        Some(content_type) => format!(", of the type {content_type}"),
    };
    format!("files from {from} to {} bytes{content_type}{name}", form.max_size)
}

#[cfg(test)]
mod tests;
