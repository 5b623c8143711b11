//! Renewals by a clock that the test moves. The driver runs in this process, without mounts.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use presign_operator::csi::{NodeDriver, NodeProcess, NodeSettings};
use presign_operator::domain::limits::{HostPattern, SessionLimits, StsEndpoints};
use presign_operator::domain::volume::VolumeSettings;
use presign_operator::domain::{Limits, UrlParts};
use presign_operator::runtime::{Clock, ClockOffset, MetricsRegistry, Probes};
use presign_operator::sts::{Sts, StsSettings};
use testbed::{StsFault, curl};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::calls::{Mounted, connect};
use crate::stores::{CONTENT, store, wait_until};
use crate::tokens::web_identity;

/// A driver in this process.
struct ClockedDriver {
    home: tempfile::TempDir,
    offset: ClockOffset,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl ClockedDriver {
    fn start(home: tempfile::TempDir, offset_seconds: i64) -> Self {
        let (clock, offset) = Clock::adjustable();
        offset.set(offset_seconds);
        for folder in ["pods", "plugins"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let endpoints = StsEndpoints::parse(["http://127.0.0.1"]).unwrap();
        let sts = StsSettings {
            endpoints: endpoints.clone(),
            ca_bundle: None,
            proxy: None,
            no_proxy: None,
            ambient: None,
        };
        let sessions =
            SessionLimits { audiences: vec!["sts.amazonaws.com".to_owned()], endpoints, ambient: false };
        let limits = Limits::new(Vec::new(), vec![HostPattern::All]).with_sessions(sessions);
        let settings = NodeSettings {
            node_name: "node-1".to_owned(),
            socket: socket(home.path()),
            kubelet_dir: home.path().to_owned(),
            state_dir: home.path().join("state"),
            is_privileged: false,
            volumes: VolumeSettings { limits, denies_inline: false, has_signing_service: false },
            signing_service: None,
        };
        let mut metrics = MetricsRegistry::new("presign", "0");
        let process = NodeProcess {
            clock,
            registry: metrics.registry(),
            probes: Probes::new(Duration::from_secs(60)),
            sts: Sts::new(sts).unwrap(),
        };
        let driver = NodeDriver::new(settings, process).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            driver.run(stopped).await.unwrap();
        });
        Self { home, offset, stop: Some(stop), running }
    }

    async fn channel(&self) -> Channel {
        let socket = socket(self.home.path());
        wait_until("it listens", || socket.exists()).await;
        connect(&socket).await.unwrap()
    }

    async fn stop(mut self) -> tempfile::TempDir {
        let _ = self.stop.take().unwrap().send(());
        self.running.await.unwrap();
        self.home
    }
}

/// The URL of a volume.
fn url(volume: &Mounted) -> String {
    std::fs::read_to_string(volume.target.join("url")).unwrap()
}

/// When a URL was signed.
fn signed(url: &str) -> Timestamp {
    UrlParts::read(url).unwrap().validity.signing_time
}

fn socket(home: &Path) -> std::path::PathBuf {
    home.join("plugins/presign@url.presign.dev.sock")
}

#[tokio::test]
async fn the_driver_renews_by_its_own_clock_and_without_a_call() {
    let driver = ClockedDriver::start(tempfile::tempdir().unwrap(), 0);
    let earlier = Mounted::new(driver.home.path(), "earlier", store().await);
    let volume = Mounted::new(driver.home.path(), "clock", store().await).with(&[("expiresIn", "6m")]);
    let channel = driver.channel().await;
    earlier.publish(&channel).await.unwrap();
    volume.publish(&channel).await.unwrap();
    let (first, of_earlier) = (url(&volume), url(&earlier));
    // The other one is due after 170 to 200 seconds of 300, and the driver looks at both at the same time.
    driver.offset.set(200);
    wait_until("the other one is renewed", || url(&earlier) != of_earlier).await;
    driver.offset.set(241);
    wait_until("it is renewed", || url(&volume) != first).await;
    let second = url(&volume);
    let waited = signed(&second).duration_since(signed(&first)).as_secs();
    assert!(waited >= 204, "it is due after 204 to 240 seconds of 360, and was renewed after {waited}");
    assert_eq!(curl(&[&second]).unwrap(), CONTENT);
    assert_eq!(curl(&[&first]).unwrap(), CONTENT, "both are valid for a while");
    // A clock that was ahead by an hour when it signed, and is right again.
    driver.offset.set(3600);
    wait_until("an expired URL is replaced", || url(&volume) != second).await;
    let of_future = url(&volume);
    driver.offset.set(0);
    wait_until("a URL of the future is replaced", || url(&volume) != of_future).await;
    assert_eq!(curl(&[&url(&volume)]).unwrap(), CONTENT);
    driver.stop().await;
}

#[tokio::test]
async fn a_driver_that_was_away_for_too_long_renews_when_it_starts() {
    let driver = ClockedDriver::start(tempfile::tempdir().unwrap(), 0);
    let volume = Mounted::new(driver.home.path(), "away", store().await);
    volume.publish(&driver.channel().await).await.unwrap();
    let first = url(&volume);
    let home = driver.stop().await;
    assert!(!socket(home.path()).exists());
    let driver = ClockedDriver::start(home, 299);
    wait_until("a restart renews at once", || url(&volume) != first).await;
    volume.unpublish(&driver.channel().await).await.unwrap();
    assert!(!volume.target.exists());
    driver.stop().await;
}

/// The STS is away when a renewal needs it: the URL stays while it lives, and the next one comes when the STS is
/// back.
#[tokio::test]
async fn an_sts_that_is_away_during_a_renewal_delays_it() {
    let driver = ClockedDriver::start(tempfile::tempdir().unwrap(), 0);
    let (volume, front) = web_identity(driver.home.path(), "sts-away", "15m").await;
    volume.publish(&driver.channel().await).await.unwrap();
    let mut last = url(&volume);
    assert_eq!(curl(&[&last]).unwrap(), CONTENT);
    // A session of 15 minutes lasts for two renewals, and not for the third one.
    for seconds in [201, 420] {
        driver.offset.set(seconds);
        wait_until("it is renewed", || url(&volume) != last).await;
        last = url(&volume);
    }
    assert_eq!(front.count(None), 1);
    front.fault(StsFault::Close);
    front.set_date_offset(640);
    front.set_expiration_offset(640);
    driver.offset.set(640);
    wait_until("the STS is asked in vain", || front.count(None) > 2).await;
    assert_eq!(url(&volume), last, "the URL stays while it lives");
    volume.publish(&driver.channel().await).await.unwrap();
    assert_eq!(url(&volume), last, "a republish is answered, too");
    front.heal();
    wait_until("it is renewed when the STS is back", || url(&volume) != last).await;
    driver.stop().await;
}
