//! The way to the STS: what it tells of those who go through it, and each fault.

use std::{
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use testbed::{SessionStore, StsFault, StsFront};

use crate::{Key, STORE, answer, ask, assert_refused, curl, field, get, output, session, token};

static TOKEN: LazyLock<String> = LazyLock::new(|| token("uploader", SessionStore::AUDIENCE));

fn front() -> StsFront {
    StsFront::start(STORE.endpoint()).unwrap()
}

fn exchange(front: &StsFront) -> Result<(u16, String), String> {
    let further = [("WebIdentityToken", TOKEN.as_str()), ("DurationSeconds", "900")];
    ask(&front.endpoint(), None, "AssumeRoleWithWebIdentity", "uploader", &further)
}

fn assume(front: &StsFront) -> Result<(u16, String), String> {
    ask(&front.endpoint(), Some(&Key::of("KEY", "secret")), "AssumeRole", "keyed", &[("ExternalId", "id")])
}

#[test]
fn what_is_asked_and_answered_is_known() {
    let front = front();
    session(exchange(&front).unwrap());
    session(exchange(&front).unwrap());
    session(assume(&front).unwrap());
    let counts: Vec<_> = front.counts().into_iter().collect();
    let (keyed, uploader) = (STORE.role_arn("keyed"), STORE.role_arn("uploader"));
    let pair = |action: &str, role: &String| (action.to_owned(), role.clone());
    let expected = [(pair("AssumeRole", &keyed), 1), (pair("AssumeRoleWithWebIdentity", &uploader), 2)];
    assert_eq!(counts, expected);
    assert_eq!((front.count(None), front.count(Some(&keyed))), (3, 1));

    let [first, _, last] = front.answers().try_into().unwrap();
    assert_eq!(
        (first.action.as_str(), first.role, first.status),
        ("AssumeRoleWithWebIdentity", uploader, 200)
    );
    assert_eq!((first.session_name.as_str(), first.duration.as_deref()), ("test", Some("900")));
    assert_eq!((first.policy, first.token.as_ref()), (None, Some(&*TOKEN)));
    assert_eq!((first.access_key_id, first.external_id), (None, None));
    assert_eq!((last.role, last.duration, last.token), (keyed, None, None));
    assert_eq!((last.access_key_id.as_deref(), last.external_id.as_deref()), (Some("KEY"), Some("id")));
    let key = Key::in_answer(&first.body);
    assert_eq!(get(&STORE, &key, "team-a/report"), (200, "of a".to_owned()));
}

#[test]
fn a_refusal_speaks_as_aws_does() {
    let front = front();
    for (status, code) in [
        (429, "Throttling"),
        (503, "ServiceUnavailable"),
        (403, "AccessDenied"),
        (400, "InvalidIdentityToken"),
        (400, "ExpiredTokenException"),
    ] {
        front.fault(StsFault::Refuse { status, code });
        assert_refused(exchange(&front).unwrap(), status, code);
    }
    let answers = front.answers();
    assert_eq!(answers[0].status, 429);
    assert!(answers[0].body.contains("<Code>Throttling</Code>"));
    front.heal();
    session(exchange(&front).unwrap());
}

#[test]
fn a_fault_can_be_for_one_role_alone() {
    let front = front();
    let refuse = |code| StsFault::Refuse { status: 400, code };
    front.fault_for(STORE.role_arn("keyed"), refuse("One"));
    assert_refused(assume(&front).unwrap(), 400, "One");
    session(exchange(&front).unwrap());
    front.fault(refuse("All"));
    assert_refused(assume(&front).unwrap(), 400, "One");
    assert_refused(exchange(&front).unwrap(), 400, "All");
    front.heal();
    session(assume(&front).unwrap());
}

#[test]
fn an_answer_can_be_something_else() {
    let front = front();
    front.fault(StsFault::Html);
    let (status, body) = exchange(&front).unwrap();
    assert!(status == 200 && body.contains("<html>"), "{status} {body}");

    front.fault(StsFault::Truncated);
    let (status, body) = exchange(&front).unwrap();
    assert!(status == 200 && body.contains("<AccessKeyId>"), "{status} {body}");
    assert!(!body.contains("<Expiration>"), "{body}");

    front.fault(StsFault::Endless { bytes: 10 << 20 });
    let (status, body) = exchange(&front).unwrap();
    assert_eq!(status, 200);
    assert!(body.len() > 10 << 20);
    assert!(front.answers()[2].body.len() < 1 << 20, "it is not kept");
}

#[test]
fn an_answer_can_be_late_or_missing() {
    let front = front();
    front.fault(StsFault::Delay(Duration::from_millis(700)));
    let begun = Instant::now();
    session(exchange(&front).unwrap());
    assert!(begun.elapsed() >= Duration::from_millis(700));

    front.fault(StsFault::Close);
    let complaint = exchange(&front).unwrap_err();
    assert!(complaint.contains("Empty reply"), "{complaint}");

    front.fault(StsFault::Hang);
    thread::scope(|scope| {
        let hanging = scope.spawn(|| exchange(&front));
        // Once it is counted it is no longer missed by a heal.
        while front.count(None) < 3 && !hanging.is_finished() {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!hanging.is_finished());
        front.heal();
        let complaint = hanging.join().unwrap().unwrap_err();
        assert!(complaint.contains("Empty reply"), "{complaint}");
    });
    assert_eq!((front.count(None), front.answers().len()), (3, 1));

    let nobody = StsFront::start("http://127.0.0.1:1").unwrap();
    let complaint = exchange(&nobody).unwrap_err();
    assert!(complaint.contains("Empty reply"), "{complaint}");
}

#[test]
fn the_clock_can_be_off() {
    let front = front();
    // What the clock says, and when a session ends, in seconds since 1970.
    let times = || {
        let mut curl = curl(None, "sts");
        curl.args(["-D", "/dev/stderr", "-d", "Action=GetCallerIdentity", &front.endpoint()]);
        let fetched = curl.output().unwrap();
        let head = String::from_utf8(fetched.stderr).unwrap().to_lowercase();
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap().to_owned();
        let seconds = |time: &str| {
            let printed = output(std::process::Command::new("date").args(["-u", "+%s", "-d", time]));
            printed.unwrap().trim().parse::<i64>().unwrap()
        };
        let (_, body) = exchange(&front).unwrap();
        (seconds(&date), seconds(&field(&body, "Expiration")))
    };
    let begun = Instant::now();
    let (date, end) = times();
    front.set_date_offset(-300);
    front.set_expiration_offset(600);
    let (wrong_date, wrong_end) = times();
    let took = i64::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((date - 300..=date - 300 + took).contains(&wrong_date), "{date} {wrong_date}");
    assert!((end + 600..=end + 600 + took).contains(&wrong_end), "{end} {wrong_end}");
    let (status, _) = answer(curl(None, "sts").arg(front.endpoint())).unwrap();
    assert_ne!(status, 200);
}
