//! A value that must never be printed.

use std::fmt;

/// Holds a secret value: `Debug` redacts it, and there is no `Display` or `Serialize`,
/// so that it cannot reach a log line, a status or an error by accident.
#[derive(Clone, Eq, PartialEq)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each call is a place to check in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
