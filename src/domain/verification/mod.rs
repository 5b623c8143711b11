//! Whether the store accepts a URL: what it is asked, and what its answer means.
//!
//! Not here: which stores may be asked (`limits`), and the call itself.

mod answer;
mod finding;
mod question;

use jiff::Timestamp;

pub use self::answer::{StoreAnswer, finding, is_of_store};
pub(super) use self::finding::{ACCEPTED, CREDENTIALS_ACCEPTED};
pub use self::finding::{Finding, NotAsked, VerifyOutage, VerifyPlace};
pub use self::question::{Question, QuestionKind};
use super::reason::IssueReason;
pub use crate::crd::{Verify, VerifyResult};

/// What a spec says about the verification of its URLs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VerifyWish {
    /// When the store is asked.
    pub when: Verify,
    /// Certificates of private certificate authorities, as PEM.
    pub ca_bundle: Option<String>,
}

/// An answer, ready to be reported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifyAnswer {
    /// When the store answered, in whole seconds.
    pub at: Timestamp,
    /// What its answer means.
    pub finding: Finding,
    /// What to change, as a sentence.
    pub message: String,
}

/// What is known of the verification of the stored URL, beside the last report.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum VerifyNews {
    /// The spec asks for no verification.
    #[default]
    NotWanted,
    /// Nothing, because the spec is not valid. The last report stays.
    Unjudged,
    /// The operator asks no store.
    Disabled,
    /// Nothing. The last report stays if it is about the stored URL.
    Unchanged,
    /// The stored URL replaces one with the same spec and credentials, so that the last report stays.
    Renewed,
    /// The store was asked about the stored URL, and has not answered yet.
    Asking,
    /// The store was asked about the stored URL and answered, or it cannot be asked.
    Answered(Box<VerifyAnswer>),
}

impl VerifyWish {
    /// Whether the store is asked about a URL that was issued for `reason`. `has_answer` says whether it
    /// answered before.
    #[must_use]
    pub fn asks(&self, reason: IssueReason, has_answer: bool) -> bool {
        match self.when {
            Verify::None => false,
            Verify::Once => is_change(reason) || !has_answer,
            Verify::Always => true,
        }
    }
}

/// Whether a URL that was issued for `reason` can get another answer than the one before.
#[must_use]
pub fn is_change(reason: IssueReason) -> bool {
    match reason {
        IssueReason::Missing
        | IssueReason::SpecChanged
        | IssueReason::CredentialsChanged
        | IssueReason::Requested => true,
        IssueReason::RenewalDue | IssueReason::Expired | IssueReason::Drifted => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_asks_after_changes_and_until_there_is_an_answer() {
        let wish = |when| VerifyWish { when, ca_bundle: None };
        let (renewal, change) = (IssueReason::RenewalDue, IssueReason::CredentialsChanged);
        for (when, reason, has_answer, asks) in [
            (Verify::None, change, false, false),
            (Verify::Once, change, true, true),
            (Verify::Once, renewal, true, false),
            (Verify::Once, renewal, false, true),
            (Verify::Always, renewal, true, true),
        ] {
            assert_eq!(wish(when).asks(reason, has_answer), asks, "{when:?} {reason} {has_answer}");
        }
    }
}
