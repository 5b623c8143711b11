//! s3s over s3s-fs, served from a thread of this process.

use std::path::PathBuf;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::host::MultiDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::Store;
use crate::scratch::Scratch;
use crate::sigv4::hex;

/// Starts it on a free port; it ends with the process.
pub(super) fn start() -> Store {
    let (access_key_id, secret_access_key) = ("S3SKEY".to_owned(), format!("{}+/=", hex(b"secret of s3s")));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = Scratch::folder();
    let root = PathBuf::from(folder.path());
    let service = {
        let mut builder = S3ServiceBuilder::new(FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single(access_key_id.clone(), secret_access_key.clone()));
        builder.set_host(
            MultiDomain::new([format!("s3.localhost:{port}"), format!("127.0.0.1:{port}")]).unwrap(),
        );
        builder.build()
    };
    std::thread::spawn(move || runtime.block_on(serve(listener, service)));
    Store {
        name: "s3s",
        endpoint: format!("http://127.0.0.1:{port}"),
        named_endpoint: format!("http://s3.localhost:{port}"),
        region: "us-east-1".to_owned(),
        access_key_id,
        secret_access_key,
        create_bucket: Box::new(move |bucket| {
            std::fs::create_dir(PathBuf::from(folder.path()).join(bucket)).unwrap();
        }),
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(connection);
    }
}
