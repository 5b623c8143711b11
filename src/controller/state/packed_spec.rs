//! What is kept of a spec: its JSON, or a digest of one that is too large to be kept.

use crate::controller::state::lean::NoSpec;
use crate::crd::PresignedUrlSpec;
use crate::domain::stored::Digest;

/// The largest spec that is kept, as JSON in bytes. Most have some hundreds; with all that a spec
/// can hold, a few hundred objects would fill the memory of the process.
const LARGEST_KEPT: usize = 4096;

/// A spec as it is kept.
#[derive(Debug, Eq, PartialEq)]
pub enum PackedSpec {
    /// As JSON.
    Kept(Box<str>),
    /// Too large to be kept.
    Large(Digest),
    /// It cannot be read, for this reason.
    Unreadable(Box<str>),
}

impl PackedSpec {
    /// Packs a spec.
    #[must_use]
    pub fn pack(spec: &Result<PresignedUrlSpec, NoSpec>) -> Self {
        let text = match spec {
            Ok(spec) => serde_json::to_string(spec).map_err(|error| error.to_string()),
            Err(NoSpec::Unreadable(why)) => Err(why.clone()),
            Err(NoSpec::NotKept) => Err("spec was not kept".to_owned()),
        };
        match text {
            Ok(text) if text.len() > LARGEST_KEPT => Self::Large(Digest::of(&text)),
            Ok(text) => Self::Kept(text.into()),
            Err(why) => Self::Unreadable(why.into()),
        }
    }

    /// The spec, or why it is not here.
    ///
    /// # Errors
    /// Why it is not here.
    pub fn unpack(&self) -> Result<PresignedUrlSpec, NoSpec> {
        match self {
            Self::Kept(text) => {
                serde_json::from_str(text).map_err(|error| NoSpec::Unreadable(error.to_string()))
            }
            Self::Large(_) => Err(NoSpec::NotKept),
            Self::Unreadable(why) => Err(NoSpec::Unreadable(why.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(header: &str) -> PresignedUrlSpec {
        let spec = json!({
            "bucket": "b12", "key": "k", "headers": {"x-a": header},
            "s3": {"region": "r", "credentialsSecretRef": {"name": "c"}},
        });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn one_that_is_too_large_is_not_kept_and_still_told_from_others() {
        let large = |letter: &str| Ok(spec(&letter.repeat(LARGEST_KEPT)));
        let packed = PackedSpec::pack(&large("a"));
        assert_eq!(packed.unpack(), Err(NoSpec::NotKept));
        assert!(packed == PackedSpec::pack(&large("a")) && packed != PackedSpec::pack(&large("b")));
    }

    #[test]
    fn any_other_comes_back_as_it_was() {
        for spec in
            [Ok(spec("a")), Ok(spec(&"a".repeat(LARGEST_KEPT / 2))), Err(NoSpec::Unreadable("x".to_owned()))]
        {
            assert_eq!(PackedSpec::pack(&spec).unpack(), spec);
        }
    }
}
