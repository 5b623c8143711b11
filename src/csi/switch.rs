//! Replaces all files of a volume at once, as the kubelet does for Secrets: the files are in a new folder, and
//! the link `..data` is moved to it.
//!
//! Everything is done relative to open folders and follows no link, because a container could have put one
//! there.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, fchmod, fchown, mkdirat, openat, readlinkat, renameat,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::folder::FolderError;
use crate::crd::names::DATA_EXPIRES_AT;
use crate::domain::volume::VolumeFile;

/// The link to the current files.
pub(super) const CURRENT: &str = "..data";
/// The link before it is moved.
const NEXT: &str = "..data_tmp";
/// What the names of the folders with files begin with.
const SET: &str = "..set-";
/// How many sets can be there at a time, after crashes.
const MAX_SETS: u32 = 1000;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Replaces the files in a folder. Readers see the old ones or the new ones.
///
/// The old ones stay until the next time, because a reader may have followed the link and not opened the file.
pub(super) fn switch(target: &Path, group: Option<u32>, files: &[VolumeFile]) -> Result<(), FolderError> {
    let root = openat(CWD, target, FOLDER, Mode::empty()).map_err(FolderError::of("open the volume"))?;
    let current = readlinkat(&root, CURRENT, Vec::new()).ok().and_then(|link| link.into_string().ok());
    let current = current.filter(|name| name.starts_with(SET)).unwrap_or_default();
    clean(&root, Some(&current)).map_err(FolderError::of("remove the old files of the volume"))?;
    let (name, set) = new_set(&root).map_err(FolderError::of("make a folder in the volume"))?;
    let written = fill(&set, group, files);
    let written = written.map_err(FolderError::of(
        "write the files of the volume (its memory or that of the node may be full)",
    ));
    let shown = written.and_then(|()| {
        let shown = own(root.as_fd(), group, FOLDER_MODES).and_then(|()| show(&root, &name, files));
        shown.map_err(FolderError::of("show the new files of the volume"))
    });
    if shown.is_err() {
        let _ = remove_tree(root.as_fd(), &name);
    }
    shown
}

/// Removes our files from a folder, and leaves those of others.
pub(super) fn remove_files(target: &Path) -> Result<(), FolderError> {
    let deed = "remove the files of the volume";
    let root = match openat(CWD, target, FOLDER, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(FolderError::of(deed)(error)),
    };
    clean(&root, None).map_err(FolderError::of(deed))
}

/// When the URLs in these folders of a volume expire, as their files say; `None` if one does not say it.
pub(super) fn expirations(target: &Path, folders: &[&str]) -> Option<Vec<Timestamp>> {
    let file = |folder: &str| target.join(CURRENT).join(folder).join(DATA_EXPIRES_AT);
    let read = |folder: &&str| std::fs::read_to_string(file(folder)).ok()?.parse().ok();
    folders.iter().map(read).collect()
}

/// When the first URL of a volume expires, as its files say; `None` if none says it.
pub(super) fn first_expiration(target: &Path) -> Option<Timestamp> {
    let current = target.join(CURRENT);
    let entries = std::fs::read_dir(&current).ok()?.filter_map(Result::ok);
    let folders: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let read = |folder: &str| expirations(target, &[folder])?.pop();
    std::iter::once("").chain(folders.iter().map(String::as_str)).filter_map(read).min()
}

