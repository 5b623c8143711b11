//! Files for programs that want files; gone when the value is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A file or folder of its own below the build's folder for temporary files.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A file with this content.
    pub(crate) fn file(content: &[u8]) -> Self {
        let scratch = Self::unused();
        std::fs::write(&scratch.0, content).unwrap();
        scratch
    }

    /// An empty folder.
    pub(crate) fn folder() -> Self {
        let scratch = Self::unused();
        // Left over from a process that had the same id, and a folder that outlived it.
        let _ = std::fs::remove_dir_all(&scratch.0);
        std::fs::create_dir(&scratch.0).unwrap();
        scratch
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn unused() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("signing-{}-{count}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ =
            if self.0.is_dir() { std::fs::remove_dir_all(&self.0) } else { std::fs::remove_file(&self.0) };
    }
}
