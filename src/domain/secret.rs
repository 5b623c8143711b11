//! Renders the Secret, as a pure function of the request, the URL and the owner.

use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use kube::core::ObjectMeta;

use super::fields::OwnedFields;
use super::stored::{Content, url_key};
use super::{Owner, Request, SignedForm, SignedUrl};
use crate::crd::names::{
    ANNOTATION_EXPIRES_IN, ANNOTATION_FORMAT, ANNOTATION_OWNER, ANNOTATION_RENEW, ANNOTATION_SIGNING_TIME,
    ANNOTATION_SOURCE, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD, FORMAT,
    LABEL_MANAGED, LABEL_MANAGED_BY, MANAGED, OPERATOR,
};
use crate::crd::{DeletionPolicy, PresignedUrl, duration};

/// A rendered Secret. It contains the URL, so its `Debug` shows only the name.
#[derive(Clone)]
pub struct IssuedSecret {
    secret: Secret,
    url_key: String,
}

impl fmt::Debug for IssuedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedSecret").field("name", &self.secret.metadata.name).finish_non_exhaustive()
    }
}

impl IssuedSecret {
    /// The object to write. It contains the URL.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.secret
    }

    /// The object to write.
    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The same with the URL or the form in a stored Secret, which a session signed that may be gone; `None`
    /// if there is none in it.
    #[must_use]
    pub fn with_url_of(mut self, stored: &Secret) -> Option<Self> {
        let stored_key = url_key(stored, &OwnedFields::read(&stored.metadata))?;
        let stored = stored.data.as_ref()?;
        let url = stored.get(stored_key)?.clone();
        let data = self.secret.data.get_or_insert_default();
        if data.contains_key(DATA_FORM) {
            let file = stored.get(DATA_FORM)?.clone();
            let (_, form) = SignedForm::read(std::str::from_utf8(&file.0).ok()?)?;
            data.insert(DATA_FIELDS.to_owned(), ByteString(form.curl_config().into_bytes()));
            data.insert(DATA_FORM.to_owned(), file);
        }
        data.insert(self.url_key.clone(), url);
        Some(self)
    }

    /// The content, for comparison with the stored Secret.
    #[must_use]
    pub fn content(&self) -> Content {
        Content::rendered(&self.secret, &self.url_key)
    }
}