/// An empty folder for files.
fn new_set(root: &OwnedFd) -> Result<(String, OwnedFd), Errno> {
    for number in 0..MAX_SETS {
        let name = format!("{SET}{number}");
        match mkdirat(root, &name, Mode::from_raw_mode(0o700)) {
            Ok(()) => return Ok((name.clone(), openat(root, &name, FOLDER, Mode::empty())?)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

fn fill(set: &OwnedFd, group: Option<u32>, files: &[VolumeFile]) -> io::Result<()> {
    for VolumeFile { folder, name, content } in files {
        let inner = folder.as_ref().map(|folder| open_folder(set, folder)).transpose()?;
        let place = inner.as_ref().unwrap_or(set);
        let file = openat(place, name.as_str(), NEW_FILE, Mode::empty())?;
        own(file.as_fd(), group, FILE_MODES)?;
        File::from(file).write_all(content.expose().as_bytes())?;
        if let Some(inner) = &inner {
            own(inner.as_fd(), group, FOLDER_MODES)?;
        }
    }
    Ok(own(set.as_fd(), group, FOLDER_MODES)?)
}

fn open_folder(set: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    match mkdirat(set, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => openat(set, name, FOLDER, Mode::empty()),
        Err(error) => Err(error),
    }
}

/// Modes with a group and without one.
const FILE_MODES: [u32; 2] = [0o440, 0o444];
const FOLDER_MODES: [u32; 2] = [0o750, 0o755];

fn own(file: BorrowedFd<'_>, group: Option<u32>, [with_group, without]: [u32; 2]) -> Result<(), Errno> {
    if let Some(group) = group {
        fchown(file, None, Some(Gid::from_raw(group)))?;
    }
    fchmod(file, Mode::from_raw_mode(if group.is_some() { with_group } else { without }))
}

/// Links the names of files or folders, and moves the link to a set of files. That comes last, because nothing
/// can fail after it.
fn show(root: &OwnedFd, set: &str, files: &[VolumeFile]) -> Result<(), Errno> {
    for name in files.iter().map(|file| file.folder.as_deref().unwrap_or(&file.name)) {
        let wanted = format!("{CURRENT}/{name}");
        let is_there = |link: &CStr| link.to_bytes() == wanted.as_bytes();
        if readlinkat(root, name, Vec::new()).is_ok_and(|link| is_there(&link)) {
            continue;
        }
        remove_tree(root.as_fd(), name)?;
        symlinkat(&*wanted, root, name)?;
    }
    remove_tree(root.as_fd(), NEXT)?;
    symlinkat(set, root, NEXT)?;
    renameat(root, NEXT, root, CURRENT)
}

/// Removes all of our files, or those that do not belong to the set that is kept.
fn clean(root: &OwnedFd, kept: Option<&str>) -> Result<(), Errno> {
    for (name, is_link) in entries(root)? {
        let is_ours = name.starts_with("..") || (is_link && kept.is_none());
        let is_kept = kept.is_some_and(|kept| name == kept || name == CURRENT);
        if is_ours && !is_kept {
            remove_tree(root.as_fd(), &name)?;
        }
    }
    Ok(())
}

/// The names in a folder, and whether each is a link.
fn entries(folder: &OwnedFd) -> Result<Vec<(String, bool)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        // No name of ours has other bytes.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name != "." && name != ".." {
            let known = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            found.push((name.to_owned(), FileType::from_raw_mode(known.st_mode) == FileType::Symlink));
        }
    }
    Ok(found)
}

/// Removes a file or a folder with its content. Nothing there is success.
fn remove_tree(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        other => return other,
    }
    let folder = openat(parent, name, FOLDER, Mode::empty())?;
    for (inner, _) in entries(&folder)? {
        remove_tree(folder.as_fd(), &inner)?;
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::domain::Sensitive;

    fn file(folder: Option<&str>, name: &str, content: &str) -> VolumeFile {
        VolumeFile {
            folder: folder.map(str::to_owned),
            name: name.to_owned(),
            content: Sensitive::new(content.to_owned()),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_files_change_together_and_old_ones_go() {
        let home = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
        switch(home.path(), None, &[file(None, "url", "a"), file(None, "method", "GET")]).unwrap();
        assert_eq!((read("url"), read("method")), ("a".to_owned(), "GET".to_owned()));
        let mode = std::fs::metadata(home.path().join("url")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o444);
        // A crash left something behind.
        std::fs::create_dir(home.path().join("..set-1")).unwrap();
        std::fs::write(home.path().join("..set-1/url"), "half").unwrap();
        symlink("..set-1", home.path().join(NEXT)).unwrap();
        switch(home.path(), None, &[file(None, "url", "b"), file(None, "method", "GET")]).unwrap();
        assert_eq!(read("url"), "b");
        assert_eq!(names(home.path()), ["..data", "..set-0", "..set-1", "method", "url"]);
        remove_files(home.path()).unwrap();
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn a_reader_that_has_followed_the_link_still_finds_the_file() {
        let home = tempfile::tempdir().unwrap();
        let mut followed = Vec::new();
        for content in ["a", "b", "c", "d"] {
            switch(home.path(), None, &[file(None, "url", content)]).unwrap();
            let set = std::fs::canonicalize(home.path().join(CURRENT)).unwrap();
            followed.push(set.join("url"));
            let last = followed.iter().rev().nth(1).map(|file| std::fs::read_to_string(file).unwrap());
            assert_eq!(last.as_deref(), ["a", "b", "c"].get(followed.len().wrapping_sub(2)).copied());
        }
        assert_eq!(names(home.path()).len(), 4, "two sets, a link to one, and one to a file");
    }

    #[test]
    fn each_url_has_its_folder() {
        let home = tempfile::tempdir().unwrap();
        switch(home.path(), None, &[file(Some("in"), "url", "a"), file(Some("out"), "url", "b")]).unwrap();
        assert_eq!(names(home.path()), ["..data", "..set-0", "in", "out"]);
        assert_eq!(std::fs::read_to_string(home.path().join("out/url")).unwrap(), "b");
        std::fs::write(home.path().join("foreign"), "x").unwrap();
        remove_files(home.path()).unwrap();
        assert_eq!(names(home.path()), ["foreign"]);
    }

    #[test]
    fn a_link_that_a_container_put_there_is_not_followed() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("url"), "theirs").unwrap();
        symlink(other.path(), home.path().join("..set-0")).unwrap();
        symlink(other.path(), home.path().join(NEXT)).unwrap();
        symlink(other.path().join("url"), home.path().join("url")).unwrap();
        switch(home.path(), None, &[file(None, "url", "ours")]).unwrap();
        assert_eq!(std::fs::read_to_string(home.path().join("url")).unwrap(), "ours");
        assert_eq!(std::fs::read_to_string(other.path().join("url")).unwrap(), "theirs");
        assert_eq!(names(home.path()), ["..data", "..set-0", "url"]);
        std::fs::remove_dir_all(home.path().join("..set-0")).unwrap();
        symlink(other.path(), home.path().join("..set-0")).unwrap();
        remove_files(home.path()).unwrap();
        assert!(other.path().join("url").exists());
    }
}
