//! Times of single requests.

use std::time::{Duration, Instant};

use kube::Client;
use serde_json::{Value, json};

use super::events::Events;
use super::scene::FLEET;
use super::{bulk, plain};

/// Times at the median, at 99 of 100, and at the worst.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) samples: usize,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let samples = times.len();
        let at = |percent: usize| times[((samples * percent).div_ceil(100)).clamp(1, samples) - 1];
        Self { p50: at(50), p99: at(99), max: at(100), samples }
    }
}

/// Milliseconds from the apply of a `PresignedUrl` to the URL in its Secret, as a watch shows it.
pub(crate) async fn apply_to_url(client: &Client, samples: usize) -> Spread {
    let secrets = format!("{}/{FLEET}/secrets", plain::CORE);
    let mut events = Events::open(client, &secrets).await;
    let mut times = Vec::new();
    for number in 0..samples {
        let name = format!("latency-{number:04}");
        let body = bulk::presigned_url(&name, "keys", &Value::Null).to_string().into_bytes();
        let path = format!("{}/{FLEET}/presignedurls/{name}", plain::GROUP);
        let begun = Instant::now();
        plain::apply(client, &path, "person", body).await;
        loop {
            let (secret, at) = events.next().await;
            if secret["metadata"]["name"] == name && secret["data"]["url"].is_string() {
                times.push(at.duration_since(begun).as_secs_f64() * 1e3);
                break;
            }
        }
        // Off the beat of any timer.
        tokio::time::sleep(Duration::from_millis(60 + (number as u64 * 37) % 50)).await;
    }
    Spread::of(times)
}

/// How many milliseconds somebody else's write takes, five times a second, until `done`.
pub(crate) async fn of_others(client: &Client, done: impl Fn() -> bool) -> Spread {
    let path = format!("{}/default/configmaps/somebody-else", plain::CORE);
    let (mut times, mut number) = (Vec::new(), 0);
    while !done() {
        number += 1;
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "somebody-else"},
            "data": {"number": number.to_string()},
        });
        let begun = Instant::now();
        plain::apply(client, &path, "person", body.to_string().into_bytes()).await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Spread::of(times)
}
