//! What counts as which reason: every edit, every rotation, every second.

use super::*;
use crate::crd::Method;
use crate::domain::Sensitive;
use crate::domain::request::Overlap;

#[test]
fn every_part_of_the_spec_that_the_url_depends_on_is_noticed() {
    let edits: [(&str, Act); 13] = [
        ("bucket", |w| w.request.bucket = "other".to_owned()),
        ("key", |w| w.request.key = "other".to_owned()),
        ("method", |w| w.request.method = Method::Head),
        ("a parameter", |w| w.request.query.push(("x-team".to_owned(), "a".to_owned()))),
        ("value of a parameter", |w| w.request.query[0].1 = "other".to_owned()),
        ("a header", |w| w.request.headers.push(("x-b".to_owned(), "1".to_owned()))),
        ("no header", |w| w.request.headers.clear()),
        ("value of a header", |w| w.request.headers[0].1 = "other".to_owned()),
        ("region", |w| w.request.connection.region = "other".to_owned()),
        ("host", |w| w.request.connection.endpoint.as_mut().unwrap().host = "other".to_owned()),
        ("path prefix", |w| w.request.connection.endpoint.as_mut().unwrap().path = "/p".to_owned()),
        ("longer life", |w| w.request.expires_in = 3601),
        ("shorter life", |w| w.request.expires_in = 3599),
    ];
    for (name, edit) in edits {
        for expiration in [None, Some(at(100_000))] {
            let mut world = issued(|world| {
                world.request.query.push(("x-audit".to_owned(), "1".to_owned()));
                world.request.headers.push(("x-a".to_owned(), "1".to_owned()));
                world.credentials = Some(credentials("AKIA", expiration));
            });
            assert_eq!(world.decide(), keep(2400), "{name}");
            edit(&mut world);
            assert_eq!(reason(&world), Some(IssueReason::SpecChanged), "{name}");
            // A longer life may be what other credentials allow: only they tell.
            let tells = name != "longer life";
            let rotated = if tells { IssueReason::SpecChanged } else { IssueReason::CredentialsChanged };
            world.credentials = Some(credentials("OTHER", expiration));
            assert_eq!(reason(&world), Some(rotated), "{name}");
            world.credentials = None;
            assert_eq!(world.with_case(issue_reason), tells.then_some(IssueReason::SpecChanged), "{name}");
        }
    }
}

#[test]
fn a_new_way_to_time_renewals_moves_the_renewal_and_issues_nothing() {
    let mut world = settled();
    for (overlap, renewal) in [
        (Overlap::Seconds(600), 3000),
        (Overlap::Percentage(50), 1800),
        (Overlap::Seconds(2999), 601),
        (Overlap::Percentage(80), 720),
    ] {
        world.request.overlap = overlap;
        assert_eq!(world.decide(), keep(renewal), "{overlap:?}");
    }
    for overlap in [Overlap::Seconds(3000), Overlap::Seconds(3001)] {
        world.request.overlap = overlap;
        assert_eq!(reason(&world), Some(IssueReason::RenewalDue), "{overlap:?}");
    }
}

#[test]
fn every_change_of_the_credentials_that_the_url_depends_on_is_noticed() {
    let session = credentials("ASIA", Some(at(5000)));
    let other_secret =
        Credentials { secret_access_key: Sensitive::new("other".to_owned()), ..session.clone() };
    let other_token =
        Credentials { session_token: Some(Sensitive::new("other".to_owned())), ..session.clone() };
    let earlier = Credentials { expiration: Some(at(3599)), ..session.clone() };
    let too_early_for_the_old = Credentials { expiration: Some(at(5)), ..session.clone() };
    let (longer, permanent) = (credentials("ASIB", Some(at(9999))), credentials("AKIA", None));
    for expires_in in [7200, 3600] {
        let mut world = issued(|world| {
            world.request.expires_in = expires_in;
            world.credentials = Some(session.clone());
        });
        assert_eq!(reason(&world), None);
        for changed in [&other_secret, &other_token, &earlier, &longer, &permanent] {
            world.credentials = Some(changed.clone());
            assert_eq!(reason(&world), Some(IssueReason::CredentialsChanged), "{:?}", changed.expiration);
        }
        world.credentials = Some(too_early_for_the_old.clone());
        assert_eq!(world.with_case(issue_reason), Some(IssueReason::CredentialsChanged));
        let expired = CredentialsExpired { expiration: at(5) };
        assert_eq!(wait_reason(&world), Some(WaitReason::CredentialsExpired(expired)));
        world.credentials = None;
        assert_eq!(world.with_case(issue_reason), None, "without any, nothing is known to have changed");
    }
}

