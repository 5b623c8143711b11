//! What happens to the objects, each trouble at its own pace until the soak ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use testbed::{Fault, Match};

use crate::harness::{SECOND_KEY, curl, text};
use crate::{Soak, name, start, times};

/// Waits, and says whether there is time for another round.
pub async fn another_round(soak: &Soak, pause: Duration) -> bool {
    tokio::time::sleep(pause).await;
    Instant::now() < soak.ends
}

/// Fetches a random Secret every 50 ms and downloads through it.
pub async fn read_and_download(soak: Arc<Soak>) {
    let mut random = soak.random(1);
    while another_round(&soak, Duration::from_millis(50)).await {
        let name = name(random.usize(..soak.objects));
        match soak.space.secrets().get_opt(&name).await {
            Ok(Some(secret)) => {
                let url = text(&secret, "url");
                let answer = tokio::task::spawn_blocking(move || curl(&[&url])).await.unwrap();
                soak.report.downloaded(&name, answer);
            }
            Ok(None) => soak.report.gone(&name),
            Err(_) => soak.report.unread(),
        }
    }
}

/// Edits a random object every two seconds.
pub async fn edit(soak: Arc<Soak>) {
    let mut random = soak.random(2);
    while another_round(&soak, Duration::from_secs(2)).await {
        let spec: Value = match random.usize(..4) {
            0 => json!({"key": "other"}),
            1 => json!({"key": "dir/a file.txt"}),
            2 => json!({"secret": {"labels": {"round": random.usize(..100).to_string()}}}),
            _ => json!({"response": {"contentType": format!("text/x-{}", random.usize(..100))}}),
        };
        let name = name(random.usize(..soak.objects));
        let patch = Patch::Merge(json!({"spec": spec}));
        if soak.space.presigned_urls().patch(&name, &PatchParams::default(), &patch).await.is_ok() {
            soak.report.edited();
        }
    }
}

/// Rotates the shared access key every minute between two that both work; once in a soak of a minute.
pub async fn rotate(soak: Arc<Soak>) {
    let store = &soak.space.world.store;
    let first = (store.access_key_id().to_owned(), store.secret_access_key().to_owned());
    let second = (SECOND_KEY.0.to_owned(), SECOND_KEY.1.to_owned());
    for round in 0.. {
        if !another_round(&soak, Duration::from_secs(60_u64.min(30 * soak.minutes))).await {
            return;
        }
        let (id, secret) = if round % 2 == 0 { &second } else { &first };
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
            "stringData": {"access-key-id": id, "secret-access-key": secret},
        });
        let params = PatchParams::apply("person").force();
        while soak.space.secrets().patch("keys", &params, &Patch::Apply(&body)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        soak.report.rotated();
    }
}

/// Kills the operator every 20 to 60 seconds and starts it again; in a short soak three times as often.
pub async fn kill(soak: Arc<Soak>) {
    let mut random = soak.random(3);
    // In milliseconds: a second, unless the soak is short.
    let step = 1000_u64.min(300 * soak.minutes);
    let mut pause = || Duration::from_millis(step * (20 + u64::try_from(random.usize(..40)).unwrap()));
    while another_round(&soak, pause()).await {
        let mut operator = soak.operator.lock().await;
        operator.expect_running();
        operator.kill();
        soak.report.add_log(&operator.log());
        *operator = start(&soak.space, &soak.proxy, &soak.stores);
        soak.report.killed();
    }
}

/// Lets one write of a Secret hang every five seconds, for longer than a call may take and than a
/// lease lasts, where the old URL lives longer than that.
pub async fn hang(soak: Arc<Soak>) {
    const HANG: Duration = Duration::from_secs(20);
    // One after the other, so that none meets two in a row.
    for number in (0..soak.objects).cycle() {
        if !another_round(&soak, Duration::from_secs(5)).await {
            return;
        }
        let (lifetime, every) = times(number);
        if lifetime - every > 45 {
            soak.proxy.fault(Match::write("secrets", name(number)), 1, Fault::Hang(HANG));
            soak.report.hung();
        }
    }
}

/// Restarts the API server twice.
pub async fn restart_apiserver(soak: Arc<Soak>) {
    for _ in 0..2 {
        if !another_round(&soak, Duration::from_secs(60 * soak.minutes / 3)).await {
            return;
        }
        let world = soak.space.world;
        tokio::task::spawn_blocking(|| world.plane.restart_apiserver()).await.unwrap().unwrap();
        soak.report.restarted();
    }
}

/// Notes the operator's memory every ten seconds.
pub async fn weigh(soak: Arc<Soak>) {
    while another_round(&soak, Duration::from_secs(10)).await {
        let pid = soak.operator.lock().await.pid();
        soak.report.weighed(testbed::kibibytes(pid, "VmRSS"));
    }
}
