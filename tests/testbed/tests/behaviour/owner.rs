//! Children end with their owner, however it ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use testbed::{signal, wait_until};

use crate::{LIMIT, is_running};

struct RunningTestbed {
    owner: Child,
    pids: Vec<u32>,
    folders: Vec<PathBuf>,
}

/// `testbed up`, once it is ready.
fn up(keep: &str) -> RunningTestbed {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("up")
        .env("PRESIGN_TESTBED_KEEP", keep)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut pids, mut folders) = (Vec::new(), Vec::new());
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    while folders.len() < 2 {
        let line = lines.next().expect("up has not ended").unwrap();
        if let Some((_, pid)) = line.split_once(": pid ") {
            pids.push(pid.parse().unwrap());
        } else if let Some((_, folder)) = line.split_once("# files and logs: ") {
            folders.push(PathBuf::from(folder));
        }
    }
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| is_running(*pid)));
    RunningTestbed { owner, pids, folders }
}

#[test]
fn leaves_nothing_behind_when_killed() {
    let mut up = up("");
    // A component that tests have stopped does not hear SIGTERM.
    assert!(signal(up.pids[1], "STOP").unwrap());
    up.owner.kill().unwrap();
    up.owner.wait().unwrap();
    wait_until("the components end", LIMIT, || !up.pids.iter().any(|pid| is_running(*pid)));
    wait_until("the folders go", LIMIT, || !up.folders.iter().any(|folder| folder.exists()));
}

#[test]
fn ends_on_ctrl_c_and_keeps_its_files_when_told_to() {
    let mut up = up("1");
    assert!(signal(up.owner.id(), "INT").unwrap());
    assert!(up.owner.wait().unwrap().success());
    assert!(!up.pids.iter().any(|pid| is_running(*pid)));

    let mut said = String::new();
    up.owner.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    for folder in up.folders {
        assert!(said.contains(&format!("kept {}", folder.display())), "{said}");
        fs::remove_dir_all(folder).unwrap();
    }
}
