//! A driver on a node of its own: a mount namespace, a folder for the kubelet, and one for what it keeps.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tonic::transport::Channel;

use crate::calls::{Mounted, connect};
use crate::stores::{WAIT, store};

/// The binary that is measured in place of the one of the tests.
#[expect(clippy::disallowed_methods, reason = "make passes it in, like the variables of the testbed")]
pub fn release_binary() -> Option<OsString> {
    std::env::var_os("PRESIGN_BINARY")
}

/// A node with a driver.
pub struct CsiNode {
    home: TempDir,
    /// The process that the mount namespace belongs to.
    holder: Child,
    driver: Option<Child>,
    flags: Vec<String>,
    /// The cgroup that the driver runs in, if that matters.
    group: Option<PathBuf>,
}

impl CsiNode {
    /// A node whose driver runs.
    pub async fn new(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["kubelet/pods", "kubelet/plugins_registry", "state"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        // It ends by itself if the tests are killed.
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sleep", "900"])
            .stdin(Stdio::null())
            .spawn()
            .expect("root can make a mount namespace");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut node = Self { home, holder, driver: None, flags, group: None };
        node.await_namespace().await;
        node.start().await;
        node
    }

    async fn await_namespace(&self) {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let is_another = async || of(&self.holder.id().to_string()) != of("self");
        let is_there = testbed::eventually(WAIT, is_another).await;
        assert!(is_there, "there is no mount namespace: the tests need root");
    }

    /// The folder of the kubelet.
    pub fn kubelet(&self) -> PathBuf {
        self.home.path().join("kubelet")
    }

    /// The folder of what the driver keeps.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The socket of the driver.
    pub fn socket(&self) -> PathBuf {
        self.kubelet().join("plugins_registry/presign@url.presign.dev.sock")
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }

    /// What the driver has logged, of all its processes.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts the driver, and waits until it listens.
    pub async fn start(&mut self) {
        assert!(self.driver.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let join = "[ -z \"$GROUP\" ] || echo $$ > \"$GROUP/cgroup.procs\"; exec nsenter \"$@\"";
        let binary = release_binary();
        let driver = Command::new("sh")
            .args(["-c", join, "sh"])
            .env("GROUP", self.group.as_deref().unwrap_or(Path::new("")))
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .arg(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_presign-operator").into()))
            .args(["node", "--node-name=node-1", "--listen=127.0.0.1:0", "--log=info,presign_operator=debug"])
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--kubelet-dir={}", self.kubelet().display()))
            .arg(format!("--state-dir={}", self.state().display()))
            .args(&self.flags)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.driver = Some(driver);
        self.channel().await;
    }

    /// Starts the driver again, in a cgroup and with what it keeps in memory, as in a cluster.
    pub async fn move_to(&mut self, group: &Path) {
        self.stop();
        self.run(&["mount", "-t", "tmpfs", "tmpfs", &self.state().display().to_string()]);
        self.group = Some(group.to_owned());
        self.start().await;
    }

    /// The process of the driver.
    pub fn pid(&self) -> u32 {
        self.driver.as_ref().expect("it runs").id()
    }

    /// A connection to the driver.
    pub async fn channel(&self) -> Channel {
        let begun = Instant::now();
        loop {
            match connect(&self.socket()).await {
                Ok(channel) => return channel,
                Err(error) => assert!(begun.elapsed() < WAIT, "{error}:\n{}", self.log()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the driver, so that it cannot do anything more.
    pub fn kill(&mut self) {
        let mut driver = self.driver.take().expect("it runs");
        driver.kill().unwrap();
        let status = driver.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself:\n{}", self.log());
    }

    /// Stops the driver as Kubernetes does, which is no failure.
    pub fn stop(&mut self) {
        let mut driver = self.driver.take().expect("it runs");
        let status = Command::new("kill").arg(driver.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(driver.wait().unwrap().success(), "{}", self.log());
        assert!(!self.socket().exists(), "the kubelet would call a driver that is gone");
    }

    /// A path, as the driver and its pods see it.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap())
    }

    /// A file of a volume.
    pub fn read(&self, volume: &Mounted, file: &str) -> String {
        self.try_read(volume, file).unwrap_or_else(|| panic!("there is no {file}:\n{}", self.log()))
    }

    /// A file of a volume, if it is there.
    pub fn try_read(&self, volume: &Mounted, file: &str) -> Option<String> {
        std::fs::read_to_string(self.inside(&volume.target.join(file))).ok()
    }

    /// What is mounted below the folder of the kubelet: a line of `mountinfo` each.
    pub fn mounts(&self) -> Vec<String> {
        let kubelet = self.kubelet().display().to_string();
        let all = std::fs::read_to_string(format!("/proc/{}/mountinfo", self.holder.id())).unwrap();
        all.lines().filter(|line| line.contains(&kubelet)).map(str::to_owned).collect()
    }

    /// What the driver keeps of volumes.
    pub fn kept(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.inside(&self.state().join("volumes"))).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Fails if anything of a volume is left.
    pub fn expect_nothing_left(&self, volume: &Mounted) {
        assert_eq!(self.mounts(), Vec::<String>::new());
        assert!(!self.inside(&volume.target).exists(), "the folder is left");
        assert_eq!(self.kept(), Vec::<PathBuf>::new());
    }

    /// Runs a command on the node.
    pub fn run(&self, command: &[&str]) {
        let mut nsenter = Command::new("nsenter");
        let status = nsenter.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).args(command).status();
        assert!(status.unwrap().success(), "{command:?}");
    }

    /// A page of the driver.
    pub fn page(&self, path: &str) -> String {
        let log = self.log();
        let started = log.lines().rfind(|line| line.contains("listen=127.0.0.1:")).expect("it has started");
        let port = started.split("listen=127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap();
        let url = format!("http://127.0.0.1:{port}{path}");
        testbed::output(testbed::curl_command().arg(url)).unwrap_or_default()
    }

    /// Whether this line is in the metrics.
    pub fn shows(&self, line: &str) -> bool {
        self.page("/metrics").lines().any(|found| found == line)
    }

    /// How often this process has written URLs, for whatever reason.
    pub fn issued(&self) -> u64 {
        let page = self.page("/metrics");
        assert!(page.contains("presign_csi_volumes{"), "no metrics: {page}");
        let counts = page.lines().filter_map(|line| {
            line.strip_prefix("presign_csi_issued_total{")?.rsplit_once(' ')?.1.parse::<u64>().ok()
        });
        counts.sum()
    }

    /// Publishes another volume and unpublishes it. What was to be signed before is signed then.
    pub async fn pass(&self, control: &Mounted) {
        let channel = self.channel().await;
        control.publish(&channel).await.unwrap();
        control.unpublish(&channel).await.unwrap();
    }

    /// A volume for the object of the store.
    pub async fn volume(&self, name: &str) -> Mounted {
        Mounted::new(&self.kubelet(), name, store().await)
    }
}

impl Drop for CsiNode {
    fn drop(&mut self) {
        for process in [self.driver.take().as_mut(), Some(&mut self.holder)].into_iter().flatten() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
            return;
        }
        let log = self.log();
        assert!(!log.contains("which is a bug"), "{log}");
        for secret in ["X-Amz-Signature", "X-Amz-Credential", "a-secret-that"] {
            assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
    }
}
