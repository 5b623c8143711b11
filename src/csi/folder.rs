//! The folders of the volumes: which ones may be touched, and how they are mounted and unmounted.

use std::ffi::CString;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::statfs;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::param::page_size;

use super::switch::{CURRENT, remove_files, switch};
use crate::domain::volume::VolumeFile;

/// The size of a volume in pages, of which each file takes one at least. Two sets of files exist for a moment.
const PAGES: usize = 1024;
const MAX_FILES: &str = "nr_inodes=2048";
/// `f_type` of a tmpfs.
const TMPFS: u64 = 0x0102_1994;
/// The longest path and the longest name in it, in bytes, and what no path can have.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;
const NUL: char = '\0';
/// How many mounts may lie over each other.
const MAX_MOUNTS: usize = 64;
/// What the last parts of the path of a volume are; `None` for any name.
const SHAPE: [Option<&str>; 6] =
    [Some("pods"), None, Some("volumes"), Some("kubernetes.io~csi"), None, Some("mount")];

/// What could not be done with a folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {deed}: {source}")]
pub(super) struct FolderError {
    pub(super) deed: &'static str,
    pub(super) source: io::Error,
}

impl FolderError {
    /// Names what was tried.
    pub(super) fn of<E: Into<io::Error>>(deed: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self { deed, source: source.into() }
    }
}

#[derive(Debug)]
pub(super) struct VolumeFolders {
    kubelet_dir: PathBuf,
    is_privileged: bool,
}

impl VolumeFolders {
    pub(super) fn new(kubelet_dir: PathBuf, is_privileged: bool) -> Self {
        Self { kubelet_dir, is_privileged }
    }

    /// Whether a path is that of a CSI volume of a pod, as the kubelet makes it.
    pub(super) fn is_target(&self, target: &str) -> bool {
        let path = Path::new(target);
        // What the system takes for no path could be neither mounted nor unmounted.
        let is_possible = target.len() <= MAX_PATH && !target.contains(NUL);
        let is_plain = |part: &str| !["", ".", ".."].contains(&part) && part.len() <= MAX_NAME;
        let has_plain_parts = is_possible && target.split('/').skip(1).all(is_plain);
        let Ok(below) = path.strip_prefix(&self.kubelet_dir) else { return false };
        let parts: Vec<_> = below.components().collect();
        let fits = |(part, wanted): (&Component<'_>, Option<&str>)| match part {
            Component::Normal(name) => wanted.is_none_or(|wanted| *name == wanted),
            _ => false,
        };
        path.is_absolute()
            && has_plain_parts
            && parts.len() == SHAPE.len()
            && parts.iter().zip(SHAPE).all(fits)
    }

    /// Whether the kubelet still has a folder for the volume. It removes it with the pod.
    pub(super) fn has_pod(target: &Path) -> bool {
        // What cannot be told is taken for a yes.
        target.parent().is_none_or(|parent| parent.try_exists().unwrap_or(true))
    }

    /// Whether the folder is as [`write`](Self::write) leaves it, whether or not this driver would mount it:
    /// what pods read stays where it is when the driver gets or loses its privileges.
    pub(super) fn is_in_place(target: &Path) -> bool {
        target.join(CURRENT).is_symlink()
    }

    /// Mounts the folder if needed, and replaces all of its files at once.
    ///
    /// # Guarantees
    /// A reader sees the old files or the new ones. After an error the old ones are still there.
    pub(super) fn write(
        &self,
        target: &Path,
        fs_group: Option<u32>,
        files: &[VolumeFile],
    ) -> Result<(), FolderError> {
        make_folder(target).map_err(FolderError::of("make the folder of the volume"))?;
        if self.is_privileged && !Self::is_in_place(target) && !is_tmpfs(target) {
            mount_tmpfs(target, fs_group)
                .map_err(FolderError::of("mount the volume (without privileges, use --unprivileged)"))?;
        }
        switch(target, fs_group, files)
    }

    /// Unmounts whatever is on the folder, and removes it. Nothing to do is success.
    pub(super) fn remove(target: &Path) -> Result<(), FolderError> {
        unmount_all(target).map_err(FolderError::of("unmount the volume"))?;
        remove_files(target)?;
        match std::fs::remove_dir(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FolderError { deed: "remove the folder of the volume", source: error })
            }
            _ => Ok(()),
        }
    }
}

fn make_folder(target: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    match std::fs::DirBuilder::new().mode(0o755).create(target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let known = std::fs::symlink_metadata(target)?;
            if !known.is_dir() {
                return Err(io::Error::new(io::ErrorKind::NotADirectory, "another file is in its place"));
            }
            Ok(())
        }
        // The kubelet runs with another umask than this process may have.
        Ok(()) => std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o755)),
        Err(error) => Err(error),
    }
}

fn mount_tmpfs(target: &Path, fs_group: Option<u32>) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let size = format!("size={},{MAX_FILES}", PAGES * page_size());
    let options = match fs_group {
        Some(group) => format!("{size},mode=0750,gid={group}"),
        None => format!("{size},mode=0755"),
    };
    let mount_with = |options: String| -> io::Result<()> {
        let options = CString::new(options)?;
        Ok(mount("tmpfs", target, "tmpfs", flags, options.as_c_str())?)
    };
    // Kernels before 6.4 cannot keep a tmpfs out of swap.
    mount_with(format!("{options},noswap")).or_else(|_| mount_with(options))
}

/// Whether a tmpfs of its own is mounted there. The folder of the kubelet itself can be on a tmpfs.
fn is_tmpfs(target: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| std::fs::symlink_metadata(path).ok().map(|known| known.dev());
    let is_mounted = target.parent().is_some_and(|parent| device(parent) != device(target));
    is_mounted && statfs(target).is_ok_and(|found| u64::try_from(found.f_type) == Ok(TMPFS))
}

fn unmount_all(target: &Path) -> Result<(), Errno> {
    for _ in 0..MAX_MOUNTS {
        match unmount(target, UnmountFlags::NOFOLLOW) {
            // Something uses it, such as a shell on the node. It goes when that ends.
            Err(Errno::BUSY) => unmount(target, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH)?,
            // Nothing is mounted, or nothing is there.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            // Without privileges, nothing was mounted.
            Err(Errno::PERM) if !is_tmpfs(target) => return Ok(()),
            other => other?,
        }
    }
    Err(Errno::BUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_of_a_csi_volume_is_touched() {
        let folders = VolumeFolders::new("/var/lib/kubelet".into(), true);
        let good = "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/report/mount";
        assert!(folders.is_target(good));
        for bad in [
            "",
            "/",
            "relative",
            "/var/lib/kubelet",
            "/var/lib/kubelet/pods",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/report",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/report/mount/",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/../mount",
            "/var/lib/kubelet/pods//volumes/kubernetes.io~csi/report/mount",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~secret/report/mount",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/report/mount/x",
            "/etc/pods/1-2/volumes/kubernetes.io~csi/report/mount",
            "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/a\0b/mount",
            &format!("/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/{}/mount", "x".repeat(256)),
        ] {
            assert!(!folders.is_target(bad), "{bad}");
        }
    }
}