/// Renders the complete Secret of a request: the apply removes what it leaves out. `handled_renew` is the
/// renewal token that the URL was issued for.
#[must_use]
pub fn render(
    request: &Request,
    signed: &SignedUrl,
    owner: &Owner,
    handled_renew: Option<&str>,
) -> IssuedSecret {
    let target = &request.target;
    let mut labels = target.labels.clone();
    labels.insert(LABEL_MANAGED.to_owned(), MANAGED.to_owned());
    labels.insert(LABEL_MANAGED_BY.to_owned(), OPERATOR.to_owned());
    let mut annotations = target.annotations.clone();
    annotations.insert(ANNOTATION_OWNER.to_owned(), owner.name.clone());
    annotations.insert(ANNOTATION_SIGNING_TIME.to_owned(), signed.validity.signing_time.to_string());
    annotations.insert(ANNOTATION_EXPIRES_IN.to_owned(), duration::print(request.expires_in));
    annotations.insert(ANNOTATION_FORMAT.to_owned(), FORMAT.to_owned());
    annotations.extend(request.source().map(|source| (ANNOTATION_SOURCE.to_owned(), source.to_string())));
    annotations.extend(handled_renew.map(|token| (ANNOTATION_RENEW.to_owned(), token.to_owned())));
    let data = contents(request, signed).into_iter().map(|(key, text)| (key, ByteString(text.into_bytes())));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(target.name.clone()),
            namespace: Some(owner.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: (target.deletion_policy == DeletionPolicy::Delete)
                .then(|| vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    IssuedSecret { secret, url_key: target.url_key.clone() }
}

/// The keys and values for a URL: the data of a Secret, and the files of a CSI volume.
pub(super) fn contents(request: &Request, signed: &SignedUrl) -> Vec<(String, String)> {
    let url = signed.url.expose();
    let mut data = vec![
        (request.target.url_key.as_str(), url.clone()),
        (DATA_METHOD, request.method.to_string()),
        (DATA_EXPIRES_AT, signed.validity.expiration_time().to_string()),
    ];
    match &signed.form {
        None => data.push((DATA_HEADERS, header_lines(&request.headers))),
        Some(form) => data.extend([(DATA_FIELDS, form.curl_config()), (DATA_FORM, form.json(url))]),
    }
    data.into_iter().map(|(key, text)| (key.to_owned(), text)).collect()
}

/// One line `Name: value` for each header, as `curl -H @file` reads them.
#[must_use]
pub fn header_lines(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The owner reference that lets the garbage collector delete the Secret with its owner. It has no
/// `blockOwnerDeletion`, which would need a permission on finalizers.
fn controller_reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: PresignedUrl::api_version(&()).into_owned(),
        kind: PresignedUrl::kind(&()).into_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::crd::Method;
    use crate::domain::model::{owner, request};
    use crate::domain::{Sensitive, Validity};

    /// Every byte that we write for one input. A change here needs another [`FORMAT`]; otherwise the
    /// next upgrade repairs every Secret of a cluster.
    const GOLDEN: &str = r#"{
  "apiVersion": "v1",
  "kind": "Secret",
  "metadata": {
    "annotations": {
      "note": "for the auditors",
      "presign.dev/expires-in": "1h",
      "presign.dev/format": "1",
      "presign.dev/owner": "report",
      "presign.dev/renew": "2030-01-01",
      "presign.dev/signing-time": "2030-01-02T03:04:05Z"
    },
    "labels": {
      "app.kubernetes.io/managed-by": "presign-operator",
      "presign.dev/managed": "true",
      "team": "a"
    },
    "name": "upload",
    "namespace": "team-a",
    "ownerReferences": [
      {
        "apiVersion": "presign.dev/v1alpha1",
        "controller": true,
        "kind": "PresignedUrl",
        "name": "report",
        "uid": "u-1"
      }
    ]
  },
  "stringData": {
    "expires-at": "2030-01-02T04:04:05Z",
    "headers": "Content-Type: application/pdf\nIf-None-Match: *\n",
    "method": "PUT",
    "url": "https://us-west.s3.qencode.com/reports/q3.pdf?X-Amz-Signature=0"
  },
  "type": "Opaque"
}"#;

    fn signed() -> SignedUrl {
        let signing_time: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
        let url = "https://us-west.s3.qencode.com/reports/q3.pdf?X-Amz-Signature=0".to_owned();
        SignedUrl {
            url: Sensitive::new(url),
            form: None,
            validity: Validity { signing_time, lifetime: 3600 },
        }
    }

    fn upload() -> Request {
        let mut request = request();
        request.method = Method::Put;
        request.headers = [("Content-Type", "application/pdf"), ("If-None-Match", "*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        request.target.name = "upload".to_owned();
        request.target.labels.insert("team".to_owned(), "a".to_owned());
        request.target.annotations.insert("note".to_owned(), "for the auditors".to_owned());
        request
    }

    /// The Secret, with its data as text.
    fn shown(secret: IssuedSecret) -> Value {
        let mut secret = secret.into_secret();
        let data = secret.data.take().unwrap();
        let text: serde_json::Map<_, _> =
            data.into_iter().map(|(key, bytes)| (key, String::from_utf8(bytes.0).unwrap().into())).collect();
        let mut shown = serde_json::to_value(secret).unwrap();
        shown["stringData"] = text.into();
        shown
    }

    #[test]
    fn renders_every_byte_of_this_format() {
        let shown = shown(render(&upload(), &signed(), &owner(), Some("2030-01-01")));
        assert_eq!(serde_json::to_string_pretty(&shown).unwrap(), GOLDEN);
    }

    #[test]
    fn a_stored_url_is_kept_under_another_key() {
        let stored = render(&upload(), &signed(), &owner(), None).into_secret();
        let mut request = upload();
        request.target.url_key = "link".to_owned();
        let other = SignedUrl { url: Sensitive::new("https://stand.in/".to_owned()), ..signed() };
        let rendered = render(&request, &other, &owner(), None);
        assert!(rendered.clone().with_url_of(&Secret::default()).is_none());
        let shown = shown(rendered.with_url_of(&stored).unwrap());
        assert_eq!(shown["stringData"]["link"], signed().url.expose().as_str());
        assert_eq!(shown["stringData"].get("url"), None);
    }

    #[test]
    fn leaves_out_what_is_not_asked_for() {
        let mut request = upload();
        request.target.deletion_policy = DeletionPolicy::Retain;
        request.target.url_key = "link".to_owned();
        request.headers.clear();
        let shown = shown(render(&request, &signed(), &owner(), None));
        assert_eq!(shown["metadata"].get("ownerReferences"), None);
        assert_eq!(shown["metadata"]["annotations"].get(ANNOTATION_RENEW), None);
        let keys: Vec<_> = shown["stringData"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["expires-at", "headers", "link", "method"]);
        assert_eq!(shown["stringData"]["headers"], json!(""));
    }
}
