//! The problems that a status reports when a plan cannot be carried out: what is wrong with which
//! Secret, and what to do.

use crate::domain::reason::{FailureReason, IssueReason};
use crate::domain::status::Problem;
use crate::domain::{Owner, Request, Stored};

/// The target Secret is foreign.
pub(super) fn conflict(stored: &Stored, request: &Request, owner: &Owner) -> Problem {
    let secret = &request.target.name;
    let why = match &stored.controller {
        // The name of the Secret of a signer concerns only its owner.
        _ if request.credentials.signer.is_none() && request.credentials.is_in(&owner.namespace, secret) => "holds the credentials, so the URL cannot be written to it: choose another spec.secret.name (default: the name of the PresignedUrl)".to_owned(),
        Some(controller) if controller.is_presigned_url => {
            format!("belongs to PresignedUrl {:?}: choose another spec.secret.name", controller.name)
        }
        _ => "exists and was not written for this PresignedUrl, so the operator does not change it: choose another spec.secret.name, or delete the Secret".to_owned(),
    };
    Problem::new(FailureReason::SecretConflict, format!("Secret {secret:?} {why}"))
}

/// The target Secret is ours but can never be written.
pub(super) fn fixed(request: &Request) -> Problem {
    let secret = &request.target.name;
    let why = "is immutable or not of type Opaque, so no new URL can be written into it: delete it, or choose another spec.secret.name";
    Problem::new(FailureReason::SecretConflict, format!("Secret {secret:?} {why}"))
}

/// The credentials are other ones than those that the URL was signed with, which is signed only once.
pub(super) fn other_credentials(request: &Request) -> Problem {
    let message = format!(
        "the credentials {} changed, so the URL in Secret {:?} may not work any more, and it is not signed again (spec.renewPolicy: Never): change the annotation presign.dev/renew to sign a new one",
        request.credentials.place(),
        request.target.name
    );
    Problem::new(FailureReason::CredentialsChanged, message)
}

/// A write waits, because other clients undo it or change its inputs again and again.
pub(super) fn contested(reason: IssueReason, request: &Request) -> Problem {
    if reason == IssueReason::CredentialsChanged {
        let message = format!(
            "the credentials {} change again and again: keep one access key there; a new URL is written shortly",
            request.credentials.place()
        );
        return Problem::retried(FailureReason::CredentialsInvalid, message);
    }
    let message = format!(
        "Secret {:?} is changed or deleted by somebody else again and again: find out who writes to it; it is written again shortly",
        request.target.name
    );
    Problem::retried(FailureReason::SecretConflict, message)
}
