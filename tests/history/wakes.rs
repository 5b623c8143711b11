//! What wakes objects, and how often that may reach an STS.

use std::time::Duration;

use tokio::time::sleep;

use crate::deeds::{Deed, rotate};
use crate::http::Api;
use crate::objects::{WITH_SESSION, WITH_TOKENS, Who, account, name, namespace};
use crate::sts::StsTrouble;
use crate::{checks, operate, paused};

/// The namespace whose sessions begin with an access key.
const WITH_KEY: u8 = 1;
/// The most calls for one session in a minute of failures: at once, and after 2, 4, 8, 16 and 32 seconds.
const CALLS: usize = 6;
/// The safety net is ten minutes, and a jump of the clock is noticed within seconds.
const SOON: Duration = Duration::from_secs(30);
/// Less than a term of a leader lasts, and more than the clock may drift unnoticed.
const STEP: Duration = Duration::from_secs(5);

/// Each second somebody asks for another URL, whose session the STS refuses. It is asked less and less often.
#[test]
fn a_refused_session_is_not_requested_at_each_wake() {
    for who in [(WITH_TOKENS, WITH_SESSION), (WITH_KEY, WITH_SESSION)] {
        let api = Api::new();
        paused(operate(&api, async |_| edit_each_second(&api, who).await));
        let calls = api.lock().sts.calls.len();
        assert!((2..=CALLS).contains(&calls), "{who:?}: {calls} calls in a minute");
    }
}

async fn edit_each_second(api: &Api, who: Who) {
    prepare(api);
    api.lock().sts.troubles.insert(namespace(who.0), StsTrouble::Refuses(403, "AccessDenied"));
    Deed::Create(who).carry_out(api).await;
    for second in 0..60 {
        Deed::Edit(who, second % 3).carry_out(api).await;
        sleep(Duration::from_secs(1)).await;
    }
}

/// The clock goes on while the machine is suspended, and no timer does: the URLs and sessions that expired
/// meanwhile are replaced long before the safety net.
#[test]
fn a_suspended_machine_makes_good_what_it_missed() {
    let api = Api::new();
    let history = async |_| {
        prepare(&api);
        rotate(&mut api.lock(), WITH_KEY, 1);
        let everyone = [(WITH_KEY, 0), (WITH_KEY, WITH_SESSION), (WITH_TOKENS, WITH_SESSION)];
        for who in everyone {
            Deed::Create(who).carry_out(&api).await;
        }
        sleep(SOON).await;
        checks::assert_well(&api.lock(), api.clock.now(), "before");
        let before = everyone.map(|who| api.lock().cluster.secret(&name(who)).unwrap()["data"].clone());
        api.suspend(60 * 60 * 24);
        sleep(SOON).await;
        checks::assert_well(&api.lock(), api.clock.now(), "after a day");
        let after = everyone.map(|who| api.lock().cluster.secret(&name(who)).unwrap()["data"].clone());
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "no URL outlives a day");
    };
    paused(operate(&api, history));
}

/// The clock runs twice as fast as every timer, in steps so short that the operator goes on leading. No URL
/// may be left until a timer that was set before.
#[test]
fn a_fast_clock_leaves_no_expired_url() {
    let api = Api::new();
    let history = async |_| {
        prepare(&api);
        rotate(&mut api.lock(), WITH_KEY, 1);
        for who in [(WITH_KEY, 0), (WITH_TOKENS, WITH_SESSION)] {
            Deed::Create(who).carry_out(&api).await;
        }
        // A URL of ten minutes has expired after five minutes of timers.
        for _ in 0..65 {
            sleep(STEP).await;
            api.suspend(u32::try_from(STEP.as_secs()).unwrap());
        }
        sleep(STEP).await;
        checks::assert_well(&api.lock(), api.clock.now(), "after twice five minutes");
    };
    paused(operate(&api, history));
}

/// What sessions begin with.
fn prepare(api: &Api) {
    let mut state = api.lock();
    state.cluster.create_account(&account(WITH_TOKENS));
    rotate(&mut state, WITH_KEY, 0);
}
