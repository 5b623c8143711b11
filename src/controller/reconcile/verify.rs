//! Leaves a question to the store after a new URL was written.

use super::observe::Observed;
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::verification::{StoreQuestion, authority_of};
use crate::domain::SignedUrl;
use crate::domain::reason::IssueReason;
use crate::domain::status::has_answer;
use crate::domain::verification::{Verify, is_change};
use crate::runtime::Key;

/// Leaves a question about a URL that was written, if the spec asks for one. It is asked beside the
/// reconciles.
pub(super) fn leave_question(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    reason: IssueReason,
    signed: &SignedUrl,
) {
    let (Some(resolved), Ok(credentials)) = (observed.resolved(), &observed.credentials) else { return };
    let wish = &resolved.request.verify;
    if wish.when == Verify::None || !ctx.verifications.is_on() {
        return;
    }
    let asks = wish.asks(reason, has_answer(&object.status));
    let question = asks.then(|| StoreQuestion {
        resolved: resolved.clone(),
        credentials: credentials.clone(),
        validity: signed.validity,
        authority: authority_of(signed),
    });
    ctx.verifications.issued(&Key::from(object), object.uid(), question, !is_change(reason));
}
