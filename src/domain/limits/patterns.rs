//! Patterns for the names of labels and annotations, and for hosts.

use crate::domain::request::Endpoint;

/// A pattern that no name or host can match.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{pattern:?} {problem}")]
pub struct InvalidPattern {
    pattern: String,
    problem: &'static str,
}

impl InvalidPattern {
    pub(super) fn new(pattern: &str, problem: &'static str) -> Self {
        Self { pattern: pattern.to_owned(), problem }
    }
}

/// A pattern for names of labels and annotations. `*` matches any characters, including a slash. Case is
/// ignored, because some controllers ignore it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamePattern(String);

/// A pattern for hosts that URLs may point to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostPattern {
    /// `*`: every host.
    All,
    /// This host and no other.
    One(String),
    /// `*.example.com`: every host whose name ends with `.example.com`. Holds the name with the dot.
    Below(String),
}

impl NamePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When no label or annotation can have a matching name.
    pub fn parse(pattern: &str) -> Result<Self, InvalidPattern> {
        let invalid = |problem| Err(InvalidPattern { pattern: pattern.to_owned(), problem });
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
        if pattern.is_empty() {
            return invalid("is empty: leave it out, or give the name of a label or annotation");
        }
        if !pattern.chars().all(is_allowed) || pattern.matches('/').count() > 1 {
            return invalid(
                "is not the name of a label or annotation: write NAME or PREFIX/NAME, with * for any characters",
            );
        }
        Ok(Self(pattern.to_ascii_lowercase()))
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut parts = self.0.split('*');
        // The part before the first star begins the name, and the part after the last star ends it.
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }
}

impl HostPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When no endpoint can have a matching host.
    pub fn parse(pattern: &str) -> Result<Self, InvalidPattern> {
        if pattern == "*" {
            return Ok(Self::All);
        }
        let invalid = |problem| InvalidPattern { pattern: pattern.to_owned(), problem };
        let (is_below, name) = match pattern.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, pattern),
        };
        if name.is_empty() {
            return Err(invalid("is empty: leave it out, or give a host"));
        }
        let form = "is not a host: write a name or an IP address without scheme, port and path, or *.DOMAIN";
        let has_port = if name.starts_with('[') { !name.ends_with(']') } else { name.contains(':') };
        let endpoint = Endpoint::parse(&format!("http://{name}")).map_err(|_| invalid(form))?;
        let is_bare = !has_port && endpoint.port.is_none() && !name.contains('/');
        if !is_bare || (is_below && endpoint.is_address()) || name.contains('*') {
            return Err(invalid(form));
        }
        let host = endpoint.host;
        Ok(if is_below { Self::Below(format!(".{host}")) } else { Self::One(host) })
    }

    /// Whether a host matches. It must be in lower case.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(name) => host == name,
            Self::Below(domain) => host.ends_with(domain.as_str()),
        }
    }
}
