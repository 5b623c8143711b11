//! The type of values that must never be printed.

use std::fmt;

use zeroize::Zeroize;

/// Holds a secret value. `Debug` redacts it, and there is no `Display` or `Serialize`, so that it cannot
/// reach a log line, a status or an error by accident. Its memory is overwritten when it is dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. A review has to check every call of this.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that records when it is overwritten.
    struct OverwriteProbe<'a>(&'a mut bool);

    impl Zeroize for OverwriteProbe<'_> {
        fn zeroize(&mut self) {
            *self.0 = true;
        }
    }

    #[test]
    fn is_overwritten_when_dropped_and_never_shown() {
        assert_eq!(format!("{:?}", Sensitive::new("hidden".to_owned())), "[redacted]");
        let mut is_overwritten = false;
        drop(Sensitive::new(OverwriteProbe(&mut is_overwritten)));
        assert!(is_overwritten);
    }
}
