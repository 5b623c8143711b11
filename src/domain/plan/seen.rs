//! What a report shows of the stored URL.

use super::Rendering;
use crate::domain::decision::{Case, is_planted, issue_reason};
use crate::domain::reason::IssueReason;
use crate::domain::resolve::Permission;
use crate::domain::status::{ReportedUrl, Seen};

/// The stored URL for the report, as it is before anything is written.
pub(super) fn seen(
    case: &Case<'_>,
    can_render: bool,
    rendering: Option<Rendering<'_>>,
    permission: &Permission,
) -> Seen {
    let Some((stored, url)) = case.stored.and_then(|stored| stored.content.url.map(|url| (stored, url)))
    else {
        return Seen::Nothing;
    };
    let is_granted = permission.is_granted();
    let mismatch = [IssueReason::Missing, IssueReason::SpecChanged, IssueReason::Drifted];
    Seen::Url(ReportedUrl {
        // A URL that cannot be signed again is not what the spec asks for.
        matches: can_render && issue_reason(case).is_none_or(|reason| !mismatch.contains(&reason)),
        is_planted: is_planted(case, stored, &url),
        digest: Some(Box::new(url)),
        location: rendering.map(|rendering| rendering.location.to_owned()).filter(|_| is_granted),
        handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
        ..ReportedUrl::new(case.request, url.validity, case.credentials, case.seed)
    })
}
