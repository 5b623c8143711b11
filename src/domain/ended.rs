//! URLs that ended: the Secret stays, with an empty URL, because a kubelet that finds no Secret leaves
//! the old file in running pods.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::Request;
use super::fields::{Field, OwnedFields};
use super::request::{Addressing, AwsAddress};
use super::stored::{Digest, text, url_key};
use crate::crd::names::{ANNOTATION_ENDED, ANNOTATION_REQUEST, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM};

/// Why a URL ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, strum::Display, strum::EnumString)]
pub enum EndReason {
    /// It expired, and is not renewed.
    Expired,
    /// The signer does not permit it any more.
    Denied,
}

/// What a Secret remembers of a URL that ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Why the URL ended.
    pub why: EndReason,
    /// When the URL expires or expired.
    pub expiration: Option<Timestamp>,
    /// What the URL was signed for; `None` if that is not known.
    pub request: Option<Digest>,
}

impl Ended {
    /// Reads what a Secret remembers; `None` if its URL did not end. Which client wrote that does not
    /// matter, because `managedFields` may be reset, and whoever can empty a Secret can also delete it.
    pub(super) fn read(secret: &Secret, owned: &OwnedFields) -> Option<Self> {
        let annotation = |name: &str| secret.metadata.annotations.as_ref()?.get(name);
        let why = annotation(ANNOTATION_ENDED)?.parse().ok()?;
        let key = url_key(secret, owned)?;
        if text(secret, key) != Some("") {
            return None;
        }
        // The object is deleted by this time, so that only our own value counts.
        let expires_at =
            text(secret, DATA_EXPIRES_AT).filter(|_| owned.is_ours(Field::Data(DATA_EXPIRES_AT)));
        Some(Self {
            why,
            expiration: expires_at.and_then(|time| time.parse().ok()),
            request: annotation(ANNOTATION_REQUEST).and_then(|digest| Digest::parse(digest)),
        })
    }
}

/// The merge patch that empties the URL in a Secret of ours; `None` when it has none. `request` is what
/// the URL was signed for, if that is known.
#[must_use]
pub fn end_patch(secret: &Secret, why: EndReason, request: Option<Digest>) -> Option<Value> {
    let owned = OwnedFields::read(&secret.metadata);
    let key = url_key(secret, &owned)?;
    if text(secret, key) == Some("") {
        return None;
    }
    let has = |key: &str| secret.data.as_ref().is_some_and(|data| data.contains_key(key));
    let keys = [key, DATA_FIELDS, DATA_FORM];
    let data: serde_json::Map<_, _> =
        keys.into_iter().filter(|key| has(key)).map(|key| (key.to_owned(), json!(""))).collect();
    Some(json!({
        "metadata": {
            "uid": secret.metadata.uid,
            "resourceVersion": secret.metadata.resource_version,
            "annotations": {
                ANNOTATION_ENDED: why.to_string(),
                ANNOTATION_REQUEST: request.map(|request| request.to_string()),
            },
        },
        "data": data,
    }))
}

impl Request {
    /// A digest of what the spec asks a URL for. It is stored in Secrets, so that it must stay the same in all
    /// releases.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let connection = &self.connection;
        let endpoint = connection.endpoint.as_ref().map(ToString::to_string).unwrap_or_default();
        let addressing = match connection.addressing {
            Addressing::Path => "Path",
            Addressing::VirtualHosted => "VirtualHosted",
            Addressing::BucketEndpoint => "BucketEndpoint",
        };
        let aws = match connection.aws {
            AwsAddress { dual_stack: false, fips: false } => String::new(),
            AwsAddress { dual_stack, fips } => format!("\ndual stack {dual_stack}, FIPS {fips}"),
        };
        // A signer stands for its connection, which may change without the spec.
        let place = self.credentials.signer.as_ref().map_or_else(
            || format!("{endpoint}\n{}\n{addressing}{aws}", connection.region),
            |signer| format!("{}\n{}", signer.kind, signer.name),
        );
        let mut text =
            format!("{}\n{place}\n{}\n{:?}\n{}", self.method, self.bucket, self.key, self.expires_in);
        for (kind, fields) in [("h", &self.headers), ("q", &self.query)] {
            for (name, value) in fields {
                let _ = write!(text, "\n{kind} {name:?} {value:?}");
            }
        }
        if let Some(form) = &self.form {
            let _ = write!(text, "\nf {}", form.described());
        }
        Digest::of(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{form, request, signer};
    use crate::domain::policy::Requester;
    use crate::domain::request::{Form, UploadAnswer};

    #[test]
    fn the_digest_is_the_same_in_all_releases_and_differs_with_the_spec() {
        let digest = |edit: fn(&mut Request)| {
            let mut request = request();
            edit(&mut request);
            request.digest().to_string()
        };
        let usual = digest(|_| {});
        assert_eq!(usual, "83816d5b7f88b1fe477b7ab302e9fda3");
        let of_signer =
            digest(|r| r.credentials = signer().credentials(Requester::new("team-a", "report")).unwrap());
        let all = [
            digest(|r| r.key.push('x')),
            digest(|r| r.bucket.push('x')),
            digest(|r| r.expires_in += 1),
            digest(|r| r.method = crate::crd::Method::Put),
            digest(|r| r.form = Some(form())),
            digest(|r| r.form = Some(Form { max_size: 11, ..form() })),
            digest(|r| r.form = Some(Form { is_key_prefix: true, ..form() })),
            digest(|r| r.form = Some(Form { content_type: Some("image/".to_owned()), ..form() })),
            digest(|r| r.form = Some(Form { answer: Some(UploadAnswer::Status(201)), ..form() })),
            digest(|r| r.headers = vec![("a".to_owned(), "b".to_owned())]),
            digest(|r| r.query = vec![("a".to_owned(), "b".to_owned())]),
            digest(|r| r.connection.region.push('x')),
            digest(|r| r.connection.endpoint = None),
            digest(|r| r.connection.addressing = Addressing::BucketEndpoint),
            digest(|r| r.connection.aws.fips = true),
            of_signer.clone(),
            usual,
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        let elsewhere = digest(|r| {
            r.credentials = signer().credentials(Requester::new("team-a", "report")).unwrap();
            r.connection.region.push('x');
            r.connection.endpoint = None;
        });
        assert_eq!(elsewhere, of_signer);
        assert_eq!(Digest::parse(&of_signer).map(|digest| digest.to_string()), Some(of_signer));
    }
}
