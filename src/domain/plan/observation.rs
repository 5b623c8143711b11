//! The input of a plan.

use jiff::Timestamp;

use crate::domain::history::{History, Inputs};
use crate::domain::resolve::Resolved;
use crate::domain::status::Problem;
use crate::domain::stored::Content;
use crate::domain::{Credentials, Owner, Stored};

/// Everything that was observed about one object.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// When the observation began.
    pub now: Timestamp,
    /// Namespace, name and UID of the object.
    pub owner: &'a Owner,
    /// Hash of the UID of the object, which spreads renewals.
    pub seed: u32,
    /// The inputs of the reconcile, which a failure is noted with.
    pub inputs: &'a Inputs,
    /// Whether the status reports a URL.
    pub was_issued: bool,
    /// When that URL expires.
    pub reported_expiration: Option<Timestamp>,
    /// The parsed spec with what its signer says, or why it cannot be acted on.
    pub request: Result<&'a Resolved, Problem>,
    /// The target Secret, whichever owner it has, or why it could not be read.
    pub target: Result<Option<&'a Stored>, Problem>,
    /// The credentials, or why there are none.
    pub credentials: Result<&'a Credentials, Problem>,
    /// Whether the operator can ask for a session to sign with, which it does only when it is needed.
    pub can_get_session: bool,
    /// The target Secret, rendered again at its own signing time, or why that is not possible; `None`
    /// when its URL cannot be read.
    pub rendered: Result<Option<Rendering<'a>>, Problem>,
    /// The history of the object.
    pub history: &'a History,
}

/// The stored Secret, rendered again at its own signing time.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'a> {
    /// The content of the Secret, for comparison.
    pub content: &'a Content,
    /// The address of the object in the store, without the query.
    pub location: &'a str,
}
