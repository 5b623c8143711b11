//! A signing service that does what a test tells it, also what the operator never does. Its URLs lead nowhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presign_operator::runtime::Clock;
use serde_json::{Value, json};
use testbed::ServerCertificate;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How the service behaves.
#[derive(Clone, Debug)]
pub enum Mood {
    /// It signs.
    Signs,
    /// It signs, and this part of the answer is another.
    SignsBut(&'static str, Value),
    /// It answers with this status and body.
    Answers(u16, String),
    /// It closes connections without an answer.
    Closes,
    /// It never answers.
    Hangs,
    /// It begins an answer and never ends it.
    Stalls,
}

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first line.
    pub line: String,
    /// The header `Authorization`.
    pub authorization: String,
    /// The body.
    pub body: Value,
}

/// A running service.
pub struct FakeService {
    pub url: String,
    /// Its certificate.
    pub pem: String,
    home: tempfile::TempDir,
    shared: Arc<Mutex<(Mood, Vec<Asked>)>>,
    serving: tokio::task::JoinHandle<()>,
}

/// A certificate for this machine.
pub fn certificate() -> ServerCertificate {
    ServerCertificate::of("127.0.0.1")
}

impl FakeService {
    /// A service that signs. Its certificate is in the file `ca`.
    pub async fn start() -> Self {
        let certificate = certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new((Mood::Signs, Vec::new())));
        let (acceptor, state) = (certificate.acceptor(), shared.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), state.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &state).await;
                    }
                });
            }
        });
        let service =
            Self { url, pem: certificate.pem(), home: tempfile::tempdir().unwrap(), shared, serving };
        std::fs::write(service.ca(), &service.pem).unwrap();
        service
    }

    /// The file that the driver reads.
    pub fn ca(&self) -> PathBuf {
        self.home.path().join("ca.crt")
    }

    /// The flags of a driver that asks the service.
    pub fn flags(&self) -> [String; 2] {
        [format!("--signing-service={}", self.url), format!("--signing-ca={}", Path::display(&self.ca()))]
    }

    /// From now on, it behaves so.
    pub fn becomes(&self, mood: Mood) {
        self.shared.lock().unwrap().0 = mood;
    }

    /// What was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().1.clone()
    }
}

impl Drop for FakeService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + tokio::io::AsyncWrite + Unpin,
    state: &Mutex<(Mood, Vec<Asked>)>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    let (mood, count) = {
        let mut state = state.lock().unwrap();
        state.1.push(asked.clone());
        (state.0.clone(), state.1.len())
    };
    let (status, body, more) = match mood {
        Mood::Closes => return,
        Mood::Hangs => return tokio::time::sleep(Duration::from_secs(300)).await,
        Mood::Answers(status, body) => (status, body, 0),
        Mood::Signs => (200, signed(&asked.body, count).to_string(), 0),
        Mood::Stalls => (200, signed(&asked.body, count).to_string(), 100),
        Mood::SignsBut(place, value) => {
            let mut answer = signed(&asked.body, count);
            *answer.pointer_mut(place).unwrap() = value;
            (200, answer.to_string(), 0)
        }
    };
    let length = body.len() + more;
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.flush().await;
    if more > 0 {
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let of_line = |line: &str| line.to_ascii_lowercase().starts_with(name);
                head.lines().find(|line| of_line(line)).map(|line| line[name.len()..].trim().to_owned())
            };
            let length: usize = header("content-length:")?.parse().ok()?;
            if body.len() >= length {
                return Some(Asked {
                    line: head.lines().next()?.to_owned(),
                    authorization: header("authorization:")?,
                    body: serde_json::from_str(body).ok()?,
                });
            }
        }
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&part[..count]);
    }
}

/// The answer to a question: URLs with a number, for 15 minutes.
fn signed(question: &Value, number: usize) -> Value {
    let now = Clock::system().now();
    let after = |seconds| now.checked_add(Duration::from_secs(seconds)).unwrap();
    let urls = question["urls"].as_object().unwrap();
    let of_url = |(name, spec): (&String, &Value)| {
        let folder = Some(name).filter(|name| !name.is_empty());
        let key = spec["key"].as_str().unwrap().replace(' ', "%20");
        [
            ("url", format!("https://store.example/{key}?number={number}")),
            ("method", "GET".to_owned()),
            ("headers", String::new()),
            ("expires-at", after(900).to_string()),
        ]
        .map(|(file, content)| json!({"folder": folder, "name": file, "content": content}))
    };
    json!({
        "files": urls.iter().flat_map(of_url).collect::<Vec<_>>(),
        "signingTime": now, "renewalTime": after(600), "expirationTime": after(900),
    })
}
