//! When the pods of a namespace are listed during an hour, and when they are not.

use super::*;

/// A schedule and a clock that only the test advances, in seconds since the beginning.
struct Hour {
    schedule: Schedule,
    begun: Instant,
}

impl Hour {
    fn new() -> Self {
        Self { schedule: Schedule::default(), begun: Instant::now() }
    }

    fn at(&self, second: u64) -> Instant {
        self.begun + Duration::from_secs(second)
    }

    /// A reconcile of an object whose URL is up to date.
    fn pass(&mut self, second: u64) -> bool {
        self.schedule.note("n", None, self.at(second))
    }

    /// A new URL in the Secret `s`.
    fn renew(&mut self, second: u64, needs_annotation: bool, is_routine: bool) -> bool {
        let renewal = NewUrl { secret: "s", signing_time: signed(second), needs_annotation, is_routine };
        self.schedule.note("n", Some(renewal), self.at(second))
    }

    fn next(&self) -> Option<u64> {
        self.schedule.next().map(|next| next.duration_since(self.begun).as_secs())
    }

    fn begin(&mut self, second: u64) -> Round {
        self.schedule.begin(self.at(second)).expect("a list is due")
    }

    /// The annotation of a URL that was issued then.
    fn renewed(&self, second: u64) -> HashMap<String, PlannedAnnotation> {
        let planned = PlannedAnnotation { signing_time: signed(second), since: self.at(second) };
        HashMap::from([("s".to_owned(), planned)])
    }

    fn list(&mut self, second: u64, is_any_stale: bool) -> Round {
        let round = self.begin(second);
        self.schedule.listed(&round, is_any_stale, self.at(second));
        round
    }
}

fn signed(second: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

#[test]
fn a_namespace_is_listed_once_for_all_its_objects_and_then_left_alone() {
    let mut hour = Hour::new();
    assert!(hour.pass(0), "it is the first");
    assert!((0..1000).all(|_| !hour.pass(1)), "the others wait with it");
    assert_eq!(hour.schedule.begin(hour.at(2)), None);
    assert_eq!(hour.next(), Some(3));
    assert!(!hour.schedule.was_answered("n"));
    assert_eq!(hour.list(3, false), Round { namespace: "n".to_owned(), renewed: HashMap::new() });
    assert!(hour.schedule.was_answered("n"));
    assert_eq!(hour.next(), None);
    assert!(!hour.pass(299));
    assert_eq!((hour.next(), hour.schedule.begin(hour.at(303))), (None, None));
    assert!(!hour.schedule.knows("n"), "nothing is remembered");
}

#[test]
fn renewals_make_no_more_than_one_list_in_five_minutes() {
    let mut hour = Hour::new();
    hour.pass(0);
    hour.list(3, false);
    assert!(hour.renew(10, false, true));
    assert!((11..300).all(|second| !hour.renew(second, false, true)));
    assert_eq!(hour.next(), Some(303));
    hour.list(303, false);
    assert_eq!(hour.next(), None, "a routine is not followed up");
    // The last list is long ago, so the next one is due soon.
    hour.renew(1000, false, true);
    assert_eq!(hour.next(), Some(1003));
}

#[test]
fn pods_that_come_after_a_new_url_are_seen_five_minutes_later() {
    let mut hour = Hour::new();
    hour.renew(0, false, false);
    hour.list(3, false);
    assert_eq!(hour.next(), Some(303));
    hour.list(303, false);
    assert_eq!(hour.next(), None);
}

#[test]
fn a_namespace_is_listed_until_its_pod_that_never_refreshes_is_gone() {
    let mut hour = Hour::new();
    hour.pass(0);
    hour.list(3, true);
    assert_eq!(hour.next(), Some(303));
    hour.list(303, true);
    assert_eq!(hour.next(), Some(603));
    hour.list(603, false);
    assert_eq!(hour.next(), None);
}

#[test]
fn pods_are_annotated_within_seconds_and_several_urls_share_a_list() {
    let mut hour = Hour::new();
    hour.pass(0);
    hour.list(3, false);
    assert!(hour.renew(100, true, true));
    assert_eq!(hour.next(), Some(101));
    assert!(!hour.renew(100, true, true));
    let round = hour.begin(101);
    assert_eq!((&round.renewed, hour.next()), (&hour.renewed(100), None));
    // This URL is signed during the list, so its pods are not annotated yet.
    hour.renew(102, true, true);
    hour.schedule.listed(&round, false, hour.at(102));
    assert_eq!(hour.next(), Some(103));
    assert_eq!(hour.list(103, false).renewed, hour.renewed(102));
    // The next list for annotating pods is due after five seconds at the earliest.
    hour.renew(104, true, true);
    assert_eq!(hour.next(), Some(108));
    assert_eq!(hour.list(108, false).renewed, hour.renewed(104));
    assert_eq!(hour.next(), None);
}

#[test]
fn a_list_that_fails_is_repeated_less_and_less_and_a_late_annotation_is_dropped() {
    let mut hour = Hour::new();
    hour.renew(0, true, true);
    let mut second = 1;
    for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
        let round = hour.begin(second);
        assert_eq!(round.renewed.is_empty(), second >= 120, "{second}");
        hour.schedule.failed(&round, false, hour.at(second));
        second += wait;
        assert_eq!(hour.next(), Some(second));
    }
    hour.list(second, false);
    assert_eq!(hour.next(), None);
}

#[test]
fn where_it_is_forbidden_only_a_new_url_is_a_reason_to_try_again() {
    let mut hour = Hour::new();
    hour.renew(0, true, true);
    let round = hour.begin(1);
    hour.schedule.failed(&round, true, hour.at(1));
    assert_eq!(hour.next(), None);
    assert!(!hour.pass(100));
    hour.renew(200, true, true);
    assert_eq!(hour.list(201, false).renewed, hour.renewed(200));
}

#[test]
fn the_namespace_that_waits_longest_is_listed_first_and_nobody_twice_at_a_time() {
    let mut hour = Hour::new();
    hour.schedule.note("late", None, hour.at(1));
    hour.schedule.note("early", None, hour.at(0));
    assert_eq!(hour.begin(10).namespace, "early");
    assert_eq!(hour.begin(10).namespace, "late");
    hour.schedule.note("early", None, hour.at(11));
    assert_eq!(hour.schedule.begin(hour.at(100)), None);
}

#[test]
fn a_forbidden_list_drops_no_url_that_was_issued_meanwhile() {
    let mut hour = Hour::new();
    hour.renew(0, true, true);
    let round = hour.begin(1);
    hour.renew(5, true, true);
    hour.schedule.failed(&round, true, hour.at(9));
    assert_eq!(hour.list(14, false).renewed, hour.renewed(5));
}
