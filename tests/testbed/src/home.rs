//! The temporary folder of one testbed, removed when its last user has ended.

use std::{
    env,
    io::PipeWriter,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::Result;

use crate::disk::cannot;

/// A temporary folder that outlives the components writing into it, and nothing else.
///
/// It is removed by a janitor process rather than by `Drop` alone, because the owner
/// may be a `static`, which is never dropped, or may be killed.
pub(crate) struct Home {
    folder: PathBuf,
    alive: Option<PipeWriter>,
    janitor: Child,
}

impl Home {
    /// Makes the folder and starts its janitor.
    pub(crate) fn create() -> Result<Self> {
        Self::cleaned_by("")
    }

    /// The same, with a shell script that the janitor runs before it removes the folder,
    /// which is the script's one argument.
    pub(crate) fn cleaned_by(script: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("presign-testbed-")
            .tempdir()
            .map_err(cannot("make a folder in", env::temp_dir()))?
            .keep();
        let (reader, alive) = std::io::pipe().map_err(cannot("make a pipe for", &folder))?;
        let keep = env::var_os("PRESIGN_TESTBED_KEEP").unwrap_or_default();
        let janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh"), "testbed-janitor"])
            .arg(&folder)
            .arg(keep)
            .arg(script)
            // Ctrl-C goes to the whole foreground group; the janitor has to survive it.
            .process_group(0)
            .stdin(reader)
            .stdout(Stdio::null())
            .spawn()
            .map_err(cannot("run", "sh"))?;
        Ok(Self { folder, alive: Some(alive), janitor })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last part of its path, which no other testbed has.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A handle that keeps the folder while it is open.
    pub(crate) fn hold(&self) -> Result<Stdio> {
        let alive = self.alive.as_ref().expect("open until drop");
        let held = alive.try_clone().map_err(cannot("share the pipe of", &self.folder))?;
        Ok(held.into())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.alive = None;
        let _ = self.janitor.wait();
    }
}
