//! `testbed demo`: what the operator does, shown on the testbed step by step.
//!
//! The one part of this crate that knows what a presigned URL is. It only uses what a
//! person would: kubectl, curl, and the files in `deploy/examples`.

mod cluster;
mod example;
mod narrator;
mod shell;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Args;

use cluster::DemoCluster;
use example::noise;
use narrator::{Narrator, shortened, time_of_day};
use testbed::disk;

const STEPS: u32 = 12;

/// How long anything may take that takes a second when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

const BUCKET: &str = "reports";
const KEY: &str = "2026/q3 summary.pdf";
const UPLOAD_BUCKET: &str = "videos";
const UPLOAD_KEY: &str = "incoming/camera-7.mp4";

/// What the demo can be told.
#[derive(Args)]
pub(crate) struct Options {
    /// The operator to show; the presign-operator beside this program when not given.
    #[arg(long, value_name = "PATH")]
    operator: Option<PathBuf>,
}

/// Plays all steps. On a failure it names the step and the reason.
pub(crate) fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let mut narrator = Narrator::new(STEPS);
    match play(options, &mut narrator) {
        Ok(()) => {
            narrator.end(&format!("Done in {} s.", started.elapsed().as_secs()));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            narrator.fail(&failure);
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Options, narrator: &mut Narrator) -> Result<()> {
    let cluster = DemoCluster::set(options.operator.as_deref(), narrator)?;
    if let Err(failure) = tell(&cluster, narrator) {
        // When a program has ended by itself, that is the reason for everything else.
        cluster.check()?;
        narrator.detail("The operator's last lines (PRESIGN_TESTBED_KEEP=1 keeps all logs):");
        narrator.details(&cluster.operator.last_lines());
        return Err(failure);
    }
    narrator.step("Stop everything, and remove its files");
    drop(cluster);
    Ok(())
}

fn tell(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    issue(cluster, narrator)?;
    inspect(cluster, narrator)?;
    download(cluster, narrator)?;
    upload(cluster, narrator)?;
    renew(cluster, narrator)?;
    delete(cluster, narrator)
}

fn issue(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("Apply deploy/examples/download.yaml, with this store's endpoint and access key");
    narrator.details(&cluster.apply_example("download.yaml")?);
    narrator.detail("(Its Pod waits for a node, which is not here: curl plays its part below.)");
    narrator.step("Wait until the URL is there");
    narrator.command("kubectl wait --for=condition=Ready psu/report");
    narrator.details(&cluster.kubectl(&["wait", "--for=condition=Ready", "psu/report", "--timeout=30s"])?);
    Ok(())
}

fn inspect(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("Look at it");
    narrator.command("kubectl get psu");
    let table = cluster.kubectl(&["get", "psu"])?;
    narrator.details(&table);
    narrator.command("kubectl describe psu report   (from its status on)");
    let description = cluster.kubectl(&["describe", "psu", "report"])?;
    let status = description.find("\nStatus:").map_or("", |at| &description[at + 1..]);
    narrator.details(status);
    let public =
        [table, description, cluster.kubectl(&["get", "events", "--output=yaml"])?, cluster.operator.log()];
    let is_told = public.iter().any(|text| text.contains("X-Amz-"));
    ensure!(!is_told, "a status, an event or the operator's log holds a URL's query");
    narrator.detail("The URL itself is in the Secret only: not in status, events or logs.");
    Ok(())
}

fn download(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("Download, as the Pod does: the Secret's keys are files");
    let folder = cluster.mount("report", "report")?;
    narrator.detail(&format!("url: {}", shortened(&disk::read(&folder.join("url"))?)));
    let line = r#"curl -fsS -o summary.pdf "$(cat url)""#;
    narrator.command(line);
    shell::run(line, &folder)?;
    let downloaded = disk::read_bytes(&folder.join("summary.pdf"))?;
    ensure!(downloaded == cluster.object, "the downloaded file differs from the object");
    narrator.detail(&format!("{} bytes, the same as in the store", downloaded.len()));
    Ok(())
}

fn upload(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("Apply deploy/examples/upload.yaml, and upload with its PUT URL and headers");
    narrator.details(&cluster.apply_example("upload.yaml")?);
    cluster.kubectl(&["wait", "--for=condition=Ready", "psu/upload", "--timeout=30s"])?;
    let folder = cluster.mount("upload", "upload")?;
    let video = noise(1_000_000);
    disk::write(&folder.join("video.mp4"), &video)?;
    narrator
        .detail(&format!("headers: {}", disk::read(&folder.join("headers"))?.trim().replace('\n', " · ")));
    let careless = r#"curl -fsS -T video.mp4 "$(cat url)""#;
    ensure!(shell::run(careless, &folder).is_err(), "an upload without the signed headers was accepted");
    let line = r#"curl -fsS -T video.mp4 -H @headers "$(cat url)""#;
    narrator.command(line);
    shell::run(line, &folder)?;
    ensure!(
        cluster.store.get_object(UPLOAD_BUCKET, UPLOAD_KEY)? == video,
        "the uploaded object differs from the file"
    );
    narrator.detail(&format!("the store has {UPLOAD_BUCKET}/{UPLOAD_KEY}, {} bytes, the same", video.len()));
    narrator.detail("(The same without -H @headers was refused, as it should be.)");
    Ok(())
}

fn renew(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("See a renewal happen: live for a minute, renew 50 s before the end");
    let patch = r#"{"spec":{"expiresIn":"1m","renewBefore":"50s"}}"#;
    narrator.command(&format!("kubectl patch psu report --type=merge -p '{patch}'"));
    cluster.kubectl(&["patch", "psu", "report", "--type=merge", "--patch", patch])?;
    let seen = "--for=jsonpath={.status.observedGeneration}=2";
    cluster.kubectl(&["wait", seen, "psu/report", "--timeout=30s"])?;
    let before = cluster.mount("report", "before")?;
    let (old, signed) = (disk::read(&before.join("url"))?, cluster.signing_time()?);
    narrator
        .detail(&format!("a new URL at once, since the spec changed: signed at {}", time_of_day(&signed)));
    let renewed = cluster.await_other_signing_time(&signed)?;
    let after = cluster.mount("report", "after")?;
    let is_new = disk::read(&after.join("url"))? != old;
    ensure!(is_new, "status tells of a renewal, but the Secret still holds the old URL");
    narrator.detail(&format!("renewed by itself: signed at {}", time_of_day(&renewed)));
    for (folder, which) in [(&after, "new"), (&before, "old")] {
        shell::run(r#"curl -fsS -o summary.pdf "$(cat url)""#, folder)?;
        let expires = disk::read(&folder.join("expires-at"))?;
        narrator.detail(&format!("the {which} URL downloads, until {}", time_of_day(&expires)));
    }
    Ok(())
}

fn delete(cluster: &DemoCluster, narrator: &mut Narrator) -> Result<()> {
    narrator.step("Delete both: their Secrets go with them");
    narrator.command("kubectl delete psu report upload");
    narrator.details(&cluster.kubectl(&["delete", "psu", "report", "upload"])?);
    cluster.kubectl(&["wait", "--for=delete", "secret/report", "secret/upload", "--timeout=60s"])?;
    narrator.detail("both Secrets are gone");
    Ok(())
}
