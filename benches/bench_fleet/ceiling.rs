//! The ceiling: the same two writes for each object by the plainest client. For new Secrets,
//! as they are issued, and over what is there, as they are rotated: that costs the API
//! server more.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::Value;

use super::scene::Scene;
use super::{bulk, plain};

/// The namespace of these objects, which no operator looks after.
pub(crate) const NAMESPACE: &str = "ceiling";

/// A Secret and a status that the operator wrote, to be written again for others.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) secret: Value,
    pub(crate) status: Value,
}

impl Sample {
    /// The two bodies for another object, signed at a time. The name stands in the key too.
    fn bodies(&self, name: &str, uid: &str, signed: &str) -> [Vec<u8>; 2] {
        let (mut secret, mut status) = (self.secret.clone(), self.status.clone());
        secret["metadata"]["annotations"]["presign.dev/signing-time"] = signed.into();
        status["status"]["signingTime"] = signed.into();
        [secret, status]
            .map(|body| body.to_string().replace(&self.name, name).replace(&self.uid, uid).into_bytes())
    }
}

/// Objects of the plain client, and what it writes for them.
pub(crate) struct Written {
    names: Vec<(String, String)>,
    bodies: Vec<[Vec<u8>; 2]>,
}

impl Written {
    /// Makes the objects.
    pub(crate) async fn prepare(scene: &Scene, sample: &Sample, count: usize) -> Self {
        let prefix = format!("c{}", scene.next_number());
        let name = |number: usize| format!("{prefix}-{number:06}");
        let object = |number| bulk::presigned_url(&name(number), "keys", &Value::Null);
        let uids = bulk::create(&scene.client, NAMESPACE, count, object).await;
        let names: Vec<_> = uids.into_iter().enumerate().map(|(number, uid)| (name(number), uid)).collect();
        let mut written = Self { names, bodies: Vec::new() };
        written.sign(sample, "2030-01-02T03:04:05Z");
        written
    }

    /// Has it write each with a later time.
    pub(crate) fn sign_again(&mut self, sample: &Sample) {
        self.sign(sample, "2030-01-02T03:04:06Z");
    }

    fn sign(&mut self, sample: &Sample, time: &str) {
        self.bodies = self.names.iter().map(|(name, uid)| sample.bodies(name, uid, time)).collect();
    }

    /// Writes a part of them, so many at a time and no longer than that, and returns how
    /// many there were.
    pub(crate) async fn write(
        &self,
        client: &Client,
        part: Range<usize>,
        width: usize,
        longest: Duration,
    ) -> usize {
        let next = AtomicUsize::new(part.start);
        let begun = Instant::now();
        let work = async || {
            let mut count = 0;
            while begun.elapsed() < longest {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= part.end {
                    break;
                }
                let (name, [secret, status]) = (&self.names[number].0, &self.bodies[number]);
                let secrets = format!("{}/{NAMESPACE}/secrets/{name}", plain::CORE);
                plain::apply(client, &secrets, "presign-operator", true, secret.clone()).await;
                let urls = format!("{}/{NAMESPACE}/presignedurls/{name}/status", plain::GROUP);
                plain::apply(client, &urls, "presign-operator", true, status.clone()).await;
                count += 1;
            }
            count
        };
        futures::future::join_all((0..width).map(|_| work())).await.into_iter().sum()
    }
}
