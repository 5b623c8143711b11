//! Which accepted writes came late, and which of them did harm. Pure; what was written is in
//! `calls.rs`.
//!
//! A write is late when it is stored while another than its sender holds the Lease. What was
//! stored before what is told by versions, which all objects draw from one counter of etcd;
//! the times in the audit log cannot tell, since an answer is on its way for a while.
//!
//! A late write does no harm in two cases:
//! - It changed nothing: the object has the version that it had.
//! - It changed the object as its sender had last seen it while it led, and no other replica
//!   had written that object since. It is then as if it had come in time, and the new leader
//!   sees it as any other change.
//!
//! Every other one puts something older over something newer, or was decided by a replica
//! that did not lead, and neither is ever allowed.

use super::calls::Call;

/// Who held the Lease from which version on.
#[derive(Clone, Debug)]
pub struct Term {
    pub since: u64,
    /// "" for nobody.
    pub holder: String,
    /// When the answer was given.
    pub at: String,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    InTime,
    ChangedNothing,
    LateAndHarmless,
    Harmful(&'static str),
}

/// The terms, in their order.
pub fn terms(calls: &[Call]) -> Vec<Term> {
    let mut writes: Vec<Term> = calls
        .iter()
        .filter(|call| call.is_of_lease() && call.is_write() && call.is_accepted())
        .filter_map(|call| {
            Some(Term { since: call.version?, holder: call.holder.clone(), at: call.ended.clone() })
        })
        .collect();
    writes.sort_by_key(|term| term.since);
    writes.dedup_by(|later, earlier| later.holder == earlier.holder);
    writes
}

/// What became of an accepted write of `all`.
pub fn arrival(write: &Call, terms: &[Term], all: &[Call]) -> Arrival {
    let Some(version) = write.version else {
        return Arrival::Harmful("its answer shows no version");
    };
    let others = || all.iter().filter(|call| call.is_accepted() && call.is_about_same(write));
    let is_repeated = others().any(|other| other.version == Some(version) && other.ended < write.began);
    if write.asked == Some(version) || is_repeated {
        return Arrival::ChangedNothing;
    }
    let before = &terms[..terms.partition_point(|term| term.since < version)];
    let held = before.iter().rposition(|term| term.holder == write.replica);
    let Some(lost) = held.map(|held| before.get(held + 1)) else {
        return Arrival::Harmful("its sender had never held the lease");
    };
    let Some(lost) = lost.map(|term| term.since) else { return Arrival::InTime };
    let is_newer = |other: &Call| {
        other.is_write()
            && other.replica != write.replica
            && other.version.is_some_and(|other| lost < other && other < version)
    };
    if others().any(is_newer) {
        Arrival::Harmful("another replica had written the object since it took the lease")
    } else if write.asked.is_some_and(|asked| asked > lost) {
        Arrival::Harmful("it was decided on what came after its sender had lost the lease")
    } else {
        Arrival::LateAndHarmless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: u64) -> Call {
        Call { resource: "leases".to_owned(), holder: holder.to_owned(), ..write(holder, None, version) }
    }

    fn write(replica: &str, asked: Option<u64>, version: u64) -> Call {
        Call {
            replica: replica.to_owned(),
            verb: "patch".to_owned(),
            resource: "presignedurls".to_owned(),
            name: "r".to_owned(),
            code: 200,
            began: format!("{version:09}"),
            ended: format!("{version:09}"),
            asked,
            version: Some(version),
            ..Call::default()
        }
    }

    /// What becomes of a write of `a`, who held the lease from 10 until `b` took it at 20 and
    /// wrote the object at 30, and after 40 the lease changes no more.
    fn of_a(asked: Option<u64>, version: u64) -> Arrival {
        let mut all =
            vec![lease("a", 10), lease("a", 14), lease("b", 20), lease("b", 40), write("b", Some(12), 30)];
        all.push(write("a", asked, version));
        arrival(all.last().unwrap(), &terms(&all), &all)
    }

    #[test]
    fn who_holds_the_lease_writes_in_time() {
        assert_eq!(of_a(Some(12), 15), Arrival::InTime);
        assert_eq!(of_a(None, 19), Arrival::InTime);
    }

    #[test]
    fn a_late_write_onto_what_it_was_decided_on_is_harmless() {
        assert_eq!(of_a(Some(12), 25), Arrival::LateAndHarmless);
        assert_eq!(of_a(None, 25), Arrival::LateAndHarmless);
    }

    #[test]
    fn a_write_that_changes_nothing_is_never_late() {
        assert_eq!(of_a(Some(30), 30), Arrival::ChangedNothing);
        let mut all = vec![lease("a", 10), lease("b", 20), write("b", Some(12), 30)];
        all.push(Call { began: "000000050".to_owned(), ..write("a", None, 30) });
        assert_eq!(arrival(all.last().unwrap(), &terms(&all), &all), Arrival::ChangedNothing);
    }

    #[test]
    fn a_late_write_over_something_newer_is_harmful() {
        let is_harmful = |arrival| matches!(arrival, Arrival::Harmful(_));
        assert!(is_harmful(of_a(None, 35)), "nobody asked whether the object is still the same");
        assert!(is_harmful(of_a(Some(30), 35)), "it was decided after the lease was lost");
        assert!(is_harmful(of_a(Some(22), 25)), "a person changed the object, and `a` answered");
        let all = vec![lease("a", 10), write("b", Some(12), 15)];
        assert!(is_harmful(arrival(&all[1], &terms(&all), &all)), "it never held the lease");
        let all = vec![lease("a", 10), Call { version: None, ..write("a", None, 15) }];
        assert!(is_harmful(arrival(&all[1], &terms(&all), &all)), "nobody can tell");
    }

    #[test]
    fn a_lease_that_was_given_back_is_nobodys() {
        let all = vec![lease("a", 10), lease("", 20), write("a", Some(12), 25), write("a", Some(22), 27)];
        assert_eq!(arrival(&all[2], &terms(&all), &all), Arrival::LateAndHarmless);
        assert!(matches!(arrival(&all[3], &terms(&all), &all), Arrival::Harmful(_)));
    }
}
