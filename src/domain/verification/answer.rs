//! What the answer of a store means: its status, its error code, its clock and the region it names.

use super::{Finding, QuestionKind, VerifyOutage};

/// An answer of a store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreAnswer {
    /// The status code.
    pub status: u16,
    /// The region in the header `x-amz-bucket-region`.
    pub region: Option<String>,
    /// Whether a header shows that a store answered, and not any other web server.
    pub is_of_store: bool,
    /// How many seconds the clock of the store is ahead of ours, by the header `Date`.
    pub clock_ahead: Option<i64>,
    /// The beginning of the body; empty when it was not read. It is never shown.
    pub body: String,
}

/// Differences of clocks up to this, in seconds, come from the way of the answer.
const NO_SKEW: i64 = 2;

/// Headers that stores, and no web servers, put into each answer.
const OF_STORES: [&str; 6] = [
    "x-amz-request-id",
    "x-amz-id-2",
    "x-goog-generation",
    "x-oss-request-id",
    "x-cos-request-id",
    "x-obs-request-id",
];

/// Whether a header, in lower case, shows that a store answered. Other headers of Amazon, such as those of its
/// content network, are on every kind of web page.
#[must_use]
pub fn is_of_store(header: &str) -> bool {
    OF_STORES.contains(&header)
}

/// What an answer means to a question that was signed for `region`.
#[must_use]
pub fn finding(kind: QuestionKind, region: &str, answer: &StoreAnswer) -> Finding {
    let code = element(&answer.body, "Code").unwrap_or_default();
    match (answer.status, kind) {
        // Conditions in headers, and the first byte of an empty object, are judged after the signature.
        (200 | 206 | 304 | 412 | 416, QuestionKind::Object) if answer.is_of_store || is_condition(code) => {
            return Finding::Accepted;
        }
        (200, QuestionKind::Listing) if answer.body.contains("ListBucketResult") => {
            return Finding::CredentialsAccepted;
        }
        (408 | 425 | 429 | 503, _) => return Finding::Unreachable(VerifyOutage::Busy),
        // What the store does not implement is a matter of this request.
        (501, _) => return Finding::Rejected { status: 501 },
        (500.., _) => return Finding::Unreachable(VerifyOutage::Fault(answer.status)),
        _ => {}
    }
    let named = answer.named_region().filter(|named| named != region);
    match code {
        "InvalidAccessKeyId" | "InvalidAccessKey" | "NoSuchAccessKey" | "UnknownAccessKey" => {
            Finding::UnknownKey
        }
        "RequestTimeTooSkewed" | "RequestNotReadyYet" | "RequestExpired" | "ExpiredPresignRequest" => {
            answer.skew()
        }
        "InvalidToken" | "ExpiredToken" | "TokenRefreshRequired" | "InvalidSecurityToken" => {
            Finding::TokenRefused
        }
        "AccessDenied" if answer.tells_of_time() => answer.skew(),
        "AuthorizationQueryParametersError" | "AuthorizationHeaderMalformed" if answer.tells_of_time() => {
            answer.skew()
        }
        _ if named.is_some() => Finding::WrongRegion { named },
        "AuthorizationQueryParametersError" | "AuthorizationHeaderMalformed" if answer.tells_of_region() => {
            Finding::WrongRegion { named }
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "InvalidRegion"
        | "InvalidRegionName"
        | "IllegalLocationConstraintException" => Finding::WrongRegion { named },
        "SignatureDoesNotMatch" => Finding::SignatureDoesNotMatch,
        // Nothing is permitted to the account or in the bucket, whatever the request.
        "AllAccessDisabled" | "AccountProblem" => Finding::AccessDenied,
        "AccessDenied" => match kind {
            QuestionKind::Object => Finding::AccessDenied,
            QuestionKind::Listing => Finding::CredentialsAccepted,
        },
        "NoSuchBucket" => Finding::NoSuchBucket,
        "NoSuchKey" | "NoSuchVersion" => Finding::NoSuchKey,
        "SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout" => {
            Finding::Unreachable(VerifyOutage::Busy)
        }
        // 304 sends nobody elsewhere.
        _ if (300..400).contains(&answer.status) && answer.status != 304 => {
            Finding::Redirected { status: answer.status }
        }
        _ => Finding::Rejected { status: answer.status },
    }
}

/// Whether an error says that a condition or a range does not fit the object.
fn is_condition(code: &str) -> bool {
    matches!(code, "PreconditionFailed" | "InvalidRange")
}

impl StoreAnswer {
    /// The region that the store names, if it has the form of one.
    fn named_region(&self) -> Option<String> {
        let message = element(&self.body, "Message").unwrap_or_default();
        let expected = message.split_once("expecting ").map(|(_, rest)| {
            let rest = rest.trim_start_matches("&#34;").trim_start_matches("&quot;");
            let rest = rest.trim_start_matches("&#39;").trim_start_matches("&apos;");
            let rest = rest.trim_start_matches(['\'', '"']);
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default()
        });
        let named = [self.region.as_deref(), element(&self.body, "Region"), expected];
        named.into_iter().flatten().find(|name| is_region(name)).map(str::to_owned)
    }

    /// Whether the error is about the time of the request.
    fn tells_of_time(&self) -> bool {
        let message = element(&self.body, "Message").unwrap_or_default().to_ascii_lowercase();
        message.contains("expired") || message.contains("not yet valid") || message.contains("not valid yet")
    }

    fn tells_of_region(&self) -> bool {
        element(&self.body, "Message").unwrap_or_default().to_ascii_lowercase().contains("region")
    }

    fn skew(&self) -> Finding {
        Finding::ClockSkewed { ahead: self.clock_ahead.filter(|ahead| ahead.abs() > NO_SKEW) }
    }
}

/// The text of the first element of a name. The body of an S3 error has each of them once.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text.trim())
}

