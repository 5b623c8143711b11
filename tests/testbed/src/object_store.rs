//! An S3 server that verifies signatures strictly, over folders and files.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    path::{Component as Part, Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Binary, Error, Network, Result,
    component::{Component, Launch, await_ready},
    home::Home,
    locate, ports, random,
};

const START_LIMIT: Duration = Duration::from_secs(30);

/// What an object store can be told before it starts.
#[derive(Clone, Debug)]
pub struct ObjectStoreBuilder {
    port: Option<u16>,
    ip: Ipv4Addr,
    region: String,
    virtual_domain: Option<String>,
    accounts: Vec<(String, String)>,
}

impl ObjectStoreBuilder {
    /// The port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Serves a network, whose pods reach it, instead of loopback.
    #[must_use]
    pub fn network(mut self, network: &Network) -> Self {
        self.ip = network.gateway();
        self
    }

    /// The region instead of `us-east-1`; signatures for another one are refused.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Serves `BUCKET.DOMAIN` as well as `DOMAIN/BUCKET`. With `localhost` as the domain,
    /// curl finds the server by itself; the C library's resolver may not.
    #[must_use]
    pub fn virtual_domain(mut self, domain: impl Into<String>) -> Self {
        self.virtual_domain = Some(domain.into());
        self
    }

    /// A further access key that may do everything, beside the root key.
    #[must_use]
    pub fn account(mut self, access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        self.accounts.push((access_key_id.into(), secret_access_key.into()));
        self
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When the program cannot be found or built, ends early or does not answer in time.
    pub fn start(&self) -> Result<ObjectStore> {
        let program = locate(Binary::Versitygw)?;
        ports::retry_once(self.port.is_none(), || ObjectStore::start_with(self, &program))
    }

    /// The accounts as versitygw's internal IAM keeps them.
    fn accounts_file(&self) -> String {
        let accounts: serde_json::Map<String, serde_json::Value> = self
            .accounts
            .iter()
            .map(|(id, secret)| {
                (id.clone(), serde_json::json!({"access": id, "secret": secret, "role": "admin"}))
            })
            .collect();
        serde_json::json!({"accessAccounts": accounts}).to_string()
    }

    fn arguments(
        &self,
        address: SocketAddrV4,
        health: &str,
        metadata: &Path,
        buckets: &Path,
    ) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            format!("--port={address}").into(),
            format!("--region={}", self.region).into(),
            format!("--health={health}").into(),
            format!("--iam-dir={}", metadata.with_file_name("iam").display()).into(),
        ];
        if let Some(domain) = &self.virtual_domain {
            arguments.push(format!("--virtual-domain={domain}:{}", address.port()).into());
        }
        // Metadata in files of its own: extended attributes, the default, are missing on
        // some of the file systems that temporary folders are on.
        arguments.extend(["posix".into(), "--sidecar".into(), metadata.into()]);
        arguments.push(buckets.into());
        arguments
    }
}

/// A running S3 server, without TLS. Dropping it ends it and removes its objects.
pub struct ObjectStore {
    // The order of the fields is the order in which they end.
    component: Mutex<Component>,
    address: SocketAddrV4,
    region: String,
    virtual_domain: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    buckets: PathBuf,
    home: Home,
}

impl ObjectStore {
    /// Starts an S3 server on a free loopback port, with random keys and no bucket.
    ///
    /// # Errors
    /// When the program cannot be found or built, ends early or does not answer in time.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// For an object store that differs from the usual one.
    #[must_use]
    pub fn builder() -> ObjectStoreBuilder {
        ObjectStoreBuilder {
            port: None,
            ip: Ipv4Addr::LOCALHOST,
            region: "us-east-1".to_owned(),
            virtual_domain: None,
            accounts: Vec::new(),
        }
    }

