//! Writes for objects of which the operator knew that they were gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use presign_operator::crd::names::{ANNOTATION_OWNER, KIND};
use testbed::{Recorded, Sent};

use crate::history::Violation;
use crate::lag::Lag;

/// The invariant.
pub const LATE_WRITES: &str = "b: nothing is sent for an object a second after its deletion was shown";
/// How long what is under way may take to be sent.
const ALLOWED: Duration = Duration::from_secs(1);

/// The objects that one replica was shown to be gone, or on their way out, and since when.
#[derive(Default)]
pub struct Shown {
    gone: HashMap<(String, String), Instant>,
    /// What was judged, for the end.
    pub deletions: usize,
    pub writes: usize,
    pub failed_writes: usize,
}

impl Shown {
    /// Goes on with what the proxy of the replica recorded.
    pub fn judge(
        &mut self,
        replica: usize,
        record: Vec<Recorded>,
        pauses: &[(Instant, Instant)],
        lag: &Lag,
    ) -> Vec<Violation> {
        let mut late = Vec::new();
        for entry in record {
            match entry {
                Recorded::Shown(shown) if shown.kind == KIND => {
                    let text = |field: &str| shown.metadata[field].as_str().unwrap_or_default().to_owned();
                    let key = (text("namespace"), text("name"));
                    if shown.event == "DELETED" || shown.metadata["deletionTimestamp"].is_string() {
                        self.deletions += 1;
                        self.gone.entry(key).or_insert(shown.at);
                    } else {
                        self.gone.remove(&key);
                    }
                }
                // A list may have shown any object that was created again.
                Recorded::Read { path, .. } if path.contains("/presignedurls") => self.gone.clear(),
                Recorded::Sent(sent) => {
                    let is_done = sent.code.is_some_and(|code| (200..300).contains(&code));
                    let is_failed = sent.code.is_none_or(|code| code == 429 || code >= 500);
                    self.writes += usize::from(is_done && owner(&sent).is_some());
                    self.failed_writes += usize::from(is_failed);
                    late.extend(self.late(replica, &sent, pauses, lag));
                }
                _ => {}
            }
        }
        late
    }

    fn late(
        &self,
        replica: usize,
        sent: &Sent,
        pauses: &[(Instant, Instant)],
        lag: &Lag,
    ) -> Option<Violation> {
        let (namespace, owner) = owner(sent)?;
        let shown = *self.gone.get(&(namespace.clone(), owner.clone()))?;
        // Who stood still when it was shown had to wake up first, and of a connection that broke
        // what was shown last may not have arrived: the list after it tells.
        let is_missed = |(from, to): &&(Instant, Instant)| *from < shown + ALLOWED && *to > shown;
        let awake = pauses.iter().filter(is_missed).map(|(_, to)| *to);
        let knew = awake.fold(shown, Instant::max);
        let late = sent.at.saturating_duration_since(knew);
        let allowed = ALLOWED + lag.between(knew, sent.at);
        let path = sent.path.split('?').next().unwrap_or_default();
        let what = format!(
            "replica {replica} sent {} {path}, answered {:?}, {late:?} after",
            sent.method, sent.code
        );
        (late > allowed).then(|| Violation::new(LATE_WRITES, &namespace, &owner, what))
    }
}

/// The object that a write was for: its status, or a Secret of its own.
fn owner(sent: &Sent) -> Option<(String, String)> {
    let path = sent.path.split('?').next()?;
    let (_, rest) = path.split_once("/namespaces/")?;
    let parts: Vec<&str> = rest.split('/').collect();
    let owner = match parts[..] {
        [_, "presignedurls", name, "status"] => name.to_owned(),
        [_, "secrets", ref name @ ..] => {
            let written = sent.metadata["annotations"][ANNOTATION_OWNER].as_str();
            // Names of targets begin with that of their object.
            let named =
                || name.first().and_then(|name| name.split('-').next()).filter(|name| *name != "copy");
            written.or_else(named)?.to_owned()
        }
        _ => return None,
    };
    Some((parts[0].to_owned(), owner))
}
