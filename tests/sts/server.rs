//! A server that answers each request with the same bytes, whatever they are, and keeps the requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What a server does after a request.
#[derive(Clone)]
pub enum Deed {
    /// Sends these bytes and closes the connection.
    Send(Vec<u8>),
    /// Nothing, and keeps the connection.
    Nothing,
}

pub struct StubServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<usize>>,
    /// How many connections have ended.
    ended: watch::Sender<usize>,
}

impl StubServer {
    pub async fn start(deed: Deed, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server =
            Self { port, requests: Arc::default(), sent: Arc::default(), ended: watch::Sender::default() };
        let (requests, sent) = (Arc::clone(&server.requests), Arc::clone(&server.sent));
        let ended = server.ended.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (deed, requests, sent) = (deed.clone(), Arc::clone(&requests), Arc::clone(&sent));
                let (tls, ended) = (tls.clone(), ended.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, deed, &requests, &sent).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, deed, &requests, &sent).await;
                        }
                    }
                    ended.send_modify(|ended| *ended += 1);
                });
            }
        });
        server
    }

    pub async fn sends(bytes: impl Into<Vec<u8>>) -> Self {
        Self::start(Deed::Send(bytes.into()), None).await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests up to now, with their bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many connections have ended, and returns how many bytes of answers were taken.
    pub async fn sent_in(&self, connections: usize) -> usize {
        let mut ended = self.ended.subscribe();
        let enough = ended.wait_for(|ended| *ended >= connections);
        assert!(tokio::time::timeout(Duration::from_secs(60), enough).await.is_ok(), "connections stay open");
        *self.sent.lock().unwrap()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    deed: Deed,
    requests: &Mutex<Vec<String>>,
    sent: &Mutex<usize>,
) {
    let Some(request) = request(&mut stream).await else { return };
    requests.lock().unwrap().push(request);
    match deed {
        Deed::Nothing => tokio::time::sleep(Duration::from_secs(3600)).await,
        Deed::Send(bytes) => {
            for part in bytes.chunks(16 * 1024) {
                if stream.write_all(part).await.is_err() {
                    return;
                }
                *sent.lock().unwrap() += part.len();
            }
            let _ = stream.shutdown().await;
        }
    }
}

/// Reads a request with its body; `None` when the connection ends before.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&part[..read]),
            _ => return None,
        }
    }
}

/// An HTTP answer. `headers` are lines, each with its end.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// The header `Date`.
pub fn date(time: Timestamp) -> String {
    format!("date: {}\r\n", time.strftime("%a, %d %b %Y %H:%M:%S GMT"))
}

/// What an STS answers to `action`.
pub fn session(action: &str, id: &str, secret: &str, token: &str, expiration: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    )
}

/// An error of an STS of AWS.
pub fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}
