//! The checks of single values, whichever key they are under. Problems never contain the value.

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::layouts;

/// The longest key id. Some stores use scopes and LDAP tokens, which are longer than the ids of AWS.
pub(super) const MAX_ID: usize = 512;
/// 2020-01-01T00:00:00Z. An earlier time is no expiration but some other number, which must not be shown
/// as a time.
const FIRST_EXPIRATION: i64 = 1_577_836_800;
const BASE64: &str = "looks like a key that was base64-encoded twice: encode it once, or write the plain value under stringData";

/// A value as text, without leading and trailing white space.
pub(super) fn text<'a>(key: &str, bytes: &'a [u8]) -> Result<&'a str, &'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is not UTF-8 but seems to be UTF-16: save the text as UTF-8");
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| "is not UTF-8: store the text itself, not binary data")?;
    if text.starts_with('\u{feff}') {
        return Err("begins with an invisible byte order mark: save the text as UTF-8 without BOM");
    }
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: store the value");
    }
    if text.contains(char::is_control) {
        return Err("contains control characters, such as a line break: store the value on one line");
    }
    if text.contains(is_invisible) {
        return Err("contains invisible characters, perhaps from copying: type the value again");
    }
    if is_quoted(text) {
        return Err("is in quotes: store it without them");
    }
    if ["null", "<nil>", "<no value>"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing)) {
        return Err("is what a template writes for a missing value: store the value");
    }
    if is_placeholder(text) {
        return Err("is a placeholder from an example or a template: store your own value");
    }
    if is_assignment(key, text) {
        return Err("begins with the name of a key: store the value alone");
    }
    Ok(text)
}

/// Checks an access key id.
pub(super) fn id(text: &str, takes_slashes: bool) -> Result<(), &'static str> {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte) || (takes_slashes && byte == b'/');
    if let Some(decoded) = decoded(text) {
        // A short text may decode by chance. One with padding does not, because no id has padding.
        let is_long = decoded.len() >= 12 || text.ends_with('=');
        if is_long && decoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            return Err(BASE64);
        }
    }
    if text.len() > MAX_ID || !text.bytes().all(is_allowed) {
        return Err(
            "is not an access key id: it must have at most 512 letters, digits, '_', '.' and '-' ('/' only if spec.s3.endpoint is set and spec.s3.credentials.secretRef.keys names the keys)",
        );
    }
    Ok(())
}

/// Checks a secret access key. Stores that use passwords accept nearly any text, so only a value that
/// decodes to a key of AWS was certainly encoded twice.
pub(super) fn secret(text: &str) -> Result<(), &'static str> {
    let Some(decoded) = decoded(text) else { return Ok(()) };
    let has = |class: fn(&u8) -> bool| decoded.as_bytes().iter().any(class);
    let is_secret = decoded.len() == 40
        && decoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase);
    let is_id = decoded.len() == 20 && (decoded.starts_with("AKIA") || decoded.starts_with("ASIA"));
    if is_secret || is_id { Err(BASE64) } else { Ok(()) }
}

/// Whether AWS uses ids like this one for temporary credentials.
pub(super) fn is_temporary(id: &str) -> bool {
    id.len() >= 20
        && id.starts_with("ASIA")
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Parses the expiration of credentials.
pub(super) fn expiration(text: &str) -> Result<Timestamp, &'static str> {
    text.parse::<i64>()
        .ok()
        .map_or_else(|| text.parse::<Timestamp>().ok(), |unix| Timestamp::from_second(unix).ok())
        .and_then(|time| Timestamp::from_second(time.as_second()).ok())
        .filter(|time| time.as_second() > FIRST_EXPIRATION)
        .ok_or("is not a time after 2020-01-01: write RFC 3339 (2030-01-02T03:04:05Z) or Unix seconds")
}

/// Invisible characters, which no store accepts: formats, joiners, and blanks other than a space.
fn is_invisible(c: char) -> bool {
    let is_format = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    is_format || (c.is_whitespace() && c != ' ')
}

fn is_quoted(text: &str) -> bool {
    let mut characters = text.chars();
    let ends = (characters.next(), characters.next_back());
    let pairs = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’'), ('„', '“')];
    pairs.iter().any(|(first, last)| ends == (Some(*first), Some(*last)))
}

/// Whether a value is a placeholder of an example or a template, such as `YOUR-ACCESS-KEY-ID`, `<secret>`
/// or `${SECRET}`. Only whole values count, because a password may contain such characters.
fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let between = |first: &str, last: &str| text.starts_with(first) && text.ends_with(last);
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(allowed)
    };
    let speaks_of_keys = ["key", "secret", "token", "password"].iter().any(|word| lower.contains(word));
    (lower.starts_with("your") && speaks_of_keys)
        || ["replace-", "replace_", "replaceme"].iter().any(|start| lower.starts_with(start))
        || [("${", "}"), ("$(", ")"), ("{{", "}}")].iter().any(|(first, last)| between(first, last))
        || (speaks_of_keys && (between("<", ">") || text.strip_prefix('$').is_some_and(is_name)))
        || text.bytes().all(|byte| byte == b'.')
}

/// Whether a value is a line of an env file or of a profile, such as `AWS_ACCESS_KEY_ID=...`. Only known
/// names count, because a password may contain such a character.
fn is_assignment(key: &str, text: &str) -> bool {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let Some((name, value)) = text.split_once(['=', ':']) else { return false };
    let name = name.trim();
    // The padding of base64 is not an assignment.
    let is_value = !value.trim_matches('=').is_empty();
    is_value && (layouts::is_known_key(name) || (name.len() > 3 && name.eq_ignore_ascii_case(key)))
}

/// Decodes base64; `None` when the result is not text.
fn decoded(text: &str) -> Option<String> {
    // This is the decoder that also reads Secrets.
    let ByteString(bytes) = serde_json::from_value(text.into()).ok()?;
    let decoded = String::from_utf8(bytes).ok()?;
    Some(decoded.trim().to_owned())
}
