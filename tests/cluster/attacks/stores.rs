//! The stores that the attacks are tried on: versitygw, which refuses headers that nobody signed, and s3s
//! over s3s-fs, which acts on them. Both keep objects as files.

use std::collections::BTreeMap;
use std::net::TcpListener as Listener;
use std::path::{Path, PathBuf};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::host::MultiDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::World;

/// A running store.
pub struct Store {
    pub name: &'static str,
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Whether it carries out a copy that nobody signed.
    pub acts_on_unsigned_headers: bool,
    /// The folder of which each folder is a bucket.
    buckets: PathBuf,
    /// The same, if it goes with this.
    _temporary: Option<TempDir>,
}

impl Store {
    /// The store of a world.
    pub fn of(world: &World) -> Self {
        let store = &world.store;
        Self {
            name: "versitygw",
            endpoint: store.endpoint(),
            region: store.region().to_owned(),
            access_key_id: store.access_key_id().to_owned(),
            secret_access_key: store.secret_access_key().to_owned(),
            acts_on_unsigned_headers: false,
            buckets: store.folder().join("buckets"),
            _temporary: None,
        }
    }

    /// Starts s3s on a free port; it ends with the process.
    pub fn start_s3s() -> Self {
        let (access_key_id, secret_access_key) = ("S3SPLATFORMKEY", "the-secret-of-the-platform-at-s3s");
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = {
            let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
            builder.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
            builder.set_host(MultiDomain::new([format!("127.0.0.1:{port}")]).unwrap());
            builder.build()
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, service));
        });
        Self {
            name: "s3s",
            endpoint: format!("http://127.0.0.1:{port}"),
            region: "us-east-1".to_owned(),
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            acts_on_unsigned_headers: true,
            buckets: folder.path().to_owned(),
            _temporary: Some(folder),
        }
    }

    /// The Secret of the platform team with the key of this store.
    pub fn secret(&self) -> String {
        format!("vault-of-{}", self.name)
    }

    /// The connection of a signer or of a `PresignedUrl`, with the credentials in a Secret.
    pub fn connection(&self, secret: &str) -> Value {
        json!({
            "endpoint": self.endpoint, "region": self.region,
            "credentials": {"secretRef": {"name": secret}},
        })
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, content: &str) {
        let path = self.buckets.join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The content of an object, if there is one.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.buckets.join(bucket).join(key)).ok()
    }

    /// All objects of a bucket, by `bucket/key`.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        collect(&self.buckets, &self.buckets.join(bucket), &mut objects);
        objects
    }
}

fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        // What versitygw writes before it is an object.
        if name.contains(".sgwtmp") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, objects);
        } else {
            objects.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

async fn serve(listener: Listener, service: S3Service) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(connection);
    }
}
