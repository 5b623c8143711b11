//! Pods that download and upload while their URLs are renewed under them.

mod pods;

use std::slice;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::totals::ReadTotals;

const NAMESPACE: &str = "team";
/// They read their files for each request, so none of these may fail. A read that finds no file is repeated at
/// once: the kubelet deletes the old files as soon as it has moved the link to the new ones.
const CAREFUL: &[&str] = &["download", "annotated", "upload", "projected"];
/// The operator tells it of each new URL, so its files lag by seconds only.
const ANNOTATED: &str = "annotated";
/// The longest such lag, in seconds, in half of the rotations, and in any on a busy machine. The others have had up
/// to 90.
const ANNOTATED_LAG: (i64, i64) = (10, 40);
/// It keeps the first URL, so it has to fail once that has expired.
const CARELESS: &str = "careless";
/// How many refusals show that the first URL is over.
const REFUSALS: usize = 30;
/// So much longer than a URL lives is waited for a refusal: the lag of kubelet, and more.
const LIMIT: Duration = Duration::from_secs(180);

/// How long URLs live, and which pods use them.
#[derive(Clone, Copy)]
pub enum Scale {
    /// Four minutes, and all pods.
    Whole,
    /// One minute, so only the pod that the operator tells of new URLs can keep up with it.
    Short,
}

impl Scale {
    fn careful(self) -> &'static [&'static str] {
        match self {
            Self::Whole => CAREFUL,
            Self::Short => slice::from_ref(&ANNOTATED),
        }
    }

    fn lifetime(self) -> i64 {
        match self {
            Self::Whole => 240,
            Self::Short => 60,
        }
    }
}

/// Starts them.
pub fn start(cluster: &Cluster, scale: Scale) {
    cluster.store.put_object("reports", "2026/q3 summary.txt", "the third quarter").unwrap();
    cluster.store.put_object("reports", "invoices/ä+b.txt", "to be paid").unwrap();
    cluster.store.create_bucket("videos").unwrap();
    cluster.create_namespace(NAMESPACE);
    cluster.apply(NAMESPACE, &pods::manifests(scale).to_string());
    let available = ["--namespace", NAMESPACE, "wait", "--for=condition=Available", "--timeout=90s"];
    let deployments = scale.careful().iter().chain([&CARELESS]).map(|name| format!("deployment/{name}"));
    let deployments: Vec<String> = deployments.collect();
    let names: Vec<&str> = available.into_iter().chain(deployments.iter().map(String::as_str)).collect();
    cluster.kubectl(&names);
}

/// Waits until their first URLs have long expired; reports, and says whether all is well.
pub fn end(cluster: &Cluster, scale: Scale) -> bool {
    let careless = follow_until_refused(cluster, scale);
    let read = |name: &&'static str| (*name, read(cluster, name, scale));
    let totals: Vec<_> = scale.careful().iter().map(read).collect();
    report(&totals, &careless);
    if scale.careful().contains(&"upload") {
        let uploaded = cluster.store.get_object("videos", "incoming/camera 7.mp4").unwrap();
        println!("the store holds {:?}", String::from_utf8_lossy(&uploaded).trim());
    }
    is_kept(&totals) && !careless.failures.is_empty()
}

/// Reads along with the careless pod until its URL is refused.
fn follow_until_refused(cluster: &Cluster, scale: Scale) -> ReadTotals {
    let ends = Instant::now() + Duration::from_secs(scale.lifetime().unsigned_abs()) + LIMIT;
    let mut careless = ReadTotals::of_urls_that_live(scale.lifetime());
    for line in cluster.log_lines(NAMESPACE, &format!("deployment/{CARELESS}")) {
        careless.add(&line);
        if careless.failures.len() >= REFUSALS || Instant::now() > ends {
            break;
        }
        if careless.requests.is_multiple_of(30) {
            println!("e2e: the first URL was used {} times", careless.requests);
        }
    }
    careless
}

fn read(cluster: &Cluster, name: &str, scale: Scale) -> ReadTotals {
    let deployment = format!("deployment/{name}");
    let log = cluster.kubectl(&["--namespace", NAMESPACE, "logs", "--tail=-1", &deployment]);
    let mut totals = ReadTotals::of_urls_that_live(scale.lifetime());
    log.lines().for_each(|line| totals.add(line));
    totals
}

/// Whether the promise was kept, and was put to the test at all.
fn is_kept(totals: &[(&str, ReadTotals)]) -> bool {
    let (usual, longest) = ANNOTATED_LAG;
    let is_prompt = |(name, totals): &(&str, ReadTotals)| {
        let quick = totals.lags.iter().filter(|lag| **lag <= usual).count();
        *name != ANNOTATED || quick * 2 >= totals.lags.len() && totals.lags.iter().all(|lag| *lag <= longest)
    };
    totals.iter().all(is_prompt)
        && totals
            .iter()
            .all(|(_, totals)| totals.failures.is_empty() && totals.requests > 50 && totals.lags.len() >= 2)
        // Only a read during a rotation can meet that, and few do.
        && totals.iter().all(|(_, totals)| totals.read_again <= 1 + totals.lags.len() / 10)
}

fn report(totals: &[(&str, ReadTotals)], careless: &ReadTotals) {
    println!(
        "{:<12}{:>10}{:>12}{:>10}{:>12}  lag from signing to file, s",
        "pod", "requests", "rotations", "failures", "read again"
    );
    for (name, totals) in totals {
        let lags: Vec<String> = totals.lags.iter().map(ToString::to_string).collect();
        println!(
            "{name:<12}{:>10}{:>12}{:>10}{:>12}  {}",
            totals.requests,
            totals.lags.len(),
            totals.failures.len(),
            totals.read_again,
            lags.join(" "),
        );
        totals.failures.iter().take(10).for_each(|line| println!("  {line}"));
    }
    let refused = careless.failures.len();
    println!(
        "The pod that kept its first URL, on purpose: {} requests, {refused} of them refused after the URL \
         had expired, as expected.",
        careless.requests
    );
}
