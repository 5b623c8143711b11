//! Variants of the query, the session, the secret access key and the scope.

use super::Variant;
use crate::domain::{Credentials, Sensitive};
use crate::plugin::console::printable;
use crate::plugin::explain::difference::RequestPart;
use crate::plugin::explain::sent::SentRequest;
use crate::plugin::reading::{SignatureScope, aws_region};
use crate::plugin::url_text::{decode, decode_form};

const TOKEN: &str = "X-Amz-Security-Token";
const CREDENTIAL: &str = "X-Amz-Credential";

/// Regions that signatures are often for.
const REGIONS: [&str; 14] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "auto",
    "garage",
];

/// Parameters that were added, removed or encoded in another way.
pub(super) fn query(sent: &SentRequest) -> Vec<Variant> {
    let mut all = Vec::new();
    for (name, value) in &sent.url.parameters {
        let decoded = decode_form(name);
        if value.expose().contains('+') {
            let (own, plus) = (decoded.clone(), Sensitive::new(decode(value.expose())));
            all.push(Variant::new(
                if decoded == TOKEN { RequestPart::Session } else { RequestPart::Query },
                format!("{} has a + that is not encoded, which stores read as a space", printable(&decoded)),
                "write %2B: send the URL exactly as it was issued",
                move |parts| parts.set_parameter(&own, Some(plus.expose())),
            ));
        }
        let twice = decode_form(&decode_form(value.expose()));
        if twice != decode_form(value.expose()) && decoded != "X-Amz-Signature" {
            let (own, twice) = (decoded.clone(), Sensitive::new(twice));
            all.push(Variant::new(
                if decoded == TOKEN { RequestPart::Session } else { RequestPart::Query },
                format!("the value of {} is encoded twice", printable(&decoded)),
                "send the URL exactly as it was issued, without encoding it again",
                move |parts| parts.set_parameter(&own, Some(twice.expose())),
            ));
        }
        if !decoded.to_ascii_lowercase().starts_with("x-amz-") {
            let own = decoded.clone();
            all.push(Variant::new(
                RequestPart::Query,
                format!("the parameter {} was added after signing", printable(&decoded)),
                "remove it",
                move |parts| parts.set_parameter(&own, None),
            ));
        }
    }
    for id in ["GetObject", "PutObject", "HeadObject", "DeleteObject"] {
        all.push(Variant::new(
            RequestPart::Query,
            format!("the parameter x-id={id} was signed, and is not sent"),
            "send the URL exactly as it was issued, with all of its parameters",
            move |parts| parts.set_parameter("x-id", Some(id)),
        ));
    }
    all
}

/// Another session token, or one more or fewer.
pub(super) fn session(sent: &SentRequest, credentials: &Credentials) -> Vec<Variant> {
    let has_token = sent.url.parameter(TOKEN).is_some();
    let mut all = Vec::new();
    if has_token {
        all.push(Variant::new(
            RequestPart::Session,
            "the session token was added to the URL after signing",
            "give the signer the session token together with the access key",
            |parts| parts.set_parameter(TOKEN, None),
        ));
    }
    if let Some(token) = &credentials.session_token {
        let (token, found) = (
            token.clone(),
            if has_token {
                "the URL carries another session token than the one that it was signed with"
            } else {
                "the session token was signed, and is missing in the URL"
            },
        );
        all.push(Variant::new(
            RequestPart::Session,
            found,
            "send the URL exactly as it was issued",
            move |parts| {
                parts.set_parameter(TOKEN, Some(token.expose()));
            },
        ));
    }
    if let Some(token) = sent.header("x-amz-security-token") {
        let token = Sensitive::new(token.to_owned());
        all.push(Variant::new(
            RequestPart::Session,
            "the session token was signed as a parameter, and is sent as a header",
            "send the token in the query, as it was issued",
            move |parts| parts.set_parameter(TOKEN, Some(token.expose())),
        ));
    }
    all
}

