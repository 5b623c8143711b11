//! Credentials that are the limit, and renewals on request.

use super::*;

#[test]
fn a_session_that_outlives_its_url_is_signed_once_more_and_then_waited_for() {
    for lifetime in [60, 300, 3600, 604_800] {
        let renewal_due = i64::from(lifetime) * 4 / 5;
        let due = Some(IssueReason::RenewalDue);
        for (gain, expected) in [(0, None), (1, due), (i64::from(lifetime) / 6, due)] {
            let end = i64::from(lifetime) + gain;
            let mut world = issued(|world| {
                world.request.expires_in = lifetime;
                world.credentials = Some(credentials("ASIA", Some(at(end))));
            });
            world.now = at(renewal_due);
            assert_eq!(reason(&world), expected, "{lifetime} {gain}");
            if expected.is_some() {
                world.act(world.decide());
                world.now = at(end - 1);
            }
            assert_eq!(wait_reason(&world), Some(WaitReason::AwaitingCredentials), "{lifetime} {gain}");
        }
    }
}

#[test]
fn credentials_with_less_than_ten_seconds_left_sign_nothing() {
    let expiration = at(4000);
    for (second, lifetime) in [(3990, Some(10)), (3991, None), (4000, None), (5000, None)] {
        let mut world = settled();
        world.credentials = Some(credentials("AKIA", None));
        world.credentials.as_mut().unwrap().expiration = Some(expiration);
        world.now = at(second);
        let expected = match lifetime {
            Some(lifetime) => Decision::Issue {
                reason: IssueReason::Expired,
                validity: Validity { signing_time: world.now, lifetime },
            },
            None => wait(WaitReason::CredentialsExpired(CredentialsExpired { expiration })),
        };
        assert_eq!(world.decide(), expected, "{second}");
    }
}

#[test]
fn a_session_is_used_up_without_signing_it_again_and_again() {
    let mut world = issued(|world| world.credentials = Some(credentials("ASIA", Some(at(1800)))));
    assert_eq!(world.decide(), keep(1200), "a third of the actual lifetime");
    for second in [1200, 1500, 1790, 1799] {
        world.now = at(second);
        assert_eq!(wait_reason(&world), Some(WaitReason::AwaitingCredentials), "{second}");
    }
    let renewed = credentials("ASIB", Some(at(3600)));
    let mut healed = world.clone();
    healed.credentials = Some(renewed);
    assert_eq!(reason(&healed), Some(IssueReason::CredentialsChanged));
    world.now = at(1800);
    let expired = CredentialsExpired { expiration: at(1800) };
    assert_eq!(wait_reason(&world), Some(WaitReason::CredentialsExpired(expired)));
}

#[test]
fn a_token_renews_once() {
    let mut world = settled();
    let mut ask = |token: Option<&str>| {
        world.request.renew = token.map(str::to_owned);
        let reason = reason(&world);
        world.act(world.decide());
        let stored = world.stored().unwrap().handled_renew;
        (reason, stored.map(String::from))
    };
    let (asked, handled) = (Some(IssueReason::Requested), |token: &str| Some(token.to_owned()));
    assert_eq!(ask(None), (None, None));
    assert_eq!(ask(Some("a")), (asked, handled("a")));
    assert_eq!(ask(Some("a")), (None, handled("a")));
    assert_eq!(ask(None), (None, handled("a")), "taking it away is no reason");
    assert_eq!(ask(Some("a")), (None, handled("a")), "nor is bringing it back");
    assert_eq!(ask(Some("b")), (asked, handled("b")));
}

#[test]
fn a_token_waits_while_suspended() {
    let mut world = settled();
    world.request.suspend = true;
    world.request.renew = Some("a".to_owned());
    assert_eq!(wait_reason(&world), Some(WaitReason::Suspended));
    world.request.suspend = false;
    assert_eq!(reason(&world), Some(IssueReason::Requested));
}
