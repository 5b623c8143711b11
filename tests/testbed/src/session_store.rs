//! An S3 server with roles and temporary sessions, as AWS has them (`SeaweedFS`).
//!
//! It serves S3 and the security token service (STS) on one port. Slower to start than an
//! [`ObjectStore`](crate::ObjectStore) (4 s), and larger to build: only for tests of sessions.

mod builder;
mod filer;
mod files;
mod flags;
mod role;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    Binary,
    component::{Components, Launch},
    disk,
    home::Home,
    ports, random,
};
pub use builder::SessionStoreBuilder;
use filer::Filer;
use files::SessionStoreFiles;
use flags::Ports;
pub use role::{Role, allow};

/// Ready takes 4 s on two idle cores; this is for a machine that also compiles.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long the ports of an ended server may stay taken.
const FREE_LIMIT: Duration = Duration::from_secs(10);
/// In which all roles and identities are.
const ACCOUNT: &str = "000000000000";

/// A running S3 server with an STS, without TLS. Dropping it ends it and removes its objects.
pub struct SessionStore {
    // The order of the fields is the order in which they end.
    components: Components,
    launch: Launch,
    ports: Ports,
    filer: Filer,
    access_key_id: String,
    secret_access_key: String,
    home: Home,
}

impl SessionStore {
    /// What the token of a service account has to be for.
    pub const AUDIENCE: &str = "sts.amazonaws.com";

    /// For a server on free loopback ports, with a random key for everything, no role and no
    /// bucket.
    pub fn builder() -> SessionStoreBuilder {
        SessionStoreBuilder::default()
    }

    fn start_with(options: &SessionStoreBuilder, program: &Path) -> Result<Self> {
        let ports = Ports::free()?;
        let home = Home::cleaned_by(&ports.cleaning())?;
        let access_key_id = random::hex(10).to_uppercase();
        let secret_access_key = random::hex(20);
        let files = SessionStoreFiles::below(home.folder());
        files.write_all(options, (&access_key_id, &secret_access_key))?;
        let store = Self {
            components: Components::default(),
            launch: flags::launch(program, &ports, &files, home.folder()),
            filer: Filer::at(ports.filer()),
            ports,
            access_key_id,
            secret_access_key,
            home,
        };
        store.launch(true)?;
        Ok(store)
    }

    /// Starts the server and waits until it gives an object, which it takes before that if it
    /// has none yet.
    fn launch(&self, is_empty: bool) -> Result<()> {
        self.components.start(&self.launch, &self.home)?;
        let path = format!("/{}/probe", files::PROBED);
        let ready = self.components.await_ready(Binary::Weed.name(), START_LIMIT, || {
            filer::is_healthy(self.ports.s3())
                && (!is_empty || self.put_object(files::PROBED, "probe", "probe").is_ok())
                && filer::gives(self.ports.s3(), &path)
        });
        ready.map_err(|error| match self.reason() {
            Some(reason) => error.context(reason),
            None => error,
        })
    }

    /// Why it has given up, if it has: in its log that is followed by a stack.
    fn reason(&self) -> Option<String> {
        let log = disk::read(&self.folder().join(format!("{}.log", Binary::Weed.name()))).ok()?;
        log.lines().rfind(|line| line.starts_with('F')).map(str::to_owned)
    }

    /// The address of S3 (path style) and of the STS: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.s3())
    }

    /// A region to sign for. The server takes signatures for any other one as well.
    #[allow(clippy::unused_self)] // As it is with an object store.
    pub fn region(&self) -> &'static str {
        "us-east-1"
    }

    /// How a client names a role.
    #[allow(clippy::unused_self)]
    pub fn role_arn(&self, name: &str) -> String {
        role::arn(name)
    }

    /// The access key id of the one identity that may do everything.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// That identity's secret.
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// Makes a bucket, or leaves it as it is.
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.filer.make_folder(&format!("/buckets/{bucket}"))
    }

    /// Writes an object, past the server's permissions.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.filer.put(&format!("/buckets/{bucket}/{key}"), bytes.as_ref())
    }

    /// The bytes of an object, past the server's permissions.
    pub fn get_object(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        self.filer.get(&format!("/buckets/{bucket}/{key}"))
    }

    /// The folder with all of its files, its log among them.
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The name and process id of the server; nothing while it is stopped.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.components.pids()
    }

    /// An error if the server has ended by itself: how it ended, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.components.check()
    }

    /// Kills the server, so that connections to it are refused until it is started again.
    pub fn stop(&self) -> Result<()> {
        self.components.stop(&[Binary::Weed.name()]);
        let deadline = Instant::now() + FREE_LIMIT;
        while !self.ports.are_free() {
            ensure!(Instant::now() < deadline, "the ports of {} stay taken", Binary::Weed.name());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts the server again, at the same address and with the same objects. Sessions from
    /// before are still good. For 15 seconds more, whoever uploads something has to wait.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        // Somebody's connection may have got one of the ports meanwhile.
        ports::retry_once(|| {
            self.components.stop(&[Binary::Weed.name()]);
            self.launch(false)
        })
    }
}
