//! When an object whose URL ended is deleted, and tried again.

use super::*;
use crate::domain::ended::EndReason;

fn ended(second: i64) -> Plan {
    let deleted_at = Some(at(second));
    let progress = Progress::Ended { why: EndReason::Expired, deleted_at };
    Plan { delete_at: deleted_at, ..plan(progress, Seen::Nothing) }
}

#[test]
fn an_object_is_reconciled_when_it_is_due_to_be_deleted() {
    let finish = done(&ended(30), &outcome(10, Ok(Done::Nothing)), &History::default());
    assert_eq!((finish.next, finish.label), (Next::OnChange(Some(at(30))), "ended"));
    // It has been deleted: the watch shows that.
    let finish = done(&ended(30), &outcome(30, Ok(Done::Nothing)), &History::default());
    assert_eq!(finish.next, Next::OnChange(None));
}

#[test]
fn a_deletion_that_is_refused_is_tried_again_with_backoff() {
    let mut history = History::default();
    let mut last = at(30);
    for _ in 0..20 {
        let second = last.as_second() - at(0).as_second();
        let finish = done(&ended(30), &outcome(second, Err(api_error(None))), &history);
        let Next::At(next) = finish.next else { panic!("{:?}", finish.next) };
        assert!(next > last, "at once again: {next}");
        (history, last) = (finish.history, next);
    }
    assert!(last.as_second() - at(30).as_second() > 3600, "20 attempts take an hour at least: {last}");
}
