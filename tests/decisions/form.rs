//! The stand-ins for forms.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::domain::post_policy::PostPolicy;
use crate::domain::request::Form;
use crate::domain::{Credentials, Request, Sensitive, SignedForm, SignedUrl, Validity};

/// The smallest useful form.
pub fn form() -> Form {
    Form {
        min_size: 0,
        max_size: 1024,
        is_key_prefix: false,
        content_type: None,
        metadata: Vec::new(),
        answer: None,
    }
}

/// A form whose signature only looks like one: a hash of all that a real one depends on.
pub fn sign_form(request: &Request, form: &Form, credentials: &Credentials, validity: Validity) -> SignedUrl {
    let endpoint = request.connection.endpoint.as_ref().unwrap();
    let time = validity.signing_time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], request.connection.region);
    let text = |name: &str, value: String| (name.to_owned(), value);
    let mut fields: BTreeMap<String, String> = form.metadata.iter().cloned().collect();
    fields.extend([
        text("key", form.key_field(&request.key).into_owned()),
        text("x-amz-credential", format!("{}/{scope}", credentials.access_key_id.expose())),
        text("x-amz-date", time),
    ]);
    fields.extend(
        credentials.session_token.iter().map(|token| text("x-amz-security-token", token.expose().clone())),
    );
    let end = validity.expiration_time();
    let policy = PostPolicy::new(&request.bucket, &request.key, form, &fields, end).encode();
    let signed = format!("{policy} {}", credentials.secret_access_key.expose());
    let signature = Sha256::digest(signed.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    fields.extend([text("policy", policy), text("x-amz-signature", signature)]);
    let url = Sensitive::new(format!("{endpoint}/{}", request.bucket));
    SignedUrl { url, form: Some(SignedForm::new(fields)), validity }
}
