//! The port of the probes under a crowd: whoever can reach it must not get the pod restarted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::harness::{DEADLINE, Space};

/// Peers at a time.
const CROWD: usize = 1200;
/// Peers of a crowd that the operator must have met before it is probed. It holds 512 at a time, so
/// that of this crowd it shows out more.
const MET: usize = 600;
/// Objects that a scrape counts.
const OBJECTS: usize = 3000;
/// Scrapes at a time.
const SCRAPES: usize = 200;
/// Probes while a crowd is there.
const PROBES: usize = 7;
/// What the chart gives a probe: with one that takes longer, kubelet counts a failure.
const TIME_OUT: Duration = Duration::from_secs(5);
/// What kubelet gives a probe by default.
const DEFAULT_TIME_OUT: Duration = Duration::from_secs(1);
/// A pod's address that is not the node's.
const ELSEWHERE: &str = "127.0.0.2:0";
/// How long a peer tries to connect before it starts again. The kernel retries at growing intervals: without this limit,
/// peers that reconnect at once would keep others out.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a peer waits for the operator, which closes each connection within 10 s. If too many peers connect at once,
/// the kernel may drop a connection that the peer sees as open.
const UNHEARD: Duration = Duration::from_secs(30);
const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

/// How the peers of a crowd behave.
#[derive(Clone, Copy, Debug)]
enum Manners {
    /// They connect and say nothing.
    Silent,
    /// They send a byte of a request each second.
    Slow,
    /// They ask for the largest page and never read it.
    Deaf,
    /// They speak something else.
    Garbage,
    /// They are silent, at another address, and come again when they are shown out.
    Insistent,
}

async fn connect(to: SocketAddr, from: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // So that little fits into what the kernel keeps for one who does not read.
    socket.set_recv_buffer_size(2048)?;
    socket.bind(from.parse().unwrap())?;
    socket.connect(to).await
}

/// One peer, for good; it counts as met as soon as the operator has answered it or shown it out.
async fn behave(to: SocketAddr, manners: Manners, number: usize, met: Arc<AtomicUsize>) {
    let from = if matches!(manners, Manners::Insistent) { ELSEWHERE } else { "127.0.0.1:0" };
    let mut is_met = false;
    loop {
        if let Ok(Ok(mut stream)) = timeout(AGAIN, connect(to, from)).await {
            if timeout(UNHEARD, converse(&mut stream, manners, number)).await.is_err() {
                continue;
            }
            if !std::mem::replace(&mut is_met, true) {
                met.fetch_add(1, Ordering::Relaxed);
            }
            match manners {
                Manners::Insistent => {}
                // It keeps its end open.
                Manners::Garbage => return std::future::pending().await,
                // It keeps its end open for a while and comes again, so that a crowd is there during the
                // probes. An answer that nobody reads takes longer to be given up.
                Manners::Silent | Manners::Slow => sleep(Duration::from_secs(2)).await,
                Manners::Deaf => sleep(Duration::from_secs(8)).await,
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What a peer does on its connection, until the operator answers it or shows it out.
async fn converse(stream: &mut TcpStream, manners: Manners, number: usize) {
    let mut answer = [0; 16];
    match manners {
        Manners::Silent | Manners::Insistent => {}
        Manners::Slow => {
            let (mut from, mut to) = stream.split();
            let slowly = async {
                for byte in SCRAPE.iter().take(SCRAPE.len() - 1) {
                    if to.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
                // It waits for the operator, which has to end this.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = slowly => {}
                _ = from.read(&mut answer) => {}
            }
            return;
        }
        Manners::Deaf => {
            let _ = stream.write_all(SCRAPE).await;
            // That there is an answer, without taking any of it.
            let _ = stream.peek(&mut answer).await;
            return;
        }
        Manners::Garbage => {
            let garbage: [&[u8]; 4] = [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                b"\0\0\0\0\xff\xff\xff\xff\r\n\r\n",
                b"GET /livez HTTP/9.9\r\n: \r\n\r\n",
            ];
            let _ = stream.write_all(garbage[number % garbage.len()]).await;
        }
    }
    let _ = stream.read(&mut answer).await;
}

/// Waits until the operator has met a crowd. Fails only when no further peer is met for [`DEADLINE`].
async fn gathered(met: &AtomicUsize, manners: Manners) {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let now = met.load(Ordering::Relaxed);
        if now >= MET {
            return;
        }
        if now > before {
            (before, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < DEADLINE, "{manners:?}: {now} of {CROWD} have come, and then no more");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The whole answer to a request for a page, on a connection of its own, as kubelet asks.
async fn ask(to: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Every probe is answered within the time that the chart gives it.
async fn probe(to: SocketAddr, manners: &str) {
    let mut late = 0;
    for number in 0..PROBES {
        for path in ["/livez", "/readyz"] {
            let begun = Instant::now();
            let answer = timeout(TIME_OUT, ask(to, path)).await;
            assert!(
                matches!(&answer, Ok(Ok(text)) if text.starts_with("HTTP/1.1 200 ")),
                "{manners}: {path}, probe {number}: {answer:?}"
            );
            late += usize::from(begun.elapsed() > DEFAULT_TIME_OUT);
        }
    }
    // How many these are says as much of the machine as of the operator.
    println!("{manners}: {late} of {} probes took longer than a second", 2 * PROBES);
}

/// How many objects a page of metrics counts.
fn objects(page: &str) -> f64 {
    let counts = page.lines().filter(|line| line.starts_with("presign_objects{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_whatever_crowd_is_at_the_port() {
    let space = Space::new("crowds").await;
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("o{number}")).collect();
    futures::stream::iter(&names)
        .for_each_concurrent(32, async |name| {
            space.apply(name, space.spec(json!({"suspend": true}))).await;
        })
        .await;
    let to = space.operator.address();
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let are_counted = async || objects(&ask(to, "/metrics").await.unwrap()) >= OBJECTS as f64;
    assert!(testbed::eventually(DEADLINE, are_counted).await, "not all objects are counted");
    probe(to, "nobody").await;

    for manners in [Manners::Silent, Manners::Slow, Manners::Deaf, Manners::Garbage, Manners::Insistent] {
        let (mut crowd, met) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for number in 0..CROWD {
            crowd.spawn(behave(to, manners, number, met.clone()));
        }
        gathered(&met, manners).await;
        probe(to, &format!("{manners:?}")).await;
        // When they have gone, nothing is left of them.
        crowd.shutdown().await;
        let page = timeout(DEADLINE, ask(to, "/metrics")).await.expect("a scrape is served").unwrap();
        assert!(page.ends_with("# EOF\n"), "after {manners:?}: {page}");
    }

    let mut scrapes = JoinSet::new();
    for _ in 0..SCRAPES {
        scrapes.spawn(ask(to, "/metrics"));
    }
    probe(to, "scrapes").await;
    let pages = timeout(DEADLINE, scrapes.join_all()).await.expect("all scrapes are answered");
    for page in pages {
        let page = page.unwrap();
        assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("# EOF\n"), "{page}");
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        let is_whole = objects(&page) >= OBJECTS as f64;
        assert!(is_whole, "{page}");
    }
}