    fn start_with(options: &ObjectStoreBuilder, program: &Path) -> Result<Self> {
        let home = Home::create()?;
        let address = SocketAddrV4::new(options.ip, options.port.map_or_else(ports::free, Ok)?);
        let buckets = home.folder().join("buckets");
        let metadata = home.folder().join("metadata");
        let iam = home.folder().join("iam");
        for folder in [&buckets, &metadata, &iam] {
            fs::create_dir(folder).map_err(Error::io("make", folder))?;
        }
        let users = iam.join("users.json");
        fs::write(&users, options.accounts_file()).map_err(Error::io("write", &users))?;
        let health = format!("/{}", random::hex(16));
        let access_key_id = random::hex(10).to_uppercase();
        let secret_access_key = random::hex(20);

        let launch = Launch {
            name: Binary::Versitygw.name(),
            program: program.to_owned(),
            arguments: options.arguments(address, &health, &metadata, &buckets),
            environment: vec![
                ("ROOT_ACCESS_KEY", access_key_id.clone().into()),
                ("ROOT_SECRET_KEY", secret_access_key.clone().into()),
            ],
            grace: Duration::from_millis(500),
        };
        let mut components = [Component::start(&launch, &home)?];
        await_ready(&mut components, launch.name, START_LIMIT, || answers(address, &health))?;
        let [component] = components;
        Ok(Self {
            component: Mutex::new(component),
            address,
            region: options.region.clone(),
            virtual_domain: options.virtual_domain.clone(),
            access_key_id,
            secret_access_key,
            buckets,
            home,
        })
    }

    /// The address for path-style requests: `http://127.0.0.1:PORT`, unless it serves a network.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address for virtual-host-style requests, `http://DOMAIN:PORT`, if a domain was
    /// asked for. It serves path style too.
    #[must_use]
    pub fn virtual_host_endpoint(&self) -> Option<String> {
        let domain = self.virtual_domain.as_ref()?;
        Some(format!("http://{domain}:{}", self.address.port()))
    }

    /// The only region it accepts signatures for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The access key id of the one user, who may do everything.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// That user's secret.
    #[must_use]
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// Makes a bucket, or leaves it as it is. S3's rule for names holds (at least
    /// three characters, lower case).
    ///
    /// # Errors
    /// When the name is not that of a folder, or the file system refuses.
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        let path = self.path(bucket, "")?;
        fs::create_dir_all(&path).map_err(Error::io("make", path))
    }

    /// Writes an object as a file: for arranging a test, not for trying the server.
    /// Unlike an uploaded object it has no `ETag`.
    ///
    /// # Errors
    /// When the key is not that of a file, or the file system refuses.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(bucket, key)?;
        let folder = path.parent().unwrap_or(&self.buckets);
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        fs::write(&path, bytes).map_err(Error::io("write", path))
    }

    /// The bytes of an object, as they are on the disk.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn get_object(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        let path = self.path(bucket, key)?;
        fs::read(&path).map_err(Error::io("read", path))
    }

    /// The folder with all of its files, its log among them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.component().pid()
    }

    /// An error if the server has ended by itself.
    ///
    /// # Errors
    /// Says how it ended, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.component().check()
    }

    fn component(&self) -> MutexGuard<'_, Component> {
        self.component.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        let is_plain = |name: &str| {
            !name.split('/').any(str::is_empty)
                && Path::new(name).components().all(|part| matches!(part, Part::Normal(_)))
        };
        let refuse = |name: &str, reason| Err(Error::BadName { name: name.to_owned(), reason });
        if bucket.len() < 3 || bucket.contains('/') || !is_plain(bucket) {
            return refuse(bucket, "a bucket is one folder, of at least three characters");
        }
        if !key.is_empty() && !is_plain(key) {
            return refuse(key, "no part of a key may be empty, `.` or `..`");
        }
        Ok(self.buckets.join(bucket).join(key))
    }
}

/// Whether *our* server answers: nobody else knows this path, so a stranger on the port
/// is not taken for it.
fn answers(address: SocketAddrV4, path: &str) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(address), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut status = vec![0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}
