//! The errors of the signer. No text here may contain a key, a token, a signature or a query.

use std::error::Error;

use crate::domain::Credentials;

/// Why a request could not be signed.
///
/// The texts are used in status messages. They name what is wrong and what to do, and contain no part of
/// the credentials and no part of the query of the URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PresignError {
    /// The region in the spec differs from that of the access point, which is the only one that works.
    #[error(
        "spec.bucket names an access point in {access_point}, but spec.s3.region is {region}: set region to {access_point}"
    )]
    AccessPointRegion {
        /// Region in the ARN.
        access_point: String,
        /// Region in the spec.
        region: String,
    },
    /// The signing time is before 1970.
    #[error("cannot sign for {time}, which is before 1970: correct the clock")]
    SigningTime {
        /// The signing time.
        time: jiff::Timestamp,
    },
    /// The lifetime is zero or longer than a week.
    #[error("a lifetime of {seconds} seconds cannot be signed: it must be from 1 to 604800")]
    Lifetime {
        /// The lifetime, in seconds.
        seconds: u32,
    },
    /// The URL would be longer than servers accept, and longer than the SDK can hold.
    #[error(
        "the URL would have {bytes} bytes and must not have more than {limit}: shorten spec.query, spec.response, spec.versionID or the session token"
    )]
    TooLong {
        /// Length that the URL would have, in bytes.
        bytes: usize,
        /// Longest length, in bytes.
        limit: usize,
    },
    /// The fields of a form would be longer than stores accept.
    #[error(
        "the fields of the form would have {bytes} bytes and must not have more than {limit}: shorten spec.form.metadata, spec.form.successRedirect, spec.key or the session token"
    )]
    FormTooLong {
        /// Length that the fields would have, in bytes.
        bytes: usize,
        /// Longest length, in bytes.
        limit: usize,
    },
    /// A request with method POST says nothing of a form. No valid spec has such a request.
    #[error("method POST cannot be signed without spec.form: add it")]
    NoForm,
    /// Clients would parse the address and send a request to another host.
    #[error(
        "clients would change the address and so break the signature: correct the host in spec.s3.endpoint, or put the bucket into the path with spec.s3.addressingStyle: Path"
    )]
    Rewritten,
    /// The SDK does not sign this request.
    #[error("the AWS SDK does not sign this request: {reason}")]
    Refused {
        /// The reason that the SDK gives.
        reason: String,
    },
    /// The SDK did not return at once, although signing never needs to wait.
    #[error("the AWS SDK did not sign at once, which is a bug in presign-operator: report it")]
    Waited,
    /// The SDK signed another URL than the requested one.
    #[error(
        "the AWS SDK signed another {part} than the requested one: check spec.s3 (endpoint, region, addressingStyle), and report this if they are correct"
    )]
    Differs {
        /// The part of the URL that differs: the name of a query parameter, or `address`.
        part: String,
    },
}

/// The text of an SDK error with its causes, if it may be shown.
///
/// It uses only `Display`, because the `Debug` text of SDK errors contains requests. Some causes repeat
/// their input, for example a URI that cannot be parsed. A text that contains a query or a credential is
/// therefore replaced as a whole.
pub(super) fn reason(error: &dyn Error, credentials: &Credentials) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let token = credentials.session_token.as_ref();
    let secrets = [Some(&credentials.access_key_id), Some(&credentials.secret_access_key), token];
    let leaks = secrets.into_iter().flatten().any(|secret| text.contains(secret.expose().as_str()));
    if leaks || text.contains('?') {
        "its reason is not shown, because it may contain credentials".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sensitive;

    #[test]
    fn shows_the_causes_but_no_query_and_no_credential() {
        let credentials = Credentials {
            access_key_id: Sensitive::new("AKIA".to_owned()),
            secret_access_key: Sensitive::new("hidden".to_owned()),
            session_token: Some(Sensitive::new("token".to_owned())),
            expiration: None,
        };
        for (text, shown) in [
            ("no such region", true),
            ("bad uri https://h/k?x-tag=1", false),
            ("the key AKIA is odd", false),
            ("hidden", false),
            ("token", false),
        ] {
            let error = std::io::Error::other(text);
            assert_eq!(reason(&error, &credentials) == text, shown, "{text}");
        }
    }
}
