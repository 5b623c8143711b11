//! An S3 server that verifies signatures strictly, over folders and files.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddrV4},
    path::{self, Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use crate::{
    Binary, Network,
    component::{Components, Launch},
    disk,
    home::Home,
    http::http_get,
    locate, ports, random,
};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A further access key.
#[derive(Clone, Debug)]
struct Account {
    id: String,
    secret: String,
    role: &'static str,
}

/// What an object store can be told before it starts.
#[derive(Clone, Debug)]
#[must_use = "it is to be started"]
pub struct ObjectStoreBuilder {
    ip: Ipv4Addr,
    region: String,
    virtual_domain: Option<String>,
    accounts: Vec<Account>,
}

impl ObjectStoreBuilder {
    /// Serves a network, whose pods reach it, instead of loopback.
    pub fn network(mut self, network: &Network) -> Self {
        self.ip = network.addresses().gateway();
        self
    }

    /// The region instead of `us-east-1`; signatures for another one are refused.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Serves `BUCKET.DOMAIN` as well as `DOMAIN/BUCKET`. With `localhost` as the domain,
    /// curl finds the server by itself; the C library's resolver may not.
    pub fn virtual_domain(mut self, domain: impl Into<String>) -> Self {
        self.virtual_domain = Some(domain.into());
        self
    }

    /// A further access key that may do everything, beside the root key.
    pub fn account(self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.with(access_key_id, secret_access_key, "admin")
    }

    /// A further access key that may do nothing in the buckets of others.
    pub fn stranger(self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.with(access_key_id, secret_access_key, "user")
    }

    fn with(mut self, id: &str, secret: &str, role: &'static str) -> Self {
        self.accounts.push(Account { id: id.to_owned(), secret: secret.to_owned(), role });
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(&self) -> Result<ObjectStore> {
        let program = locate(Binary::Versitygw)?;
        ports::retry_once(|| ObjectStore::start_with(self, &program))
    }

    /// The accounts as versitygw's internal IAM keeps them.
    fn accounts_file(&self) -> String {
        let account = |Account { id, secret, role }: &Account| {
            (id.clone(), json!({"access": id, "secret": secret, "role": role}))
        };
        let accounts: Map<String, Value> = self.accounts.iter().map(account).collect();
        json!({"accessAccounts": accounts}).to_string()
    }

    fn arguments(&self, address: SocketAddrV4, health: &str, folder: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            format!("--port={address}").into(),
            format!("--region={}", self.region).into(),
            format!("--health={health}").into(),
            format!("--iam-dir={}", folder.join("iam").display()).into(),
        ];
        if let Some(domain) = &self.virtual_domain {
            arguments.push(format!("--virtual-domain={domain}:{}", address.port()).into());
        }
        // Metadata in files of its own: extended attributes, the default, are missing on
        // some of the file systems that temporary folders are on.
        arguments.extend(["posix".into(), "--sidecar".into(), folder.join("metadata").into()]);
        arguments.push(folder.join("buckets").into());
        arguments
    }
}

/// A running S3 server, without TLS. Dropping it ends it and removes its objects.
pub struct ObjectStore {
    // The order of the fields is the order in which they end.
    components: Components,
    address: SocketAddrV4,
    region: String,
    virtual_domain: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    home: Home,
}

impl ObjectStore {
    /// For an S3 server on a free loopback port, with random keys and no bucket.
    pub fn builder() -> ObjectStoreBuilder {
        ObjectStoreBuilder {
            ip: Ipv4Addr::LOCALHOST,
            region: "us-east-1".to_owned(),
            virtual_domain: None,
            accounts: Vec::new(),
        }
    }

    fn start_with(options: &ObjectStoreBuilder, program: &Path) -> Result<Self> {
        let home = Home::create()?;
        let address = SocketAddrV4::new(options.ip, ports::free()?);
        for folder in ["buckets", "metadata", "iam"] {
            disk::make_folder(&home.folder().join(folder))?;
        }
        disk::write(&home.folder().join("iam/users.json"), options.accounts_file())?;
        let health = format!("/{}", random::hex(16));
        let access_key_id = random::hex(10).to_uppercase();
        let secret_access_key = random::hex(20);

        let launch = Launch {
            name: Binary::Versitygw.name(),
            program: program.to_owned(),
            arguments: options.arguments(address, &health, home.folder()),
            environment: vec![
                ("ROOT_ACCESS_KEY", access_key_id.clone().into()),
                ("ROOT_SECRET_KEY", secret_access_key.clone().into()),
            ],
            grace: Duration::from_millis(500),
        };
        let components = Components::default();
        components.start(&launch, &home)?;
        components.await_ready(launch.name, START_LIMIT, || answers(address, &health))?;
        Ok(Self {
            components,
            address,
            region: options.region.clone(),
            virtual_domain: options.virtual_domain.clone(),
            access_key_id,
            secret_access_key,
            home,
        })
    }

    /// The address for path-style requests: `http://127.0.0.1:PORT`, unless it serves a network.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address for virtual-host-style requests, `http://DOMAIN:PORT`, if a domain was
    /// asked for. It serves path style too.
    pub fn virtual_host_endpoint(&self) -> Option<String> {
        let domain = self.virtual_domain.as_ref()?;
        Some(format!("http://{domain}:{}", self.address.port()))
    }

    /// The only region it accepts signatures for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The access key id of the one user, who may do everything.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// That user's secret.
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// Makes a bucket, or leaves it as it is. S3's rule for names holds (at least
    /// three characters, lower case).
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        disk::make_folder(&self.bucket(bucket))
    }

    /// Writes an object as a file: for arranging a test, not for trying the server.
    /// Unlike an uploaded object it has no `ETag`.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let path = self.object(bucket, key)?;
        disk::make_folder(path.parent().unwrap_or(&path))?;
        disk::write(&path, bytes)
    }

    /// The bytes of an object, as they are on the disk.
    pub fn get_object(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        disk::read_bytes(&self.object(bucket, key)?)
    }

    /// The folder with all of its files, its log among them.
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The name and process id of the server.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.components.pids()
    }

    /// An error if the server has ended by itself: how it ended, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.components.check()
    }

    /// The file of an object, which must not be outside of its bucket.
    fn object(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        let is_inside = Path::new(key).components().all(|part| matches!(part, path::Component::Normal(_)));
        ensure!(is_inside, "{key:?}: a key that names no file below its bucket");
        Ok(self.bucket(bucket).join(key))
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.home.folder().join("buckets").join(name)
    }
}

/// Whether *our* server answers: nobody else knows this path, so a stranger on the port
/// is not taken for it.
fn answers(address: SocketAddrV4, path: &str) -> bool {
    http_get(address, path, Duration::from_secs(1)).is_ok_and(|answer| answer.status == 200)
}
