//! One namespace whose sessions cannot be got delays no other.

use std::time::Duration;

use tokio::time::sleep;

use crate::deeds::rotate;
use crate::http::Api;
use crate::objects::{WITH_SESSION, WITH_TOKENS, account, name, namespace, spec, with_token};
use crate::sts::StsTrouble;
use crate::{checks, operate, paused};

/// The namespace whose calls go wrong, and the one that nothing is wrong with.
const BROKEN: u8 = WITH_TOKENS;
const SOUND: u8 = 1;
/// More objects than the operator asks for sessions of at a time, from all STSs.
const CROWD: u8 = 100;

#[test]
fn a_namespace_without_sessions_delays_no_other() {
    for trouble in [
        StsTrouble::Hangs,
        StsTrouble::Late(9000),
        StsTrouble::Refuses(403, "AccessDenied"),
        StsTrouble::Refuses(429, "Throttling"),
        StsTrouble::Garbage,
    ] {
        paused(async {
            let api = Api::new();
            operate(&api, async |_| assert_no_delay(&api, trouble).await).await;
        });
    }
}

/// A crowd asks for a session each, which take long or cannot be got. Then one of the other namespace asks.
async fn assert_no_delay(api: &Api, trouble: StsTrouble) {
    {
        let mut state = api.lock();
        state.sts.troubles.insert(namespace(BROKEN), trouble);
        state.cluster.create_account(&account(BROKEN));
        rotate(&mut state, SOUND, 0);
        for object in 0..CROWD {
            let mut spec = spec((BROKEN, WITH_SESSION));
            // Another duration is another session.
            spec["s3"]["credentials"] = with_token(900 + u32::from(object));
            state.cluster.create_url(&name((BROKEN, object)), &spec);
        }
    }
    sleep(Duration::from_secs(5)).await;
    let sound = name((SOUND, WITH_SESSION));
    api.lock().cluster.create_url(&sound, &spec((SOUND, WITH_SESSION)));
    sleep(Duration::from_secs(2)).await;
    let state = api.lock();
    assert!(state.sts.calls.iter().any(|call| call.wish.namespace == namespace(BROKEN)), "{trouble:?}");
    let ready = checks::ready(&state.cluster.stored.urls[&sound]);
    assert_eq!(ready, Some((true, "Issued")), "{trouble:?}");
    assert_eq!(state.wrongs, Vec::<String>::new(), "{trouble:?}");
}