#[test]
fn an_expiration_too_early_to_have_been_signed_for_is_a_change() {
    let mut world = issued(|world| world.credentials = Some(credentials("ASIA", Some(at(10)))));
    world.now = at(0);
    assert!(matches!(world.decide(), Decision::Keep { .. }));
    world.credentials.as_mut().unwrap().expiration = Some(at(9));
    assert_eq!(world.with_case(issue_reason), Some(IssueReason::CredentialsChanged));
}

#[test]
fn an_expiration_beyond_the_url_is_no_change() {
    let mut world = issued(|world| world.credentials = Some(credentials("ASIA", Some(at(5000)))));
    for expiration in [at(3600), at(4999), at(999_999)] {
        world.credentials.as_mut().unwrap().expiration = Some(expiration);
        assert_eq!(world.decide(), keep(2400), "{expiration}");
    }
}

#[test]
fn whatever_somebody_makes_of_the_url_is_drift() {
    let edits: [(&str, fn(String) -> String); 8] = [
        ("nothing", |_| String::new()),
        ("a word", |_| "hello".to_owned()),
        ("a line break", |url| url + "\n"),
        ("a fragment", |url| url + "#top"),
        ("a signature", |url| url.replace("Signature=", "Signature=0")),
        ("a key", |url| url.replace("report", "payroll")),
        ("another life", |url| url.replace("Expires=3600", "Expires=604800")),
        ("no life", |url| url.replace("Expires=3600", "Expires=0")),
    ];
    for (name, edit) in edits {
        let mut world = settled();
        replace_url(&mut world, edit);
        assert_eq!(reason(&world), Some(IssueReason::Drifted), "{name}");
        world.act(world.decide());
        assert_eq!(world.decide(), keep(3000), "{name}");
    }
    for edit in [(|s| drop(take(s, "url"))) as fn(&mut Secret), |s| put(s, "url", b"\xff"), |s| s.data = None]
    {
        let mut world = settled();
        them(&mut world, edit);
        assert_eq!(reason(&world), Some(IssueReason::Drifted));
    }
}

#[test]
fn the_same_url_written_by_somebody_else_is_no_drift() {
    let mut world = settled();
    world.act(Decision::Repair);
    replace_url(&mut world, |url| url);
    let copy = world.server.get().unwrap();
    world.server.apply(("backup", "Apply"), &copy, at(600)).unwrap();
    assert_eq!(world.decide(), keep(2400));
    // Restored from a backup, without the record of who wrote what.
    world.server.delete();
    them(&mut world, |secret| *secret = copy);
    assert_eq!(world.decide(), Decision::Repair);
}

#[test]
fn a_url_signed_more_than_five_minutes_in_the_future_is_drift() {
    let mut world = settled();
    world.now = at(-300);
    assert_eq!(world.decide(), keep(2400));
    world.request.renew = Some("please".to_owned());
    assert_eq!(reason(&world), Some(IssueReason::Requested));
    world.now = at(-301);
    assert_eq!(reason(&world), Some(IssueReason::Drifted));
    world.credentials = Some(credentials("OTHER", None));
    assert_eq!(reason(&world), Some(IssueReason::CredentialsChanged));
    world.request.key = "other".to_owned();
    assert_eq!(reason(&world), Some(IssueReason::SpecChanged));
    world.act(world.decide());
    assert_eq!(world.decide(), keep(-301 + 2400));
}

#[test]
fn renews_and_expires_at_the_second() {
    for (second, expected) in [
        (2399, None),
        (2400, Some(IssueReason::RenewalDue)),
        (3599, Some(IssueReason::RenewalDue)),
        (3600, Some(IssueReason::Expired)),
    ] {
        let mut world = settled();
        world.now = at(second);
        assert_eq!(reason(&world), expected, "{second}");
    }
    let mut world = settled();
    world.seed = u32::MAX;
    assert_eq!(world.decide(), keep(2400 - 359), "a tenth of the lifetime earlier at most");
}
