//! A spec as the cache keeps it: as JSON, or as a digest when it is too large.

use crate::controller::state::lean::NoSpec;
use crate::crd::PresignedUrlSpec;
use crate::domain::stored::Digest;

/// The largest spec that is kept, as JSON in bytes. Most specs have some hundred bytes. If specs of any
/// size were kept, a few hundred objects could fill the memory of the process.
const MAX_KEPT: usize = 4096;

/// A spec as the cache keeps it.
#[derive(Debug, Eq, PartialEq)]
pub enum PackedSpec {
    /// The spec as JSON.
    Kept(Box<str>),
    /// A digest of a spec that is too large to be kept.
    Large(Digest),
    /// The spec cannot be parsed, for this reason.
    Unreadable(Box<str>),
}

impl PackedSpec {
    #[must_use]
    pub fn pack(spec: &Result<PresignedUrlSpec, NoSpec>) -> Self {
        let text = match spec {
            Ok(spec) => serde_json::to_string(spec).map_err(|error| error.to_string()),
            Err(NoSpec::Unreadable(why)) => Err(why.clone()),
            Err(NoSpec::NotKept) => Err("spec was not kept".to_owned()),
        };
        match text {
            Ok(text) if text.len() > MAX_KEPT => Self::Large(Digest::of(&text)),
            Ok(text) => Self::Kept(text.into()),
            Err(why) => Self::Unreadable(why.into()),
        }
    }

    /// Unpacks the spec.
    ///
    /// # Errors
    /// When the spec was too large to be kept, or cannot be parsed.
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
            "s3": {"region": "r", "credentials": {"secretRef": {"name": "c"}}},
        });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_spec_that_is_too_large_is_not_kept_and_still_differs_from_others() {
        let large = |letter: &str| Ok(spec(&letter.repeat(MAX_KEPT)));
        let packed = PackedSpec::pack(&large("a"));
        assert_eq!(packed.unpack(), Err(NoSpec::NotKept));
        assert!(packed == PackedSpec::pack(&large("a")) && packed != PackedSpec::pack(&large("b")));
    }

    #[test]
    fn any_other_comes_back_as_it_was() {
        for spec in
            [Ok(spec("a")), Ok(spec(&"a".repeat(MAX_KEPT / 2))), Err(NoSpec::Unreadable("x".to_owned()))]
        {
            assert_eq!(PackedSpec::pack(&spec).unpack(), spec);
        }
    }
}
