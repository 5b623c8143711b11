//! The objects that are signed with sessions, and the STS that fails now and then.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Role, SessionStore, StsFault, StsFront};

use crate::harness::{Space, World, everything, write_account};
use crate::troubles::another_round;
use crate::{Soak, name};

/// The longest session. A URL lives no longer than the session that signed it.
const SESSION: Duration = Duration::from_secs(90);
/// The name of the `ServiceAccount` and of its role.
const NAME: &str = "urls";
/// How long a fault goes on after it met a request.
const MET: Duration = Duration::from_secs(2);

/// A store whose sessions end soon, and the way to its STS.
pub struct Sessions {
    store: SessionStore,
    front: StsFront,
}

/// What the STS was asked for.
pub struct Calls {
    /// How many requests came.
    pub all: usize,
    /// How many of them were answered with a session.
    pub answered: usize,
}

/// Whether an object is signed with a session: every fifth is.
#[must_use]
pub fn uses_session(number: usize) -> bool {
    number % 5 == 4
}

/// Whether that session is narrowed, to a key that no other object has. The others share one session.
fn is_alone(number: usize) -> bool {
    number % 10 == 9
}

impl Sessions {
    /// Starts the store, with the objects that are there to be downloaded, for the `ServiceAccount` of the
    /// namespace.
    pub async fn start(space: &Space, objects: usize) -> Self {
        let namespace = space.namespace.clone();
        let started = tokio::task::spawn_blocking(move || {
            let store = SessionStore::builder()
                .issuer(&World::get_blocking().plane)
                .unwrap()
                .role(Role::new(NAME, everything()).service_account(&namespace, NAME))
                .longest_session(SESSION)
                .start()
                .unwrap();
            store.create_bucket(&namespace).unwrap();
            let alone = (0..objects).filter(|number| is_alone(*number)).map(name);
            for key in ["dir/a file.txt", "other"].map(str::to_owned).into_iter().chain(alone) {
                store.put_object(&namespace, &key, "content").unwrap();
            }
            let front = StsFront::start(store.endpoint()).unwrap();
            Self { store, front }
        });
        let sessions = started.await.unwrap();
        let role = sessions.store.role_arn(NAME);
        write_account(&space.client, &space.namespace, NAME, Some(&role)).await.unwrap();
        sessions
    }

    /// Where the store is.
    pub fn store_endpoint(&self) -> String {
        self.store.endpoint()
    }

    /// The spec of an object that is signed with a session, without its times.
    pub fn spec(&self, space: &Space, number: usize) -> Value {
        let usual = ("dir/a file.txt".to_owned(), "Nothing");
        let (key, narrow_to) = if is_alone(number) { (name(number), "Object") } else { usual };
        json!({
            "bucket": space.namespace,
            "key": key,
            "s3": {
                "endpoint": self.store.endpoint(),
                "region": self.store.region(),
                "credentials": {
                    "webIdentity": {
                        "serviceAccountRef": {"name": NAME},
                        "roleARN": self.store.role_arn(NAME),
                    },
                    "session": {"sts": {"endpoint": self.front.endpoint()}, "narrowTo": narrow_to},
                },
            },
        })
    }

    /// What the STS was asked for up to now.
    pub fn calls(&self) -> Calls {
        let answers = self.front.answers();
        let answered = answers.iter().filter(|answer| answer.body.contains("</SessionToken>")).count();
        Calls { all: self.front.count(None), answered }
    }
}

/// Lets the STS fail for some seconds, again and again, each time in another way.
pub async fn fail(soak: Arc<Soak>) {
    let faults = [
        StsFault::Hang,
        StsFault::Refuse { status: 503, code: "ServiceUnavailable" },
        StsFault::Html,
        StsFault::Refuse { status: 400, code: "Throttling" },
        StsFault::Truncated,
        StsFault::Close,
    ];
    let mut random = soak.random(4);
    let front = &soak.sessions.front;
    for fault in faults.into_iter().cycle() {
        let pause = Duration::from_millis(3000 + u64::try_from(random.usize(..4000)).unwrap());
        if !another_round(&soak, pause).await {
            return;
        }
        let before = front.count(None);
        front.fault(fault);
        while front.count(None) == before && another_round(&soak, Duration::from_millis(50)).await {}
        let is_met = front.count(None) > before;
        tokio::time::sleep(MET).await;
        front.heal();
        if is_met {
            soak.report.sts_failed();
        }
    }
}
