//! Builds a program from a pinned Go module into a cache, once.
//!
//! Which programs there are is not known here (`assets.rs`).

use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::{
    component::{Component, Launch},
    disk::{self, cannot},
    progress::say,
    random,
};

/// The module whose version is stamped into its programs: without the stamp
/// kube-apiserver reports v0.0.0 and clients complain.
const STAMPED: &str = "k8s.io/kubernetes";
/// Without a stamp it renders for Kubernetes 1.20, which charts refuse.
const HELM: &str = "helm.sh/helm/v3";
const UNFINISHED: &str = ".building-";
/// How often a build tells that it goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

/// How to build one program.
pub(crate) struct Recipe {
    /// The folder with go.mod, go.sum and tools.go; never written to.
    pub(crate) module: PathBuf,
    /// The package to build.
    pub(crate) package: String,
    /// The name of the executable.
    pub(crate) binary: String,
}

/// Whether the program is in the cache.
pub(crate) fn is_built(recipe: &Recipe, cache: &Path) -> Result<bool> {
    Ok(cache.join(Manifest::read(recipe)?.cache_key(recipe)).join(&recipe.binary).is_file())
}

/// Finds the program in the cache, or builds it into it. Runs no Go when it is there.
///
/// Several may call this at the same time: one builds, the others wait.
pub(crate) fn find_or_build(recipe: &Recipe, cache: &Path) -> Result<PathBuf> {
    let manifest = Manifest::read(recipe)?;
    let folder = cache.join(manifest.cache_key(recipe));
    let path = folder.join(&recipe.binary);
    if path.is_file() {
        return Ok(path);
    }
    disk::make_folder(&folder)?;
    let _lock = lock(&folder, &recipe.binary)?;
    if path.is_file() {
        return Ok(path);
    }
    remove_unfinished(&folder);
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(&folder)
        .map_err(cannot("make a folder in", &folder))?;
    let built = build(recipe, &manifest, unfinished.path())?;
    fs::rename(built, &path).map_err(cannot("write", &path))?;
    Ok(path)
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
            let text = disk::read(&recipe.module.join(name))?;
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
    let lock = File::create(&path).map_err(cannot("write", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(format_args!(
                "another run is building in {}; waiting for it before looking for {binary}",
                folder.display()
            ));
            lock.lock().map_err(cannot("lock", &path))?;
        }
        Err(TryLockError::Error(source)) => return Err(cannot("lock", &path)(source)),
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
    let (binary, required) = (&recipe.binary, &manifest.go);
    match Command::new("go").arg("version").env("GOTOOLCHAIN", "local").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{binary} has to be built, but no `go` is on the PATH: install Go {required} or newer, \
             or set KUBEBUILDER_ASSETS to a folder that holds {binary}"
        ),
        answer => answer.map_err(cannot("run", "go"))?,
    };
    let output = scratch.join(binary);
    let launch = Launch {
        name: "go",
        program: "go".into(),
        arguments: arguments(recipe, manifest, &output),
        environment: environment(scratch),
        grace: Duration::from_secs(1),
    };
    say(format_args!("building {binary} (once; later runs find it in the cache)"));
    let started = Instant::now();
    let mut reported = Duration::ZERO;
    let mut go = Component::start_in(scratch, &launch, Stdio::null())?;
    let status = loop {
        if let Some(status) = go.ended()? {
            break status;
        }
        if started.elapsed() >= reported + PROGRESS_INTERVAL {
            reported += PROGRESS_INTERVAL;
            say(format_args!("building {binary} {} s", reported.as_secs()));
        }
        thread::sleep(Duration::from_millis(100));
    };
    ensure!(
        status.success(),
        "{binary} could not be built. That needs Go {required} or newer, the Go module proxy, \
         and 6 GB of disk for a first build of everything. Go says:\n{}",
        go.last_lines()
    );
    say(format_args!("built {binary} after {} s", started.elapsed().as_secs()));
    Ok(output)
}

fn arguments(recipe: &Recipe, manifest: &Manifest, output: &Path) -> Vec<OsString> {
    vec![
        "build".into(),
        "-C".into(),
        recipe.module.clone().into(),
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
