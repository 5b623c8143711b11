//! A network in which each address is this machine's, with a name server and a server on port 80.
#![cfg(target_os = "linux")]

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

const PREPARE: &str = "ip link set lo up && for address in 169.254.169.254 93.184.216.34 10.1.2.3 100.64.0.1; \
    do ip addr add $address/32 dev lo; done && echo 'nameserver 127.0.0.1' > \"$RESOLVER\" && \
    mount --bind \"$RESOLVER\" /etc/resolv.conf && exec \"$0\" \"$@\"";

/// Runs a test of this binary in such a network.
pub fn run(test: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", PREPARE])
        .arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("RESOLVER", file.path());
    let output = command.output().expect("a network of its own needs the programs unshare and ip");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

/// The servers.
pub struct IsolatedServers {
    reached: Arc<Mutex<Vec<String>>>,
}

impl IsolatedServers {
    pub async fn new() -> Self {
        let names = UdpSocket::bind("127.0.0.1:53").await.unwrap();
        tokio::spawn(async move {
            let (mut query, mut rebinds) = ([0; 512], 0);
            loop {
                let (length, from) = names.recv_from(&mut query).await.unwrap();
                let answer = resolve(&query[..length], &mut rebinds);
                names.send_to(&answer, from).await.unwrap();
            }
        });
        let server = TcpListener::bind("[::]:80").await.unwrap();
        let reached = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&reached);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = server.accept().await.unwrap();
                noted.lock().unwrap().push(stream.local_addr().unwrap().ip().to_canonical().to_string());
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let answer = "HTTP/1.1 206 X\r\nx-amz-request-id: r\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx";
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { reached }
    }

    /// The addresses that were connected to up to now.
    pub fn reached(&self) -> Vec<String> {
        self.reached.lock().unwrap().clone()
    }
}

/// The addresses of a name. Of `rebind.test`, only the first answer is harmless.
fn addresses(name: &str, is_v6: bool, rebinds: &mut usize) -> Vec<IpAddr> {
    let v4 = |address: [u8; 4]| IpAddr::V4(Ipv4Addr::from(address));
    let (public, metadata) = (v4([93, 184, 216, 34]), v4([169, 254, 169, 254]));
    let v6 = |text: &str| vec![IpAddr::V6(text.parse::<Ipv6Addr>().unwrap())];
    match (name, is_v6) {
        ("public.test", false) => vec![public],
        ("metadata.test" | "metadata-by-range.test", false) => vec![metadata],
        ("loopback.test", false) => vec![v4([127, 0, 0, 1])],
        ("carrier.test", false) => vec![v4([100, 64, 0, 1])],
        ("private.test", false) => vec![v4([10, 1, 2, 3])],
        ("mixed.test", false) => vec![metadata, public],
        ("loopback6.test", true) => v6("::1"),
        ("mapped.test", true) => v6("::ffff:169.254.169.254"),
        ("nat.test", true) => v6("64:ff9b::169.254.169.254"),
        ("rebind.test", false) => {
            *rebinds += 1;
            if *rebinds == 1 { vec![public] } else { vec![metadata] }
        }
        _ => Vec::new(),
    }
}

/// The answer to a query with one question.
fn resolve(query: &[u8], rebinds: &mut usize) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    let is_v6 = query[at + 2] == 28;
    let found = addresses(&labels.join("."), is_v6, rebinds);
    let mut answer = query[..2].to_vec();
    let count = u8::try_from(found.len()).unwrap();
    answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(&query[12..at + 5]);
    for address in found {
        let (kind, bytes) = match address {
            IpAddr::V4(address) => (1, address.octets().to_vec()),
            IpAddr::V6(address) => (28, address.octets().to_vec()),
        };
        // The name of the question, the class IN, and no time to live.
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()]);
        answer.extend(bytes);
    }
    answer
}