fn is_region(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len())
        && name.bytes().all(is_allowed)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str, more: &str) -> StoreAnswer {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code>{more}<RequestId>r</RequestId></Error>"
        );
        StoreAnswer { status, body, clock_ahead: Some(-900), ..StoreAnswer::default() }
    }

    fn named(region: &str) -> Finding {
        Finding::WrongRegion { named: Some(region.to_owned()) }
    }

    #[test]
    fn each_code_has_its_meaning() {
        use QuestionKind::{Listing, Object};
        let skewed = Finding::ClockSkewed { ahead: Some(-900) };
        for (kind, answer, expected) in [
            (Object, error(403, "AccessDenied", "<Message>Access Denied</Message>"), Finding::AccessDenied),
            (Listing, error(403, "AccessDenied", ""), Finding::CredentialsAccepted),
            (Object, error(403, "AccessDenied", "<Message>Request has expired</Message>"), skewed.clone()),
            (
                Listing,
                error(403, "AccessDenied", "<Message>Request is not yet valid</Message>"),
                skewed.clone(),
            ),
            (
                Object,
                error(400, "AuthorizationQueryParametersError", "<Message>Request has expired</Message>"),
                skewed.clone(),
            ),
            (Listing, error(403, "RequestTimeTooSkewed", ""), skewed),
            (Listing, error(403, "AllAccessDisabled", ""), Finding::AccessDenied),
            (Object, error(403, "AllAccessDisabled", ""), Finding::AccessDenied),
            (Listing, error(403, "AccountProblem", ""), Finding::AccessDenied),
            (Object, error(403, "AccountProblem", ""), Finding::AccessDenied),
            (Object, error(412, "PreconditionFailed", ""), Finding::Accepted),
            (Object, error(416, "InvalidRange", ""), Finding::Accepted),
            (Object, error(412, "Other", ""), Finding::Rejected { status: 412 }),
            (Object, error(403, "InvalidAccessKeyId", ""), Finding::UnknownKey),
            (Listing, error(403, "SignatureDoesNotMatch", ""), Finding::SignatureDoesNotMatch),
            (Object, error(404, "NoSuchBucket", ""), Finding::NoSuchBucket),
            (Object, error(404, "NoSuchKey", ""), Finding::NoSuchKey),
            (Object, error(404, "NoSuchVersion", ""), Finding::NoSuchKey),
            (Object, error(400, "InvalidToken", ""), Finding::TokenRefused),
            (Object, error(503, "SlowDown", ""), Finding::Unreachable(VerifyOutage::Busy)),
            (Listing, error(400, "RequestTimeout", ""), Finding::Unreachable(VerifyOutage::Busy)),
            (Object, error(500, "InternalError", ""), Finding::Unreachable(VerifyOutage::Fault(500))),
            (Object, error(501, "NotImplemented", ""), Finding::Rejected { status: 501 }),
            (Object, error(400, "InvalidArgument", ""), Finding::Rejected { status: 400 }),
            (Object, error(403, "", ""), Finding::Rejected { status: 403 }),
        ] {
            assert_eq!(finding(kind, "us-east-1", &answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_status_without_an_error_has_its_meaning() {
        use QuestionKind::{Listing, Object};
        let of = |status, body: &str| StoreAnswer { status, body: body.to_owned(), ..StoreAnswer::default() };
        let by_store = |status| StoreAnswer { is_of_store: true, ..of(status, "") };
        for (kind, answer, expected) in [
            (Object, by_store(200), Finding::Accepted),
            (Object, of(200, ""), Finding::Rejected { status: 200 }),
            (Object, by_store(206), Finding::Accepted),
            (Object, of(206, ""), Finding::Rejected { status: 206 }),
            (Object, by_store(412), Finding::Accepted),
            (Object, of(412, ""), Finding::Rejected { status: 412 }),
            (Object, by_store(416), Finding::Accepted),
            (Object, of(416, ""), Finding::Rejected { status: 416 }),
            (Listing, of(200, "<ListBucketResult/>"), Finding::CredentialsAccepted),
            (Listing, of(200, "<html>sign in</html>"), Finding::Rejected { status: 200 }),
            (Listing, of(204, ""), Finding::Rejected { status: 204 }),
            (Object, by_store(304), Finding::Accepted),
            (Object, of(304, ""), Finding::Rejected { status: 304 }),
            (Object, of(302, "<html/>"), Finding::Redirected { status: 302 }),
            (Object, of(404, "<html/>"), Finding::Rejected { status: 404 }),
            (Object, of(429, ""), Finding::Unreachable(VerifyOutage::Busy)),
        ] {
            assert_eq!(finding(kind, "us-east-1", &answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_header_of_a_content_network_is_none_of_a_store() {
        assert!(is_of_store("x-amz-request-id") && is_of_store("x-amz-id-2"));
        for header in ["x-amz-cf-id", "x-amz-cf-pop", "x-amz-apigw-id", "x-amzn-requestid", "server", "etag"]
        {
            assert!(!is_of_store(header), "{header}");
        }
    }

    #[test]
    fn a_region_is_named_only_if_it_looks_like_one() {
        let query = "AuthorizationQueryParametersError";
        let message = |text: &str| format!("<Message>Error parsing; {text}</Message>");
        for (answer, expected) in [
            (error(400, query, "<Region>eu-west-1</Region>"), named("eu-west-1")),
            (
                error(400, query, &message("the region 'a' is wrong; expecting 'eu-west-1'")),
                named("eu-west-1"),
            ),
            (
                error(400, query, &message("the region &#34;a&#34; is wrong; expecting &#34;garage&#34;")),
                named("garage"),
            ),
            (error(400, query, &message("the region is wrong")), Finding::WrongRegion { named: None }),
            (error(400, query, &message("a parameter is missing")), Finding::Rejected { status: 400 }),
            (error(400, query, "<Region>Evil; run this</Region>"), Finding::Rejected { status: 400 }),
            (error(301, "PermanentRedirect", ""), Finding::WrongRegion { named: None }),
            (
                StoreAnswer { status: 400, region: Some("eu-west-1".to_owned()), ..StoreAnswer::default() },
                named("eu-west-1"),
            ),
            (
                StoreAnswer { region: Some("us-east-1".to_owned()), ..error(403, "AccessDenied", "") },
                Finding::AccessDenied,
            ),
        ] {
            assert_eq!(finding(QuestionKind::Object, "us-east-1", &answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_small_difference_of_clocks_is_none() {
        for (clock_ahead, ahead) in [
            (NO_SKEW, None),
            (-NO_SKEW, None),
            (NO_SKEW + 1, Some(NO_SKEW + 1)),
            (-NO_SKEW - 1, Some(-NO_SKEW - 1)),
        ] {
            let clock_ahead = Some(clock_ahead);
            let answer = StoreAnswer { clock_ahead, ..error(403, "RequestTimeTooSkewed", "") };
            assert_eq!(finding(QuestionKind::Object, "r", &answer), Finding::ClockSkewed { ahead });
        }
    }
}
