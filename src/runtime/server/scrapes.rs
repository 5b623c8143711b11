//! The page of metrics. One page is written at a time, however many clients ask.
//!
//! The modules that register metrics decide what is on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a scrape waits for its page. Prometheus gives up after 10 s.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);
/// Writing pages takes at most 1 / `SHARE` of the time of one thread.
const SHARE: u32 = 10;
/// The longest rest between two pages.
const MAX_REST: Duration = Duration::from_secs(1);

/// Writes the page of metrics. Cheap to clone.
///
/// # Guarantees
/// - One page is written at a time, on a thread that serves nothing else. After each page there is a rest
///   that is nine times as long, but at most one second.
/// - A page is never older than the request. Requests that arrive while a page is written share the next
///   one.
#[derive(Clone)]
pub struct Scrapes {
    encode: Arc<dyn Fn() -> Result<String, fmt::Error> + Send + Sync>,
    begun: Arc<AtomicU64>,
    last: Arc<Mutex<Last>>,
}

/// The last page that was written.
struct Last {
    /// Number of the page.
    number: u64,
    page: Result<Bytes, NoPage>,
    /// When the next page may begin.
    rested: Instant,
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPage {
    /// The page cannot be written.
    Broken,
    /// Too many clients ask, or writing a page takes too long.
    Busy,
}

impl Scrapes {
    /// Scrapes whose pages `encode` writes.
    pub fn new(encode: impl Fn() -> Result<String, fmt::Error> + Send + Sync + 'static) -> Self {
        let last = Last { number: 0, page: Err(NoPage::Broken), rested: Instant::now() };
        Self { encode: Arc::new(encode), begun: Arc::default(), last: Arc::new(Mutex::new(last)) }
    }

    /// A page that begins after this call.
    pub(super) async fn page(&self) -> Result<Bytes, NoPage> {
        timeout(SCRAPE_TIMEOUT, self.newer_than(self.begun.load(Ordering::SeqCst)))
            .await
            .unwrap_or(Err(NoPage::Busy))
    }

    async fn newer_than(&self, number: u64) -> Result<Bytes, NoPage> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if last.number > number {
            return last.page.clone();
        }
        if last.rested > Instant::now() {
            sleep_until(last.rested).await;
        }
        let (encode, begun) = (Arc::clone(&self.encode), Arc::clone(&self.begun));
        // The thread holds the lock, so that a request that is cancelled does not start a second page.
        let written = spawn_blocking(move || {
            let start = Instant::now();
            last.number = begun.fetch_add(1, Ordering::SeqCst) + 1;
            // If `encode` panics, there is no page, rather than the old one.
            last.page = Err(NoPage::Broken);
            last.page = encode().map(Bytes::from).map_err(|_| NoPage::Broken);
            let now = Instant::now();
            last.rested = now + (now.duration_since(start) * (SHARE - 1)).min(MAX_REST);
            last.page.clone()
        });
        written.await.unwrap_or(Err(NoPage::Broken))
    }
}

impl fmt::Debug for Scrapes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrapes")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::future::join_all;

    use super::*;

    /// Scrapes whose pages show their number. Each page is written when the sender lets it through.
    fn held() -> (Scrapes, mpsc::Sender<()>) {
        let (let_through, gate) = mpsc::channel();
        let (gate, count) = (std::sync::Mutex::new(gate), AtomicU64::new(0));
        let encode = move || {
            gate.lock().unwrap().recv().map_err(|_| fmt::Error)?;
            Ok((count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        };
        (Scrapes::new(encode), let_through)
    }

    #[tokio::test]
    async fn a_crowd_shares_the_page_that_is_begun_after_it_came() {
        let (scrapes, let_through) = held();
        let early = tokio::spawn({
            let scrapes = scrapes.clone();
            async move { scrapes.page().await }
        });
        while scrapes.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let crowd = (0..200).map(|_| scrapes.page());
        let mut crowd = std::pin::pin!(join_all(crowd));
        assert!(futures::poll!(&mut crowd).is_pending());
        let_through.send(()).unwrap();
        let_through.send(()).unwrap();
        assert_eq!(early.await.unwrap().unwrap(), "1");
        let pages = crowd.await;
        assert!(pages.iter().all(|page| page.as_ref().is_ok_and(|page| page == "2")), "{pages:?}");
        drop(let_through);
        assert_eq!(scrapes.page().await, Err(NoPage::Broken));
    }

    #[tokio::test]
    async fn a_panic_leaves_no_page_rather_than_an_old_one() {
        let (count, (let_through, gate)) = (AtomicU64::new(0), mpsc::channel::<()>());
        let gate = std::sync::Mutex::new(gate);
        let scrapes = Scrapes::new(move || {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                return Ok("old".to_owned());
            }
            gate.lock().unwrap().recv().unwrap();
            panic!("on purpose");
        });
        assert_eq!(scrapes.page().await.unwrap(), "old");
        let asked_before = scrapes.newer_than(1);
        let panics = tokio::spawn({
            let scrapes = scrapes.clone();
            async move { scrapes.page().await }
        });
        while scrapes.begun.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        let_through.send(()).unwrap();
        assert_eq!(panics.await.unwrap(), Err(NoPage::Broken));
        assert_eq!(asked_before.await, Err(NoPage::Broken), "it shares what was begun after it came");
    }

    #[tokio::test]
    async fn a_scrape_that_cannot_be_served_in_time_is_reported() {
        let (scrapes, let_through) = held();
        tokio::time::pause();
        let mut pages = std::pin::pin!(join_all([scrapes.page(), scrapes.page()]));
        while scrapes.begun.load(Ordering::SeqCst) == 0 {
            assert!(futures::poll!(&mut pages).is_pending());
            tokio::task::yield_now().await;
        }
        tokio::time::advance(SCRAPE_TIMEOUT + Duration::from_millis(1)).await;
        assert_eq!(pages.await, [Err(NoPage::Busy), Err(NoPage::Busy)]);
        let_through.send(()).unwrap();
        let_through.send(()).unwrap();
        tokio::time::resume();
        assert!(scrapes.page().await.is_ok());
    }
}
