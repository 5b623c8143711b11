//! An image made of programs of this machine: nothing is downloaded.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    disk::{cannot, make_folder, write},
    tool,
};

/// The image of everything in the testbed that is not under test: curl and a shell.
pub(super) const CLIENT: &str = "localhost/testbed-client:1";

/// What the shell's programs are called. Not wget: that of the static busybox crashes when
/// it looks up a name.
const PROGRAMS: &str = "sh cat cmp cp cut date dd echo env grep head httpd ls mkdir mktemp mv rm sed \
                        sha256sum sleep sort tr wc";

/// Builds it below a folder and returns the archive, for `ctr images import`.
pub(super) fn build_client(folder: &Path) -> Result<PathBuf> {
    let context = folder.join("client");
    fill(&context.join("root"))?;
    let containerfile = "FROM scratch\nCOPY root /\nCMD [\"sleep\", \"2147483647\"]\n";
    write(&context.join("Containerfile"), containerfile)?;
    let archive = folder.join("client.tar");
    let target = format!("docker-archive:{}:{CLIENT}", archive.display());
    buildah(folder, &["bud", "--tag", CLIENT, &context.display().to_string()])?;
    buildah(folder, &["push", CLIENT, &target])?;
    Ok(archive)
}

fn buildah(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut buildah = Command::new("buildah");
    buildah
        .arg("--root")
        .arg(folder.join("buildah"))
        .arg("--runroot")
        .arg(folder.join("buildah-run"))
        // The one driver that works on every file system.
        .args(["--storage-driver", "vfs"])
        .args(arguments)
        .env("BUILDAH_ISOLATION", "chroot");
    tool::run(&mut buildah).map(drop)
}

/// curl with its libraries, busybox under all its names, and a place for files.
fn fill(root: &Path) -> Result<()> {
    copy("/usr/bin/curl", root)?;
    for library in libraries("/usr/bin/curl")? {
        copy(&library, root)?;
    }
    copy("/usr/bin/busybox", root)?;
    let programs = root.join("bin");
    make_folder(&programs)?;
    for name in PROGRAMS.split(' ') {
        let link = programs.join(name);
        symlink("/usr/bin/busybox", &link).map_err(cannot("link", &link))?;
    }
    let scratch = root.join("tmp");
    make_folder(&scratch)?;
    let everyone = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(&scratch, everyone).map_err(cannot("open", &scratch))
}

/// The files that `ldd` names, the loader among them.
fn libraries(program: &str) -> Result<Vec<String>> {
    let listed = tool::run(Command::new("ldd").arg(program))?;
    let paths = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(str::to_owned).collect())
}

fn copy(file: &str, root: &Path) -> Result<()> {
    let target = root.join(file.trim_start_matches('/'));
    make_folder(target.parent().unwrap_or(root))?;
    fs::copy(file, &target).map(drop).map_err(cannot("copy", file))
}
