//! What the driver costs with many volumes. `make bench-csi` runs it with a release binary.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt as _;

use crate::calls::Mounted;
use crate::node::{CsiNode, release_binary};
use crate::page;

/// How many volumes are published at a time.
const AT_ONCE: usize = 8;
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(30);
/// URLs of five minutes are renewed before this time.
const RENEWED: Duration = Duration::from_secs(260);
/// The limit of the chart.
const LIMIT: u64 = 128 << 20;

/// What was measured with a number of volumes.
struct Costs {
    volumes: u32,
    resident: f64,
    charged: Option<f64>,
    published: f64,
    publish_ms: f64,
    idle_percent: f64,
    renew_ms: f64,
    late: u64,
    adopted: f64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make bench-csi runs it"]
async fn the_driver_with_many_volumes() {
    assert!(release_binary().is_some(), "PRESIGN_BINARY names a release binary");
    let mut text = String::from(
        "| volumes | memory, MiB: the process · all that its container is charged for | published, 8 at a time, s · processor time each, ms | idle, share of a core | a renewal, processor time, ms · volumes that were late | restart until all are served, s |\n|---:|---:|---:|---:|---:|---:|\n",
    );
    for volumes in [0, 100, 1000] {
        let costs = measure(volumes).await;
        let charged = costs.charged.map_or("-".to_owned(), |mib| format!("{mib:.1}"));
        writeln!(
            text,
            "| {} | {:.1} · {charged} | {:.1} · {:.2} | {:.2} % | {:.2} · {} | {:.2} |",
            costs.volumes,
            costs.resident,
            costs.published,
            costs.publish_ms,
            costs.idle_percent,
            costs.renew_ms,
            costs.late,
            costs.adopted
        )
        .unwrap();
    }
    page::put("bench-csi-volumes", &text);
}

async fn measure(volumes: u32) -> Costs {
    let group = MemoryGroup::new();
    let mut node = CsiNode::new(&[]).await;
    node.move_to(&group.0).await;
    let channel = node.channel().await;
    let mut all: Vec<Mounted> = Vec::new();
    for number in 0..volumes {
        all.push(node.volume(&format!("volume-{number}")).await);
    }
    let (begun, before) = (Instant::now(), processor(&node));
    let published = futures::stream::iter(&all).for_each_concurrent(AT_ONCE, |volume| {
        let channel = channel.clone();
        async move { volume.publish(&channel).await.unwrap() }
    });
    published.await;
    let (took, used) = (begun.elapsed().as_secs_f64(), processor(&node) - before);
    let each = |seconds: f64| if volumes == 0 { 0.0 } else { seconds * 1000.0 / f64::from(volumes) };

    let before = processor(&node);
    tokio::time::sleep(IDLE).await;
    let idle_percent = (processor(&node) - before) * 100.0 / IDLE.as_secs_f64();

    let before = processor(&node);
    let mut late = 0;
    let waited = Instant::now();
    while volumes > 0 && count(&node, "presign_csi_issued_total{reason=\"RenewalDue\"}") < u64::from(volumes)
    {
        late = late.max(count(&node, "presign_csi_volumes{state=\"Late\"}"));
        assert!(waited.elapsed() < RENEWED, "not all were renewed:\n{}", node.page("/metrics"));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // The time of doing nothing is not that of the renewals.
    let of_nothing = idle_percent / 100.0 * waited.elapsed().as_secs_f64();
    let renewed = (processor(&node) - before - of_nothing).max(0.0);
    let (resident, charged) = (resident(&node), group.charged());

    node.kill();
    let begun = Instant::now();
    node.start().await;
    while count(&node, "presign_csi_volumes{state=\"Serving\"}") < u64::from(volumes) {
        assert!(begun.elapsed() < RENEWED, "not all were taken over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let adopted = begun.elapsed().as_secs_f64();
    let channel = node.channel().await;
    for volume in &all {
        volume.unpublish(&channel).await.unwrap();
    }
    // What is left is the file system that it keeps its records in.
    assert_eq!(node.mounts().len(), 0);
    let (publish_ms, renew_ms) = (each(used), each(renewed));
    Costs { volumes, resident, charged, published: took, publish_ms, idle_percent, renew_ms, late, adopted }
}

/// The processor time of the driver, in seconds.
fn processor(node: &CsiNode) -> f64 {
    testbed::processor_seconds(node.pid()).unwrap()
}

/// The memory of the driver's process, in MiB.
fn resident(node: &CsiNode) -> f64 {
    let kibibytes = testbed::kibibytes(node.pid(), "VmRSS").unwrap();
    f64::from(u32::try_from(kibibytes).unwrap()) / 1024.0
}

/// A number on the page of the metrics.
fn count(node: &CsiNode, name: &str) -> u64 {
    testbed::sample(&node.page("/metrics"), name).unwrap_or_default()
}

/// A cgroup with the limit of the chart, which counts the files of the volumes too.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new() -> Self {
        let name = format!("presign-csi-{}", std::process::id());
        let root = PathBuf::from("/sys/fs/cgroup");
        let (root, limit) = if root.join("memory").is_dir() {
            (root.join("memory"), "memory.limit_in_bytes")
        } else {
            (root, "memory.max")
        };
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        let _ = std::fs::write(folder.join(limit), LIMIT.to_string());
        Self(folder)
    }

    /// What it is charged for, in MiB.
    fn charged(&self) -> Option<f64> {
        let files = ["memory.usage_in_bytes", "memory.current"].map(|name| self.0.join(name));
        let text = files.iter().find_map(|file| std::fs::read_to_string(file).ok())?;
        text.trim().parse::<f64>().ok().map(|bytes| bytes / f64::from(1 << 20))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The processes in it have ended before.
        let _ = std::fs::remove_dir(&self.0);
    }
}
