//! The proxy of a kubeconfig, and names that are not in it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::Space;
use crate::terminal::Terminal;

/// A proxy on loopback.
struct LocalProxy {
    address: String,
    /// How many connections went through it.
    count: Arc<AtomicUsize>,
}

impl LocalProxy {
    /// A proxy that `greet` connects with the server that a client asks for.
    fn start(greet: fn(&mut TcpStream) -> io::Result<TcpStream>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(mut client), counted) = (client, counted.clone()) else { continue };
                std::thread::spawn(move || {
                    let Ok(mut server) = greet(&mut client) else { return };
                    counted.fetch_add(1, Ordering::SeqCst);
                    let (mut back, mut there) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    std::thread::spawn(move || io::copy(&mut back, &mut there));
                    let _ = io::copy(&mut client, &mut server);
                });
            }
        });
        Self { address, count }
    }
}

fn read<const N: usize>(client: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// An HTTP proxy: `CONNECT HOST:PORT`.
fn connect(client: &mut TcpStream) -> io::Result<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read::<1>(client)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let is_connect = words.next() == Some("CONNECT");
    let server = words.next().filter(|_| is_connect).ok_or(io::ErrorKind::InvalidData)?;
    let server = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(server)
}

/// A SOCKS proxy of version 5, without a password.
fn socks(client: &mut TcpStream) -> io::Result<TcpStream> {
    let [5, methods] = read(client)? else { return Err(io::ErrorKind::InvalidData.into()) };
    for _ in 0..methods {
        read::<1>(client)?;
    }
    client.write_all(&[5, 0])?;
    let host = match read(client)? {
        [5, 1, 0, 1] => std::net::Ipv4Addr::from(read::<4>(client)?).to_string(),
        [5, 1, 0, 3] => {
            let [length] = read(client)?;
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name)?;
            String::from_utf8_lossy(&name).into_owned()
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let port = u16::from_be_bytes(read(client)?);
    let server = TcpStream::connect((host.as_str(), port))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_a_kubeconfig_is_used() {
    let space = Space::new("plugin-proxy").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let terminal = Terminal::new(&space);
    let set = |proxy: &str| {
        let name = "$(kubectl config view --minify -o jsonpath='{.clusters[0].name}')";
        let (_, said, code) =
            terminal.pipe(&format!("kubectl config set-cluster {name} --proxy-url={proxy}"));
        assert_eq!(code, 0, "{said}");
    };
    let status = "kubectl presign status report";
    block_in_place(|| {
        for (scheme, proxy) in [("http", LocalProxy::start(connect)), ("socks5", LocalProxy::start(socks))] {
            set(&format!("{scheme}://{}", proxy.address));
            terminal.run(status).shows(0, &["Ready, Issued"]);
            assert!(proxy.count.load(Ordering::SeqCst) > 0, "{scheme}: nothing went through the proxy");
        }
        set("https://me:hidden-password@127.0.0.1:1");
        let screen = terminal.run(status);
        screen.shows(2, &["proxy-url of the kubeconfig begins with https://, which is not supported"]);
        assert!(!screen.text.contains("hidden-password"), "{}", screen.text);
        // As for kubectl, the proxy of the environment is not for loopback addresses.
        set("");
        let proxied = "env -u NO_PROXY -u no_proxy HTTPS_PROXY=http://127.0.0.1:1";
        terminal.run(&format!("{proxied} {status}")).shows(0, &["Ready, Issued"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_in_the_kubeconfig_is_a_wrong_use() {
    let space = Space::new("plugin-names").await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        for kind in ["context", "cluster", "user"] {
            let command = format!("kubectl presign check --{kind} nothing");
            terminal
                .run(&command)
                .shows(2, &[&format!("error: the kubeconfig has no {kind} \"nothing\": name one of \"")]);
        }
    });
}
