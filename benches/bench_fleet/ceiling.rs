//! The ceiling: the same two writes for each object by the plainest client. For new Secrets,
//! as they are issued, and over what is there, as they are rotated: that costs the API
//! server more.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::Value;

use super::bulk::Identity;
use super::scene::Scene;
use super::{bulk, plain};

/// The namespace of these objects, which no operator looks after.
pub(crate) const NAMESPACE: &str = "ceiling";
const OPERATOR: &str = "presign-operator";

/// A Secret and a status that the operator wrote, to be written again for others.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) secret: Value,
    pub(crate) status: Value,
}

impl Sample {
    /// The two bodies for another object, signed at a time: the Secret as it is created, or as it
    /// is applied onto what is there, and the status onto what is there. The name stands in the
    /// key too.
    fn bodies(&self, object: &Object, signed: &str) -> [Vec<u8>; 2] {
        let (mut secret, mut status) = (self.secret.clone(), self.status.clone());
        secret["metadata"]["annotations"]["presign.dev/signing-time"] = signed.into();
        status["status"]["signingTime"] = signed.into();
        if let Some(onto) = &object.secret {
            secret["metadata"]["uid"] = onto.uid.clone().into();
            secret["metadata"]["resourceVersion"] = onto.version.clone().into();
        }
        status["metadata"]["resourceVersion"] = object.url.version.clone().into();
        [secret, status].map(|body| {
            body.to_string()
                .replace(&self.name, &object.name)
                .replace(&self.uid, &object.url.uid)
                .into_bytes()
        })
    }
}

/// One of the plain client's objects.
struct Object {
    name: String,
    url: Identity,
    /// None before it is issued.
    secret: Option<Identity>,
}

/// Objects of the plain client, and what it writes for them.
pub(crate) struct Written {
    objects: Vec<Object>,
    bodies: Vec<[Vec<u8>; 2]>,
    /// Which of them it has written: a Secret is created once, and a version is written onto once.
    done: Vec<AtomicBool>,
}

impl Written {
    /// Makes the objects.
    pub(crate) async fn prepare(scene: &Scene, sample: &Sample, count: usize) -> Self {
        let prefix = format!("c{}", scene.next_number());
        let name = |number: usize| format!("{prefix}-{number:06}");
        let object = |number| bulk::presigned_url(&name(number), "keys", &Value::Null);
        let made = bulk::create(&scene.client, NAMESPACE, count, object).await.into_iter().enumerate();
        let objects = made.map(|(number, url)| Object { name: name(number), url, secret: None }).collect();
        let mut written = Self { objects, bodies: Vec::new(), done: Vec::new() };
        written.sign(sample, "2030-01-02T03:04:05Z");
        written
    }

    /// Has it write each that is issued with a later time, onto what is there now.
    pub(crate) async fn sign_again(&mut self, client: &Client, sample: &Sample) {
        let mut secrets = identities(client, &format!("{}/{NAMESPACE}/secrets", plain::CORE)).await;
        let mut urls = identities(client, &plain::presigned_urls(NAMESPACE)).await;
        for object in &mut self.objects {
            object.secret = secrets.remove(&object.name);
            object.url = urls.remove(&object.name).expect("nobody deletes it");
        }
        self.sign(sample, "2030-01-02T03:04:06Z");
    }

    fn sign(&mut self, sample: &Sample, time: &str) {
        self.bodies = self.objects.iter().map(|object| sample.bodies(object, time)).collect();
        self.done = self.objects.iter().map(|_| AtomicBool::new(false)).collect();
    }

    /// Writes what is not written of a part of them, so many at a time and no longer than that,
    /// and returns how many there were.
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
                if !self.done[number].swap(true, Ordering::Relaxed) {
                    self.write_one(client, number).await;
                    count += 1;
                }
            }
            count
        };
        futures::future::join_all((0..width).map(|_| work())).await.into_iter().sum()
    }

    async fn write_one(&self, client: &Client, number: usize) {
        let (Object { name, secret: onto, .. }, [secret, status]) =
            (&self.objects[number], &self.bodies[number]);
        let secrets = format!("{}/{NAMESPACE}/secrets", plain::CORE);
        if onto.is_none() {
            plain::create(client, &secrets, OPERATOR, secret.clone()).await;
        } else {
            plain::apply(client, &format!("{secrets}/{name}"), OPERATOR, secret.clone()).await;
        }
        let urls = format!("{}/{NAMESPACE}/presignedurls/{name}/status", plain::GROUP);
        plain::apply(client, &urls, OPERATOR, status.clone()).await;
    }
}

/// Every object of a collection by its name.
async fn identities(client: &Client, path: &str) -> HashMap<String, Identity> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let named = plain::pages(client, path, |object| {
        let metadata = &object["metadata"];
        let identity = Identity { uid: text(&metadata["uid"]), version: text(&metadata["resourceVersion"]) };
        (text(&metadata["name"]), identity)
    });
    named.await.into_iter().collect()
}
