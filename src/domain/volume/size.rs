//! How much memory a volume needs, so that one namespace cannot take that of all others on a node.

use super::{VolumeFailure, VolumeFile, VolumeInputs, VolumePlan, VolumeReason};

/// The most that all volumes of a namespace on a node may need, in bytes.
const MAX_OF_NAMESPACE: usize = 32 << 20;
/// The most that the files of a volume may have together, in bytes.
const MAX_IN_FILES: usize = 256 << 10;
/// What the files of a URL take at least, in bytes: four pages.
const FILES: usize = 16 << 10;
/// How much longer an attribute can be in a URL.
const ENCODED: usize = 3;

/// How much memory a volume needs, in bytes, estimated before it is signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct VolumeSize(usize);

impl VolumeSize {
    /// The size of a volume. Its inputs are in memory twice: in the driver, and for a restart.
    #[must_use]
    pub fn of(inputs: &VolumeInputs, plan: &VolumePlan) -> Self {
        let attributes: usize = inputs.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        let secret: usize = inputs.secret.iter().map(|(key, value)| key.len() + value.expose().len()).sum();
        let tokens = inputs.tokens.as_ref().map_or(0, |tokens| tokens.expose().len());
        Self(2 * (attributes + secret + tokens) + plan.names().len() * (FILES + ENCODED * attributes))
    }

    /// Whether there is room for the volume beside the others of its namespace.
    ///
    /// # Errors
    /// What to do if there is none.
    pub fn check_beside(self, others: impl Iterator<Item = Self>) -> Result<(), VolumeFailure> {
        let all = others.fold(self.0, |sum, other| sum.saturating_add(other.0));
        if all <= MAX_OF_NAMESPACE {
            return Ok(());
        }
        Err(VolumeFailure::temporary(
            VolumeReason::NotPermitted,
            "the CSI volumes of this namespace on this node need more than 32 MiB together: delete pods, or use smaller volumes",
        ))
    }
}

/// Checks what the files of a volume need together.
///
/// # Errors
/// When that is too much.
pub fn check_files(files: &[VolumeFile]) -> Result<(), VolumeFailure> {
    let all: usize = files.iter().map(|file| file.content.expose().len()).sum();
    if all <= MAX_IN_FILES {
        return Ok(());
    }
    Err(VolumeFailure::lasting(
        VolumeReason::SigningFailed,
        "volumeAttributes: the files of the volume have more than 256 KiB together: use several volumes",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sensitive;

    #[test]
    fn a_namespace_has_room_for_a_thousand_plain_volumes_and_not_for_large_ones_without_end() {
        let plain = VolumeSize(25_000);
        let beside = |size: VolumeSize, count| plain.check_beside(std::iter::repeat_n(size, count));
        assert!(beside(plain, 1000).is_ok());
        let failure = beside(VolumeSize(1 << 20), 32).unwrap_err();
        assert!(failure.is_temporary && failure.message.contains("32 MiB"), "{failure}");
    }

    #[test]
    fn files_have_a_limit() {
        let file = |size| VolumeFile {
            folder: None,
            name: "url".to_owned(),
            content: Sensitive::new("x".repeat(size)),
        };
        assert!(check_files(&[file(128 << 10), file(128 << 10)]).is_ok());
        assert!(check_files(&[file(128 << 10), file((128 << 10) + 1)]).is_err());
    }
}
