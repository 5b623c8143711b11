//! Which keys a rule allows: whole keys, or what a key begins with, with variables as whole segments.

use super::Requester;

/// Which keys a rule allows. Each may contain the variables `{namespace}` and `{name}`, each as a whole
/// segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyPatterns {
    /// Keys that begin with one of these, which end with a slash.
    Prefixes(Vec<String>),
    /// Exactly these keys.
    Keys(Vec<String>),
}

impl Default for KeyPatterns {
    fn default() -> Self {
        Self::Keys(Vec::new())
    }
}

impl KeyPatterns {
    /// Whether a key is allowed. The caller has refused keys that are [unsafe](is_unsafe).
    pub(super) fn allow(&self, key: &str, requester: Requester<'_>) -> bool {
        let rendered = self.rendered(requester);
        match self {
            Self::Prefixes(_) => rendered.iter().any(|prefix| key.starts_with(prefix.as_str())),
            Self::Keys(_) => rendered.iter().any(|allowed| key == allowed),
        }
    }

    /// The patterns with the variables replaced. Those with a variable that has no value are left out.
    pub(super) fn rendered(&self, requester: Requester<'_>) -> Vec<String> {
        let (Self::Prefixes(patterns) | Self::Keys(patterns)) = self;
        patterns.iter().filter_map(|pattern| render(pattern, requester)).collect()
    }

    /// What a sentence says between "keys" and the patterns.
    pub(super) fn how(&self) -> &'static str {
        match self {
            Self::Prefixes(_) => "must begin with",
            Self::Keys(_) => "must be",
        }
    }
}

fn render(pattern: &str, requester: Requester<'_>) -> Option<String> {
    let segments = pattern.split('/').map(|segment| match segment {
        "{namespace}" => Some(requester.namespace).filter(|value| !value.is_empty()),
        "{name}" => Some(requester.name).filter(|value| !value.is_empty()),
        segment => Some(segment),
    });
    Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
}

/// Whether a store may take a key for another one: it has an empty segment, a backslash, or an encoded
/// dot, slash or backslash. Tried: versitygw stores `a//b` and `/a/b` as `a/b`. A segment `.` or `..` is
/// refused in every request.
pub(super) fn is_unsafe(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    key.split('/').any(|segment| matches!(segment, "" | "." | ".."))
        || ["\\", "%2e", "%2f", "%5c"].iter().any(|part| lower.contains(part))
}
