//! The files of a volume: those of the Secret that a `PresignedUrl` has.

use super::VolumeUrl;
use crate::domain::secret::contents;
use crate::domain::{Sensitive, SignedUrl};

/// A file of a volume.
#[derive(Clone, Debug)]
pub struct VolumeFile {
    /// The folder, which has the name of the URL; `None` for the only URL of a volume.
    pub folder: Option<String>,
    /// Name of the file.
    pub name: String,
    /// The content, which can be a URL.
    pub content: Sensitive<String>,
}

/// The files for the URLs of a volume. All names are ours, apart from the checked names of the URLs.
#[must_use]
pub fn files(signed: &[(&VolumeUrl, SignedUrl)]) -> Vec<VolumeFile> {
    let of_url = |(url, signed): &(&VolumeUrl, SignedUrl)| {
        let folder = Some(url.name.clone()).filter(|name| !name.is_empty());
        let file = |(name, text)| VolumeFile { folder: folder.clone(), name, content: Sensitive::new(text) };
        contents(&url.request, signed).into_iter().map(file).collect::<Vec<_>>()
    };
    signed.iter().flat_map(of_url).collect()
}
