//! Lists that stand in a CEL expression and in code: macros, since a rule is one literal.
//!
//! Each takes the name of the macro that it gives its list to.

/// Gives the names of the headers that no spec may set to another macro: those that the
/// client, a proxy or the signature itself sets, and those that signers leave out without a
/// word.
macro_rules! refused_headers {
    ($with:ident) => {
        $with!(
            "host",
            "authorization",
            "user-agent",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "x-amzn-trace-id",
            "x-amz-user-agent",
            "x-amz-date",
            "x-amz-security-token",
            "x-amz-content-sha256"
        )
    };
}

/// Gives what names of headers with a customer's encryption key begin with to another macro.
macro_rules! key_headers {
    ($with:ident) => {
        $with!(
            "x-amz-server-side-encryption-customer-",
            "x-amz-copy-source-server-side-encryption-customer-",
            "x-goog-encryption-"
        )
    };
}

/// Gives what the regions of AWS begin with to another macro: the partition table of
/// aws-sdk-s3, before the direction and the number.
macro_rules! aws_areas {
    ($with:ident) => {
        $with!(
            "us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "us-gov", "us-iso", "us-isob",
            "us-isof", "eu-isoe", "eusc-de"
        )
    };
}

macro_rules! array {
    ($($text:literal),*) => { &[$($text),*] };
}

macro_rules! cel_list {
    ($first:literal $(, $text:literal)*) => { concat!("['", $first, $("', '", $text,)* "']") };
}

macro_rules! alternatives {
    ($first:literal $(, $text:literal)*) => { concat!("(", $first, $("|", $text,)* ")") };
}
