//! What a restart needs of each volume: the inputs of the kubelet and the times of its URLs, in a folder that
//! only root can read and that is in memory (`/run`).

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::NodeFailure;
use crate::domain::Sensitive;
use crate::domain::stored::Digest;
use crate::domain::volume::{VolumeInputs, VolumePod, VolumeTimes};

/// The format of the files. Another one is not read: the kubelet publishes such a volume again.
const FORMAT: u32 = 1;
const ENDING: &str = "json";

/// The folder with a file for each volume.
#[derive(Debug)]
pub(super) struct VolumeRecords {
    folder: PathBuf,
    /// Locked for as long as the process runs.
    _lock: File,
}

#[derive(Debug)]
pub(super) struct KeptVolume {
    pub(super) id: String,
    pub(super) inputs: VolumeInputs,
    pub(super) times: VolumeTimes,
}

/// The file of a volume. It holds secrets in plain text.
#[derive(Deserialize, Serialize)]
struct RecordFile {
    format: u32,
    id: String,
    target: String,
    attributes: BTreeMap<String, String>,
    secret: BTreeMap<String, String>,
    tokens: Option<String>,
    fs_group: Option<u32>,
    namespace: String,
    pod: String,
    uid: String,
    service_account: String,
    signing_time: Timestamp,
    renewal_time: Timestamp,
    expiration_time: Timestamp,
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        for value in self.secret.values_mut() {
            value.zeroize();
        }
        self.tokens.zeroize();
    }
}

impl VolumeRecords {
    /// Opens the folder, and makes it if needed.
    ///
    /// # Errors
    /// When it cannot be used, or when another driver uses it.
    pub(super) fn open(folder: &Path) -> Result<Self, NodeFailure> {
        let state = |source| NodeFailure::State { path: folder.to_owned(), source };
        let volumes = folder.join("volumes");
        DirBuilder::new().recursive(true).mode(0o700).create(&volumes).map_err(state)?;
        std::fs::set_permissions(&volumes, std::fs::Permissions::from_mode(0o700)).map_err(state)?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("lock"));
        let lock = lock.map_err(state)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { folder: volumes, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(NodeFailure::Twice { path: folder.to_owned() }),
            Err(error) => Err(state(error.into())),
        }
    }

    /// All volumes. Files that cannot be read are removed, since the kubelet publishes such a volume again.
    pub(super) fn all(&self) -> Vec<KeptVolume> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut kept = Vec::new();
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let read = path.extension().is_some_and(|ending| ending == ENDING).then(|| read(&path)).flatten();
            match read.filter(|volume| self.path(&volume.id) == path) {
                Some(volume) => kept.push(volume),
                None => drop(std::fs::remove_file(path)),
            }
        }
        kept
    }

    /// Keeps a volume.
    ///
    /// After an error, older inputs are not kept either: a restart would sign with a key that was replaced.
    pub(super) fn put(&self, id: &str, inputs: &VolumeInputs, times: VolumeTimes) -> io::Result<()> {
        let VolumeInputs { target, attributes, secret, tokens, fs_group, pod } = inputs;
        let plain = |(key, value): (&String, &Sensitive<String>)| (key.clone(), value.expose().clone());
        let file = RecordFile {
            format: FORMAT,
            id: id.to_owned(),
            target: target.clone(),
            attributes: attributes.clone(),
            secret: secret.iter().map(plain).collect(),
            tokens: tokens.as_ref().map(|tokens| tokens.expose().clone()),
            fs_group: *fs_group,
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            service_account: pod.service_account.clone(),
            signing_time: times.signing_time,
            renewal_time: times.renewal_time,
            expiration_time: times.expiration_time,
        };
        let text = Sensitive::new(serde_json::to_string(&file)?);
        let (path, next) = (self.path(id), self.path(id).with_extension("new"));
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&next)
            .and_then(|mut file| file.write_all(text.expose().as_bytes()));
        let moved = written.and_then(|()| std::fs::rename(&next, &path));
        if moved.is_err() {
            let _ = std::fs::remove_file(&next);
            if read(&path).is_none_or(|kept| kept.inputs != *inputs) {
                let _ = std::fs::remove_file(&path);
            }
        }
        moved
    }

    /// Forgets a volume.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The file of a volume. Nothing that others name is in it.
    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", Digest::of(id)))
    }
}

fn read(path: &Path) -> Option<KeptVolume> {
    let text = Sensitive::new(std::fs::read_to_string(path).ok()?);
    let mut file: RecordFile = serde_json::from_str(text.expose()).ok()?;
    if file.format != FORMAT {
        return None;
    }
    let secret = std::mem::take(&mut file.secret);
    let inputs = VolumeInputs {
        target: std::mem::take(&mut file.target),
        attributes: std::mem::take(&mut file.attributes),
        secret: secret.into_iter().map(|(key, value)| (key, Sensitive::new(value))).collect(),
        tokens: file.tokens.take().map(Sensitive::new),
        fs_group: file.fs_group,
        pod: VolumePod {
            namespace: std::mem::take(&mut file.namespace),
            name: std::mem::take(&mut file.pod),
            uid: std::mem::take(&mut file.uid),
            service_account: std::mem::take(&mut file.service_account),
        },
    };
    let times = VolumeTimes {
        signing_time: file.signing_time,
        renewal_time: file.renewal_time,
        expiration_time: file.expiration_time,
    };
    Some(KeptVolume { id: std::mem::take(&mut file.id), inputs, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_nobody_else_can_read_it() {
        let home = tempfile::tempdir().unwrap();
        let records = VolumeRecords::open(home.path()).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let times = VolumeTimes { signing_time: at(1), renewal_time: at(2), expiration_time: at(3) };
        let secret = [("access-key-id".to_owned(), Sensitive::new("AKIA".to_owned()))].into();
        let inputs = VolumeInputs { secret, fs_group: Some(7), ..VolumeInputs::default() };
        records.put("csi-1", &inputs, times).unwrap();
        std::fs::write(home.path().join("volumes/half.json"), "{").unwrap();
        let kept = records.all();
        assert_eq!(kept.len(), 1);
        assert_eq!((&kept[0].id[..], &kept[0].inputs, kept[0].times), ("csi-1", &inputs, times));
        let files: Vec<_> = std::fs::read_dir(home.path().join("volumes")).unwrap().collect();
        let mode = files[0].as_ref().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!((files.len(), mode & 0o777), (1, 0o600));
        assert!(matches!(VolumeRecords::open(home.path()), Err(NodeFailure::Twice { .. })));
        records.remove("csi-1").unwrap();
        records.remove("csi-1").unwrap();
        assert!(records.all().is_empty());
        drop(records);
        VolumeRecords::open(home.path()).unwrap();
    }
}
