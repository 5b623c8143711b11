//! What a pod finds in its Secret: the whole way from a spec to the rendered data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use presign_operator::crd::PresignedUrlSpec;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::{Credentials, Owner, Request, SignedUrl, Validity, render};
use presign_operator::s3::{PresignError, UrlSigner};

/// The data of a Secret as a pod reads it.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) url: String,
    pub(crate) method: String,
    /// The file for `curl -H @file`.
    pub(crate) header_file: String,
    pub(crate) expires_at: String,
    /// The file for `curl --config`; empty unless it is a form.
    pub(crate) fields: String,
    /// The file `form.json`; empty unless it is a form.
    pub(crate) form: String,
}

impl Facts {
    /// Parses, signs and renders.
    ///
    /// # Errors
    /// When the signer refuses; a spec that does not parse is a mistake of the test.
    pub(crate) fn issue(
        spec: &PresignedUrlSpec,
        credentials: &Credentials,
        signing_time: Timestamp,
    ) -> Result<Self, PresignError> {
        let request = Request::inline(Requester::new("team-a", "report"), spec, None).unwrap();
        let signed = sign(&request, credentials, signing_time)?;
        Ok(Self::read(&render(&request, &signed, &owner(), None).into_secret()))
    }

    pub(crate) fn read(secret: &Secret) -> Self {
        let data: BTreeMap<&str, String> = secret
            .data
            .iter()
            .flatten()
            .map(|(key, bytes)| (key.as_str(), String::from_utf8(bytes.0.clone()).unwrap()))
            .collect();
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let side = ["method", "headers", "expires-at", "fields", "form.json"];
        let url = data.iter().find(|(key, _)| !side.contains(key)).unwrap();
        Self {
            url: url.1.clone(),
            method: text("method"),
            header_file: text("headers"),
            expires_at: text("expires-at"),
            fields: text("fields"),
            form: text("form.json"),
        }
    }

    /// The headers, read as curl reads its file: a line each, the name up to the colon.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim_start_matches(' ').to_owned())
        };
        self.header_file.split_terminator('\n').map(header).collect()
    }
}

/// Signs with a lifetime that the credentials allow.
pub(crate) fn sign(
    request: &Request,
    credentials: &Credentials,
    signing_time: Timestamp,
) -> Result<SignedUrl, PresignError> {
    let validity = Validity::new(signing_time, request.expires_in, credentials.expiration).unwrap();
    UrlSigner::default().presign(request, credentials, validity)
}

pub(crate) fn owner() -> Owner {
    Owner { namespace: "team-a".to_owned(), name: "report".to_owned(), uid: "7f3e".to_owned() }
}
