//! What etcd held at one time, and a control plane that is put back to it.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::ControlPlane;
use crate::{
    Binary, component,
    disk::{self, cannot},
    ports, random,
};

/// How long all threads of etcd may take to stand still.
const PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// What etcd held at one time. Its files go with the control plane.
#[derive(Debug)]
pub struct SavedEtcd {
    folder: PathBuf,
}

impl ControlPlane {
    /// Saves what etcd holds, in a tenth of a second. Clients notice nothing: etcd is paused
    /// while its files are copied, and writes that wait for it go on afterwards.
    ///
    /// Needs `/proc`, as on Linux.
    pub fn save_etcd(&self) -> Result<SavedEtcd> {
        let folder = self.home.folder().join(format!("saved-{}", random::hex(4)));
        let pid = self.pid(Binary::Etcd).context("etcd does not run")?;
        // What is on the disk is then what a kill at this moment would leave, and etcd starts
        // from that: it writes its log before anything else.
        let copied = pause(pid).and_then(|()| copy(&self.files.etcd_data, &folder));
        component::signal(pid, "CONT")?;
        copied.map(|()| SavedEtcd { folder })
    }

    /// Puts back what was saved, as an administrator restores a backup: all components are
    /// stopped, and start again on the same ports. Takes some 5 s on two idle cores.
    ///
    /// Later objects are gone, deleted ones are back, and resource versions are given out a
    /// second time. A client that goes on watching from a version that is in the future by
    /// then gets no error: it is told nothing until the versions have passed that one, and
    /// never what happened before.
    pub fn restore_etcd(&self, saved: &SavedEtcd) -> Result<()> {
        let data = &self.files.etcd_data;
        let all = [Binary::KubeControllerManager, Binary::KubeApiserver, Binary::Etcd];
        self.components.stop(&all.map(Binary::name));
        fs::remove_dir_all(data).map_err(cannot("remove", data))?;
        copy(&saved.folder, data)?;
        // Somebody's connection may have got one of the ports meanwhile.
        ports::retry_once(|| {
            self.launch(Binary::Etcd)?;
            self.restart_apiserver()
        })?;
        self.restart_controller_manager()
    }
}

/// Stops all threads of a process where they are.
fn pause(pid: u32) -> Result<()> {
    component::signal(pid, "STOP")?;
    let deadline = Instant::now() + PAUSE_LIMIT;
    while !is_paused(pid)? {
        ensure!(Instant::now() < deadline, "etcd does not stand still within {PAUSE_LIMIT:?}");
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn is_paused(pid: u32) -> Result<bool> {
    let threads = PathBuf::from(format!("/proc/{pid}/task"));
    let entries = fs::read_dir(&threads).map_err(cannot("read", &threads))?;
    // The state follows the name, which is in parentheses.
    let is_stopped = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    Ok(entries
        .flatten()
        .all(|entry| fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| is_stopped(&stat))))
}

/// Copies a folder, but for the files that etcd makes in advance (64 MB each).
fn copy(from: &Path, to: &Path) -> Result<()> {
    disk::make_folder(to)?;
    for entry in fs::read_dir(from).map_err(cannot("read", from))? {
        let path = entry.map_err(cannot("read", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else if path.extension().is_none_or(|extension| extension != "tmp") {
            fs::copy(&path, &target).map_err(cannot("copy", &path))?;
        }
    }
    Ok(())
}
