//! The ceiling: the same two writes for each object by the plainest client, while it holds
//! the same watches open and throws the events away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kube::Client;
use serde_json::Value;

use super::scene::Scene;
use super::watches::Watch;
use super::{bulk, plain};

/// How many objects are under way at a time.
const WIDTHS: [usize; 4] = [4, 8, 16, 32];
/// The namespace of these objects, which no operator looks after.
const NAMESPACE: &str = "ceiling";

/// A Secret and a status that the operator wrote, to be written again for others.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) secret: Value,
    pub(crate) status: Value,
}

impl Sample {
    /// The two bodies for another object. The name stands in the key too.
    fn bodies(&self, name: &str, uid: &str) -> [Vec<u8>; 2] {
        [&self.secret, &self.status]
            .map(|body| body.to_string().replace(&self.name, name).replace(&self.uid, uid).into_bytes())
    }
}

/// Objects a second at each width.
pub(crate) async fn measure(scene: &Scene, sample: &Sample, count: usize) -> Vec<(usize, f64)> {
    let client = &scene.client;
    let path = format!("{}/{NAMESPACE}/presignedurls", plain::GROUP);
    let _held = Watch::like_the_operators(client, NAMESPACE).await;
    // The one that looks at the operator's progress is held here too.
    let _observer = Watch::open(client, &path, "", false).await;
    let mut rates = Vec::new();
    for width in WIDTHS {
        let prefix = format!("c{}-{width}", scene.next_number());
        let name = |number: usize| format!("{prefix}-{number:06}");
        let object = |number| bulk::presigned_url(&name(number), "keys", &Value::Null);
        let uids = bulk::create(client, NAMESPACE, count, object).await;
        let bodies: Vec<_> =
            (0..count).map(|number| (name(number), sample.bodies(&name(number), &uids[number]))).collect();
        rates.push((width, write_all(client, &bodies, width).await));
    }
    rates
}

async fn write_all(client: &Client, objects: &[(String, [Vec<u8>; 2])], width: usize) -> f64 {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let work = async || {
        while let Some((name, [secret, status])) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            let secrets = format!("{}/{NAMESPACE}/secrets/{name}", plain::CORE);
            plain::apply(client, &secrets, "presign-operator", false, secret.clone()).await;
            let urls = format!("{}/{NAMESPACE}/presignedurls/{name}/status", plain::GROUP);
            plain::apply(client, &urls, "presign-operator", true, status.clone()).await;
        }
    };
    futures::future::join_all((0..width).map(|_| work())).await;
    objects.len() as f64 / begun.elapsed().as_secs_f64()
}