/// Secret access keys that were read with something around them.
pub(super) fn secret(credentials: &Credentials) -> Vec<Variant> {
    let variant = |(signed, found): (Sensitive<String>, String)| {
        Variant::new(RequestPart::AccessKey, found, SECRET_FIX, move |parts| parts.secret = signed.clone())
    };
    misread_secrets(credentials).into_iter().map(variant).collect()
}

/// What to do if a secret access key was misread.
pub(in crate::plugin::explain) const SECRET_FIX: &str =
    "store the secret access key alone: printf %s, not echo";

/// What signers make of a secret access key by mistake, each with what is wrong.
pub(in crate::plugin::explain) fn misread_secrets(
    credentials: &Credentials,
) -> Vec<(Sensitive<String>, String)> {
    let secret = credentials.secret_access_key.expose();
    let endings =
        [("\n", "a line break"), ("\r\n", "a line break"), (" ", "a space"), ("\r", "a line break")];
    let ended = endings.map(|(ending, what)| {
        (format!("{secret}{ending}"), format!("the secret access key was used with {what} after it"))
    });
    let others = [
        (format!("\"{secret}\""), "the secret access key was used with quotes around it"),
        (decode(secret), "the secret access key was decoded as if it were part of a URL"),
        (secret.replace('+', " "), "a + in the secret access key was read as a space"),
    ];
    let others = others.map(|(secret, found)| (secret, found.to_owned()));
    ended.into_iter().chain(others).map(|(secret, found)| (Sensitive::new(secret), found)).collect()
}

/// Scopes for another region, service or date.
pub(super) fn scopes(sent: &SentRequest) -> Vec<Variant> {
    let Ok(scope) = sent.scope() else { return Vec::new() };
    let date = sent.url.parameter("X-Amz-Date").unwrap_or_default();
    let names = ["URL", "X-Amz-Credential", "X-Amz-Date"];
    let variant = |(scope, found): (SignatureScope, String)| {
        let (credential, text) = (format!("{}/{}", scope.key_id, scope.text()), scope.text());
        Variant::new(RequestPart::Scope, found, "send the URL exactly as it was issued", move |parts| {
            parts.set_parameter(CREDENTIAL, Some(&credential));
            text.clone_into(&mut parts.scope);
        })
    };
    other_scopes(&scope, &date, &sent.url.authority, names).into_iter().map(variant).collect()
}

/// Scopes for another region, service or date, each with what is wrong. `names` are those of what was signed,
/// of the credential in it and of its date.
pub(in crate::plugin::explain) fn other_scopes(
    scope: &SignatureScope,
    date: &str,
    host: &str,
    [noun, credential, date_field]: [&str; 3],
) -> Vec<(SignatureScope, String)> {
    let date = date.split('T').next().unwrap_or_default();
    let mut scopes = Vec::new();
    let mut add = |change: &dyn Fn(&mut SignatureScope), found: String| {
        let mut other = scope.clone();
        change(&mut other);
        scopes.push((other, found));
    };
    let regions = aws_region(host).into_iter().chain(REGIONS.map(str::to_owned));
    for region in regions.filter(|region| *region != scope.region) {
        let written = printable(&scope.region);
        let found =
            format!("the region {written} was written into the {noun} after it was signed for {region}");
        add(&|other| region.clone_into(&mut other.region), found);
    }
    if scope.service != "s3" {
        let found = format!("the service {} was written into the {noun}", printable(&scope.service));
        add(&|other| "s3".clone_into(&mut other.service), found);
    }
    if scope.end != "aws4_request" {
        let found = format!("the end of {credential} was changed");
        add(&|other| "aws4_request".clone_into(&mut other.end), found);
    }
    if scope.date != date {
        let found = format!("the dates in {credential} and {date_field} differ");
        add(&|other| date.clone_into(&mut other.date), found);
    }
    scopes
}
