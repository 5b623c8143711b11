//! Signs a valid request with method POST into a form: an address and its fields.
//!
//! The SDK has no such operation, but its signing key and its HMAC are used. Signing is synchronous and
//! deterministic, as that of URLs is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use url::Url;

use super::PresignError;
use crate::domain::post_policy::PostPolicy;
use crate::domain::request::{Addressing, Form, Request, UploadAnswer, aws_host};
use crate::domain::signed_form::{CREDENTIAL, DATE, POLICY, SIGNATURE, TOKEN};
use crate::domain::{Credentials, Sensitive, SignedForm, SignedUrl, Validity};

/// The most bytes that AWS accepts before the file, without the delimiters between the fields:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.
const MAX_OF_AWS: usize = 20_000;
/// The most bytes that are signed for another store.
const MAX_FORM: usize = 60_000;

/// Signs a form. `start` is the signing time of `validity`.
///
/// # Errors
/// When clients would change the address, or the fields are too long.
pub(super) fn sign(
    request: &Request,
    form: &Form,
    credentials: &Credentials,
    validity: Validity,
    start: SystemTime,
) -> Result<SignedUrl, PresignError> {
    let url = address(request)?;
    let region = &request.connection.region;
    let time = validity.signing_time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = time.split('T').next().unwrap_or_default();
    let credential = format!("{}/{date}/{region}/s3/aws4_request", credentials.access_key_id.expose());
    let mut fields = own_fields(request, form);
    fields.extend([
        ("x-amz-algorithm".to_owned(), "AWS4-HMAC-SHA256".to_owned()),
        (CREDENTIAL.to_owned(), credential),
        (DATE.to_owned(), time),
    ]);
    fields.extend(credentials.session_token.as_ref().map(|t| (TOKEN.to_owned(), t.expose().clone())));
    let expiration = validity.expiration_time();
    let policy = PostPolicy::new(&request.bucket, &request.key, form, &fields, expiration).encode();
    let key = generate_signing_key(credentials.secret_access_key.expose(), start, region, "s3");
    fields.insert(SIGNATURE.to_owned(), calculate_signature(key, policy.as_bytes()));
    fields.insert(POLICY.to_owned(), policy);
    let bytes = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    let limit = if request.connection.endpoint.is_none() { MAX_OF_AWS } else { MAX_FORM };
    if bytes > limit {
        return Err(PresignError::FormTooLong { bytes, limit });
    }
    Ok(SignedUrl { url: Sensitive::new(url), form: Some(SignedForm::new(fields)), validity })
}

/// The address that the form is sent to: that of the bucket.
fn address(request: &Request) -> Result<String, PresignError> {
    let (bucket, connection) = (&request.bucket, &request.connection);
    let (scheme, host, prefix) = match &connection.endpoint {
        None => ("https".to_owned(), aws_host(bucket, &connection.region, connection.aws), ""),
        Some(endpoint) => {
            let port = endpoint.port.map(|port| format!(":{port}")).unwrap_or_default();
            (endpoint.scheme.to_string(), format!("{}{port}", endpoint.host), endpoint.path.as_str())
        }
    };
    let address = match connection.addressing {
        Addressing::Path => format!("{scheme}://{host}{prefix}/{bucket}"),
        Addressing::VirtualHosted => format!("{scheme}://{bucket}.{host}{prefix}/"),
        Addressing::BucketEndpoint => format!("{scheme}://{host}{prefix}/"),
    };
    let is_kept = Url::parse(&address).map(String::from).as_ref() == Ok(&address);
    if is_kept { Ok(address) } else { Err(PresignError::Rewritten) }
}

/// The fields that the spec asks for.
fn own_fields(request: &Request, form: &Form) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = form.metadata.iter().cloned().collect();
    fields.insert("key".to_owned(), form.key_field(&request.key).into_owned());
    fields.extend(form.exact_type().map(|text| ("Content-Type".to_owned(), text.to_owned())));
    let answer = form.answer.as_ref().map(|answer| match answer {
        UploadAnswer::Redirect(address) => ("success_action_redirect".to_owned(), address.clone()),
        UploadAnswer::Status(status) => ("success_action_status".to_owned(), status.to_string()),
    });
    fields.extend(answer);
    fields
}
