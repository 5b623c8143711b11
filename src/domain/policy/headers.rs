//! Which headers a request may have.

/// Headers that concern nothing but the object that is asked for, in lower case. A `*` at the end stands
/// for any characters.
const SAFE: [&str; 13] = [
    "content-type",
    "content-length",
    "content-md5",
    "content-disposition",
    "content-encoding",
    "content-language",
    "cache-control",
    "expires",
    "if-none-match",
    "if-match",
    "range",
    "x-amz-checksum-*",
    "x-amz-meta-*",
];

/// Headers that reach beyond the object that is asked for, or change who may reach it, in lower case: a
/// signed `x-amz-copy-source` makes the store copy any object that the credentials can read. Any name
/// with `copy-source` or `rename-source` counts too, since some stores have prefixes of their own.
const HARMFUL: [&str; 7] = [
    "x-amz-acl",
    "x-amz-grant-*",
    "x-amz-tagging*",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-*",
    "x-amz-bypass-governance-retention",
    "x-amz-server-side-encryption*",
];

/// Whether a header is allowed where a rule lists none.
pub(super) fn is_safe(name: &str) -> bool {
    SAFE.iter().any(|pattern| begins(pattern, name))
}

/// Whether a header is denied unless a rule lists it by its full name.
pub(super) fn harmful_header(name: &str) -> bool {
    names_source(name) || HARMFUL.iter().any(|pattern| begins(pattern, name))
}

/// Whether a header names an object that the store reads.
pub(in crate::domain) fn names_source(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["copy-source", "rename-source"].iter().any(|part| lower.contains(part))
}

/// Whether a tag in the query is more than a tag to some store: with such parameters, stores of several
/// vendors process the object, save the result elsewhere, or copy.
pub(super) fn acts_in_a_query(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let words = ["process", "save", "saveas", "source", "copy", "callback", "acl", "notify", "redirect"];
    lower.starts_with("x-") && lower.split(['-', '.', '_', '~']).any(|part| words.contains(&part))
}

/// The name of a header in a rule. It may end with `*`, which stands for any characters, but for those
/// of a harmful header.
pub(super) struct HeaderPattern<'a>(pub &'a str);

impl HeaderPattern<'_> {
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
            || (!harmful_header(name) && begins(&self.0.to_ascii_lowercase(), name))
    }
}

/// Whether a name matches a pattern in lower case.
fn begins(pattern: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
