//! Builds a program from a pinned Go module into a cache, once.
//!
//! Which programs there are is not known here (`assets.rs`), nor what Go's
//! complaints mean (`go/complaint.rs`).

mod complaint;
mod toolchain;

use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    component::{Guarded, Launch},
    progress::{Progress, say},
    random,
};

/// The module whose version is stamped into its programs: without the stamp
/// kube-apiserver reports v0.0.0 and clients complain.
const STAMPED: &str = "k8s.io/kubernetes";
/// Without a stamp it renders for Kubernetes 1.20, which charts refuse.
const HELM: &str = "helm.sh/helm/v3";
const UNFINISHED: &str = ".building-";

/// How to build one program.
pub(crate) struct Recipe {
    /// The folder with go.mod, go.sum and tools.go; never written to.
    pub(crate) module: PathBuf,
    /// The package to build.
    pub(crate) package: String,
    /// The name of the executable.
    pub(crate) binary: String,
}

/// A program in the cache.
#[derive(Debug)]
pub(crate) enum Found {
    /// It was there.
    Cached(PathBuf),
    /// It was built by this very call.
    Built(PathBuf),
}

impl Found {
    /// Where it is.
    pub(crate) fn into_path(self) -> PathBuf {
        match self {
            Self::Cached(path) | Self::Built(path) => path,
        }
    }
}

/// Finds the program in the cache, or builds it into it. Runs no Go when it is there.
///
/// Several may call this at the same time: one builds, the others wait.
pub(crate) fn find_or_build(recipe: &Recipe, cache: &Path) -> Result<Found> {
    let manifest = Manifest::read(recipe)?;
    let folder = cache.join(manifest.cache_key(recipe));
    let path = folder.join(&recipe.binary);
    if path.is_file() {
        return Ok(Found::Cached(path));
    }
    fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
    let _lock = lock(&folder, &recipe.binary)?;
    if path.is_file() {
        return Ok(Found::Cached(path));
    }
    toolchain::check(recipe, &manifest.go)?;
    remove_unfinished(&folder);
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(&folder)
        .map_err(Error::io("make a folder in", &folder))?;
    let built = build(recipe, &manifest, unfinished.path())?;
    fs::rename(built, &path).map_err(Error::io("write", &path))?;
    Ok(Found::Built(path))
}

/// What go.mod and its neighbours say.
struct Manifest {
    /// The oldest Go that will do.
    go: String,
    /// Values for `-ldflags`.
    ldflags: String,
    digest: String,
}

impl Manifest {
    fn read(recipe: &Recipe) -> Result<Self> {
        let mut hash = Sha256::new();
        let mut go_mod = String::new();
        for name in ["go.mod", "go.sum", "tools.go"] {
            let path = recipe.module.join(name);
            let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            hash.update(&text);
            if name == "go.mod" {
                go_mod = text;
            }
        }
        let ldflags = ldflags(&go_mod);
        for part in [&ldflags, env::consts::OS, env::consts::ARCH] {
            hash.update(part);
        }
        Ok(Self {
            go: directive(&go_mod, "go").unwrap_or("1").to_owned(),
            ldflags,
            digest: random::encode(&hash.finalize()[..8]),
        })
    }

    fn cache_key(&self, recipe: &Recipe) -> String {
        let module = recipe.module.file_name().unwrap_or_default();
        format!("{}-{}", module.to_string_lossy(), self.digest)
    }
}

/// The version that follows a name in go.mod (`go 1.26.0`, `require NAME v1.2.3`).
fn directive<'a>(go_mod: &'a str, name: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim().trim_start_matches("require ");
        line.strip_prefix(name)?.strip_prefix(' ')?.split_whitespace().next()
    })
}

fn ldflags(go_mod: &str) -> String {
    let mut flags = vec!["-s -w".to_owned()];
    if let Some(version) = directive(go_mod, STAMPED) {
        let mut numbers = version.trim_start_matches('v').split('.');
        let stamps = [
            ("gitVersion", version),
            ("gitMajor", numbers.next().unwrap_or_default()),
            ("gitMinor", numbers.next().unwrap_or_default()),
        ];
        for (name, value) in stamps {
            flags.push(format!("-X k8s.io/component-base/version.{name}={value}"));
        }
    }
    // Version 0.37 of the client is that of Kubernetes 1.37.
    let client = directive(go_mod, "k8s.io/client-go").filter(|_| directive(go_mod, HELM).is_some());
    if let Some(minor) = client.and_then(|version| version.split('.').nth(1)) {
        for package in ["chartutil", "lint/rules"] {
            let variable = format!("{HELM}/pkg/{package}.k8sVersion");
            flags.push(format!("-X {variable}Major=1 -X {variable}Minor={minor}"));
        }
    }
    flags.join(" ")
}

/// Held while building; the system releases it when its owner ends, however it ends.
fn lock(folder: &Path, binary: &str) -> Result<File> {
    let path = folder.join(".lock");
    let lock = File::create(&path).map_err(Error::io("write", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(format_args!(
                "another run is building in {}; waiting for it before looking for {binary}",
                folder.display()
            ));
            lock.lock().map_err(Error::io("lock", &path))?;
        }
        Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
    }
    Ok(lock)
}

/// What a build that was killed left behind; only called under the lock.
fn remove_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn build(recipe: &Recipe, manifest: &Manifest, scratch: &Path) -> Result<PathBuf> {
    let output = scratch.join(&recipe.binary);
    let log_path = scratch.join("go.log");
    let log = File::create(&log_path).map_err(Error::io("write", &log_path))?;
    let launch = Launch {
        name: "go",
        program: "go".into(),
        arguments: arguments(recipe, manifest, &output),
        environment: environment(scratch),
        grace: Duration::from_secs(1),
    };
    let mut progress =
        Progress::start(format!("building {} (once; later runs find it in the cache)", recipe.binary));
    let pid_file = scratch.join("go.pid");
    let mut go = Guarded::start(&launch, &recipe.module, pid_file, log, Stdio::null())?;
    let status = loop {
        if let Some(status) = go.ended()? {
            break status;
        }
        progress.tick();
        thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        progress.finish(&format!("{} failed", recipe.binary));
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        return Err(complaint::understand(&recipe.binary, &log));
    }
    progress.finish(&format!("built {}", recipe.binary));
    Ok(output)
}

fn arguments(recipe: &Recipe, manifest: &Manifest, output: &Path) -> Vec<OsString> {
    vec![
        "build".into(),
        "-mod=readonly".into(),
        "-trimpath".into(),
        "-ldflags".into(),
        manifest.ldflags.clone().into(),
        "-o".into(),
        output.into(),
        recipe.package.clone().into(),
    ]
}

fn environment(scratch: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        ("CGO_ENABLED", "0".into()),
        // A setting of the user's would build something else than the cache key says.
        ("GOFLAGS", OsString::new()),
        ("GOOS", OsString::new()),
        ("GOARCH", OsString::new()),
        ("GOWORK", "off".into()),
        // Removed with the rest of an unfinished build.
        ("GOTMPDIR", scratch.into()),
    ]
}

#[cfg(test)]
mod tests;
