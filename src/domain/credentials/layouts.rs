//! The layouts: sets of data keys that are recognised when the spec names no keys.

use super::{DataValue, FoundValues, InvalidCredentials, Reader, documents, ini};

/// The spellings of the keys of one layout. An id and a secret key at the same position belong together.
struct Layout {
    id: &'static [&'static str],
    secret: &'static [&'static str],
    token: &'static [&'static str],
    expiration: &'static [&'static str],
}

const fn layout(
    id: &'static [&'static str],
    secret: &'static [&'static str],
    token: &'static [&'static str],
    expiration: &'static [&'static str],
) -> Layout {
    Layout { id, secret, token, expiration }
}

/// All layouts, in the order of `docs/credentials.md`.
static LAYOUTS: [Layout; 9] = [
    layout(&["access-key-id"], &["secret-access-key"], &["session-token"], &["expiration"]),
    layout(
        &["AWS_ACCESS_KEY_ID", "aws_access_key_id"],
        &["AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"],
        &["AWS_SESSION_TOKEN", "aws_session_token"],
        &["AWS_CREDENTIAL_EXPIRATION", "aws_credential_expiration"],
    ),
    layout(&["access_key_id"], &["secret_access_key"], &["session_token"], &["expiration"]),
    layout(
        &["ACCESS_KEY_ID", "ACCESS_KEY_ID"],
        &["ACCESS_SECRET_KEY", "SECRET_ACCESS_KEY"],
        &["SESSION_TOKEN"],
        &["EXPIRATION"],
    ),
    layout(
        &["accessKeyId", "accessKeyID", "AccessKeyId"],
        &["secretAccessKey", "secretAccessKey", "SecretAccessKey"],
        &["sessionToken", "SessionToken"],
        &["expiration", "Expiration"],
    ),
    layout(
        &["accessKey", "AccessKey", "accesskey"],
        &["secretKey", "SecretKey", "secretkey"],
        &["sessionToken", "SessionToken"],
        &["expiration", "Expiration"],
    ),
    layout(
        &["access_key", "access-key"],
        &["secret_key", "secret-key"],
        &["session_token", "session-token"],
        &["expiration"],
    ),
    layout(&["rootUser", "root-user"], &["rootPassword", "root-password"], &[], &[]),
    layout(&["COSI_S3_ACCESS_KEY_ID"], &["COSI_S3_ACCESS_SECRET_KEY"], &[], &[]),
];

/// Keys of session tokens that belong to no layout.
const OTHER_TOKENS: [&str; 4] =
    ["AWS_SECURITY_TOKEN", "aws_security_token", "security-token", "security_token"];

/// A layout that at least one key of a Secret belongs to.
pub(super) struct Present<'a> {
    /// One of the keys of the layout in the Secret.
    pub key: &'a str,
    /// The values, if the layout is complete.
    pub found: Result<FoundValues<'a>, InvalidCredentials>,
}

/// Every layout of which the Secret has at least one key. If the spec names a profile, only files count.
pub(super) fn present<'a>(reader: &Reader<'a>) -> Vec<Present<'a>> {
    if let Some(name) = &reader.reference.profile {
        return ini::profiles(reader, Some(name)).collect();
    }
    let in_keys = LAYOUTS.iter().filter_map(|layout| in_keys(reader, layout));
    in_keys.chain(documents::bucket_info(reader)).chain(ini::profiles(reader, None)).collect()
}

fn in_keys<'a>(reader: &Reader<'a>, layout: &Layout) -> Option<Present<'a>> {
    let has = |key: &&&'static str| reader.data.contains_key(**key);
    let key = layout.id.iter().find(has).or_else(|| layout.secret.iter().find(has))?;
    Some(Present { key, found: values(reader, layout) })
}

fn values<'a>(reader: &Reader<'a>, layout: &Layout) -> Result<FoundValues<'a>, InvalidCredentials> {
    let half = |present: &str, ours: &[&str], theirs: &[&'static str]| {
        let place = ours.iter().position(|key| *key == present).unwrap_or(0);
        let (secret, present) = (reader.name(), present.to_owned());
        InvalidCredentials::HalfLayout { secret, present, missing: theirs[place.min(theirs.len() - 1)] }
    };
    match (one(reader, layout.id, false)?, one(reader, layout.secret, false)?) {
        (Some(id), Some(secret)) => Ok(FoundValues {
            id,
            secret,
            token: one(reader, layout.token, true)?,
            expiration: one(reader, layout.expiration, true)?,
        }),
        (Some(id), None) => Err(half(id.key, layout.id, layout.secret)),
        (None, Some(secret)) => Err(half(secret.key, layout.secret, layout.id)),
        (None, None) => Err(InvalidCredentials::NoLayout { secret: reader.name() }),
    }
}

/// The value under any of some spellings. Different values under two spellings are an error.
fn one<'a>(
    reader: &Reader<'a>,
    spellings: &[&'static str],
    may_be_blank: bool,
) -> Result<Option<DataValue<'a>>, InvalidCredentials> {
    let values = spellings.iter().filter_map(|key| reader.value(key));
    let mut values = values.filter(|value| !(may_be_blank && value.is_blank()));
    let Some(first) = values.next() else { return Ok(None) };
    match values.find(|other| other.bytes.trim_ascii() != first.bytes.trim_ascii()) {
        None => Ok(Some(first)),
        Some(other) => Err(InvalidCredentials::TwoLayouts {
            secret: reader.name(),
            first: first.key.to_owned(),
            second: other.key.to_owned(),
        }),
    }
}

/// A session token in the Secret that the keys `taken` do not use, unless it belongs to another id and
/// secret key.
pub(super) fn stray_token(reader: &Reader<'_>, taken: [&str; 2]) -> Option<&'static str> {
    let has_others = |layout: &Layout| {
        let mut keys = layout.id.iter().chain(layout.secret).filter(|key| reader.data.contains_key(**key));
        let is_other = keys.clone().all(|key| !taken.contains(key));
        keys.next().is_some() && is_other
    };
    let is_stray = |key: &&'static str| {
        reader.value(key).is_some_and(|value| !value.is_blank())
            && !LAYOUTS.iter().any(|layout| layout.token.contains(key) && has_others(layout))
    };
    LAYOUTS.iter().flat_map(|layout| layout.token).copied().chain(OTHER_TOKENS).find(is_stray)
}

/// Whether this is the name of a key of any layout.
pub(super) fn is_known_key(name: &str) -> bool {
    let known = LAYOUTS.iter().flat_map(|layout| [layout.id, layout.secret, layout.token]).flatten();
    known.copied().chain(OTHER_TOKENS).any(|key| key.eq_ignore_ascii_case(name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::LAYOUTS;

    /// Every pair of spellings, with a token and an expiration if the layout has them.
    pub(in super::super) fn spellings() -> Vec<Vec<&'static str>> {
        let pairs = |layout: &'static super::Layout| {
            let others = [layout.token, layout.expiration];
            let others: Vec<_> = others.into_iter().filter_map(|keys| keys.first().copied()).collect();
            let ids = layout.id.iter().zip(layout.secret);
            ids.map(move |(id, secret)| [vec![*id, *secret], others.clone()].concat())
        };
        LAYOUTS.iter().flat_map(pairs).collect()
    }
}
