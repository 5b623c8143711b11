//! What must hold on a course, by what was done and not by digests.
//!
//! There is no claim about a URL that other clients may have replaced, or that stands beside another
//! one.

use jiff::Timestamp;

use super::happenings::Word;
use super::past::{Before, Past};
use super::{after, is_writable};
use crate::arbitrary::Touch;
use crate::domain::Stored;
use crate::domain::ended::EndReason;
use crate::domain::plan::{Action, Plan};
use crate::judge;
use crate::model::World;

/// Every claim. A walk says which of them it has put to the test.
pub const CLAIMS: [&str; 14] = [
    "a denied request gets no URL",
    "a suspended object gets no URL",
    "a link is signed again for a reason",
    "a renewed URL is signed again for a reason",
    "a token is answered",
    "another request is answered",
    "a URL ends early only if it is withdrawn",
    "a URL of a suspended object ends only if it is withdrawn",
    "a withdrawn URL is gone",
    "a kept URL is there until it expires",
    "a URL that is over is gone",
    "what ended stays empty",
    "a renewed URL is there",
    "an object is deleted in time and not earlier",
];

impl Past {
    /// Judges a plan before it is carried out.
    pub fn judge_plan(&mut self, world: &World, before: &Before, plan: &Plan) {
        let request = &world.request;
        let writes = !matches!(plan.action, Action::Nothing | Action::End { .. });
        if !before.word.is_granted() {
            self.claim("a denied request gets no URL", !writes, plan);
        }
        if request.suspend {
            self.claim("a suspended object gets no URL", !writes, plan);
        }
        if plan.signs() {
            let what = if request.is_signed_once {
                "a link is signed again for a reason"
            } else {
                "a renewed URL is signed again for a reason"
            };
            // Where the record of who wrote the URL or the keys beside it is lost, one of other credentials
            // could be anybody's, or for another use.
            let is_unclear = |stored: Stored| !stored.is_url_ours || stored.content.usage.is_none();
            let is_anybodys = before.is_rotated && world.stored().is_some_and(is_unclear);
            self.claim(what, !before.reasons.is_empty() || is_anybodys, plan);
        }
        let must_act = before.is_signable && is_writable(world) && plan.contested_until.is_none();
        if must_act && before.is_asked {
            self.claim("a token is answered", plan.signs(), plan);
        }
        // What the URL was for is told by the other keys of the Secret, unless somebody changed those.
        if must_act && before.is_for_another && self.touches.is_empty() {
            self.claim("another request is answered", plan.signs(), plan);
        }
        if let Action::End { why, .. } = plan.action {
            self.judge_end(world, before, plan, why);
        }
    }

    fn judge_end(&mut self, world: &World, before: &Before, plan: &Plan, why: EndReason) {
        let is_denied = !before.word.is_granted();
        // Without its signer a URL just expires.
        let is_waiting = before.word == Word::Unserved { is_withdrawn: false };
        assert_eq!(why == EndReason::Denied, is_denied && !is_waiting, "{why}: {plan:?}");
        assert!(is_denied || world.request.is_signed_once, "a URL that is renewed ends: {plan:?}");
        if !before.is_clear {
            return;
        }
        let is_due = before.word.is_withdrawn() || self.is_over(world.now);
        self.claim("a URL ends early only if it is withdrawn", is_due, plan);
        if world.request.suspend {
            let is_withdrawn = before.word.is_withdrawn();
            self.claim("a URL of a suspended object ends only if it is withdrawn", is_withdrawn, plan);
        }
    }

    /// Judges what is there after a plan was carried out, and when the operator looks again.
    pub fn judge_result(&mut self, world: &World, before: &Before, plan: &Plan, next: Option<Timestamp>) {
        let waits = plan.contested_until.is_some();
        if self.ended.is_some() && !self.is_touched() && !waits {
            let key = self.issued.as_ref().map(|issued| issued.url_key.clone()).unwrap_or_default();
            let is_empty = judge::url(world, &key).as_deref() == Some("");
            self.claim("what ended stays empty", is_empty, plan);
        }
        self.judge_deletion(world, before, plan, next);
        if !before.is_clear || !is_writable(world) {
            return;
        }
        if !waits {
            self.judge_secret(world, before, plan);
        }
        let is_alive = self.is_stored(world) && !self.is_over(world.now);
        if let (true, Some(end), Some(next)) = (is_alive, self.expiration(), next) {
            assert!(next <= end, "the next reconcile is at {next}, after the expiry at {end}: {plan:?}");
        }
    }

    /// What the Secret holds, which is ours and which no other client writes again and again.
    fn judge_secret(&mut self, world: &World, before: &Before, plan: &Plan) {
        let (suspend, is_once) = (world.request.suspend, world.request.is_signed_once);
        let (is_stored, is_over) = (self.is_stored(world), self.is_over(world.now));
        let is_denied = !before.word.is_granted();
        if before.word.is_withdrawn() {
            self.claim("a withdrawn URL is gone", !is_stored, plan);
        } else if is_denied && !suspend && is_over {
            self.claim("a URL that is over is gone", !is_stored, plan);
        } else if is_denied && before.is_stored {
            self.claim("a kept URL is there until it expires", is_stored, plan);
        }
        // Of a link that has to be signed again, the old URL stays until that is possible.
        if !is_denied && !suspend && is_once && is_over && before.reasons.is_empty() {
            self.claim("a URL that is over is gone", !is_stored, plan);
        }
        if !is_once && before.is_signable {
            self.claim("a renewed URL is there", is_stored && !is_over, plan);
        }
    }

    /// Whether the object is deleted when it has to be: so long after its URL expired. `next` is `None` if
    /// it was deleted.
    fn judge_deletion(&mut self, world: &World, before: &Before, plan: &Plan, next: Option<Timestamp>) {
        let what = "an object is deleted in time and not earlier";
        let request = &world.request;
        let due = self.expiration().zip(request.ttl_after_expired);
        let due = due.map(|(end, ttl)| after(end, i64::from(ttl)));
        if next.is_none() {
            let is_meant = request.is_signed_once && !request.suspend;
            let is_due = !before.is_clear || due.is_some_and(|due| due <= world.now);
            self.claim(what, is_meant && is_due, plan);
        }
        let is_at_its_end = self.ended.is_some() || self.is_over(world.now);
        // Where the record of who wrote what was reset, any client could have written the time.
        let is_reset = self.touches.iter().any(|touch| matches!(touch, Touch::ResetRecord));
        let has_to_wait = request.suspend || !before.word.is_granted() || !before.reasons.is_empty();
        if let (Some(due), true, false) = (due, is_at_its_end && before.is_clear, has_to_wait)
            && request.is_signed_once
            && plan.contested_until.is_none()
            && judge::url(world, "expires-at") == self.expiration().map(|end| end.to_string())
            && !is_reset
        {
            let is_in_time = next.map_or(due <= world.now, |next| next <= due && world.now < due);
            self.claim(what, is_in_time, plan);
        }
    }

    fn claim(&mut self, what: &'static str, is_so: bool, plan: &Plan) {
        assert!(CLAIMS.contains(&what), "{what}");
        self.tried.insert(what);
        assert!(is_so, "not so: {what}: {plan:?}");
    }
}
