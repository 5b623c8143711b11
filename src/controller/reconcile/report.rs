//! Reports a reconcile: writes the status if it changed, and sends events and log lines on transitions
//! only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;

use super::error::{Failure, is_code};
use crate::controller::context::Context;
use crate::controller::events::Dropped;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::ObjectNews;
use crate::crd::names::{GROUP, KIND, OPERATOR, VERSION};
use crate::crd::{PresignedUrlStatus, READY, VERIFIED, condition};
use crate::domain::reason::IssueReason;
use crate::domain::status::{CLOCK_SKEWED, EXPIRED, Report, Seen, next_status};
use crate::domain::stored::resource_version;
use crate::runtime::Key;

/// Writes the status of an object if it changed, and sends events and log lines for transitions.
///
/// # Guarantees
/// The write carries the version of the object that was reconciled, so that a process that was
/// suspended cannot overwrite a newer status with an older one.
///
/// # Errors
/// [`Failure::Superseded`] when the object changed meanwhile; otherwise the failure of a request to the
/// API server. An object that is gone is not an error.
pub async fn report(
    ctx: &Context,
    object: &LeanPresignedUrl,
    report: &Report,
    issued: Option<IssueReason>,
) -> Result<(), Failure> {
    let key = Key::from(object);
    let Some(packed) = ctx.objects.status(&key) else { return Ok(()) };
    let previous = match report.seen {
        // The next status then repeats most of the last one, including texts that are not in the cache.
        Seen::Unknown if !packed.is_whole() => read(ctx, object).await?,
        Seen::Unknown | Seen::Nothing | Seen::Url(_) => packed.outline(),
    };
    let now = ctx.clock.now();
    // A clock skew alone does not cause a write, because it would cause one for every object. The next
    // write for another reason reports it.
    let was_skewed = previous.conditions.iter().any(|condition| condition.reason == CLOCK_SKEWED);
    let same = Report { is_clock_skewed: was_skewed, ..report.clone() };
    if packed.is(&next_status(&previous, &same, now)) || ctx.require_live(object).is_err() {
        return Ok(());
    }
    let next = next_status(&previous, report, now);
    match write(ctx, object, &key, &next).await {
        Ok(()) => {}
        // The object was deleted meanwhile. If it was created again, the new object has its own reconcile.
        Err(error) if is_code(&error, 404) => return Ok(()),
        Err(error) if is_code(&error, 409) => return Err(Failure::Superseded),
        Err(error) => return Err(Failure::api("write the status", error)),
    }
    publish_transition(ctx, object, &Transition::between(&previous, &next, issued));
    Ok(())
}

/// Reads the whole status from the API server, because the cache may hold only its outline.
async fn read(ctx: &Context, object: &LeanPresignedUrl) -> Result<PresignedUrlStatus, Failure> {
    let owner = object.owner();
    let found = ctx.presigned_urls(&owner.namespace).get_opt(&owner.name).await;
    let found = found.map_err(|error| Failure::api("read the status", error))?;
    Ok(found.map(|found| found.status).unwrap_or_default())
}

async fn write(
    ctx: &Context,
    object: &LeanPresignedUrl,
    key: &Key,
    status: &PresignedUrlStatus,
) -> Result<(), kube::Error> {
    let owner = object.owner();
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {
            "name": owner.name,
            "namespace": owner.namespace,
            "uid": owner.uid,
            "resourceVersion": object.metadata.resource_version,
        },
        "status": status,
    });
    let params = PatchParams::apply(OPERATOR).force();
    let onto = resource_version(object.metadata.resource_version.as_deref());
    let ticket = ctx.objects.begin_status_write(key.clone(), onto);
    let urls = ctx.presigned_urls(&owner.namespace);
    let answer = urls.patch_status(&owner.name, &params, &Patch::Apply(body)).await?;
    let (effect, news) = ctx.objects.answer(ticket, &answer);
    ctx.apply_effect(key, effect);
    // The watch does not report a change again that the answer has already brought into the cache.
    if news == ObjectNews::Object {
        ctx.wake(key);
    }
    Ok(())
}

/// The changes between two statuses that are worth an event.
struct Transition<'a> {
    warning: Option<(&'a str, &'a str)>,
    /// The URL is signed only once, and has expired.
    ended: Option<&'a str>,
    issued: Option<IssueReason>,
    /// Whether the previous status reported no URL.
    is_first: bool,
    recovered: Option<&'a str>,
    /// What the store says of the URL, if that is new.
    verified: Option<&'a Condition>,
}

impl<'a> Transition<'a> {
    fn between(
        previous: &PresignedUrlStatus,
        next: &'a PresignedUrlStatus,
        issued: Option<IssueReason>,
    ) -> Self {
        let before = ready_condition(previous).map(|(reason, _)| reason);
        let (reason, message) = ready_condition(next).unwrap_or_default();
        // That a URL expires is a trouble only if it is renewed.
        let is_end = reason == EXPIRED && next.expiration_time.is_none();
        let is_trouble = |reason: &str| !matches!(reason, "Issued" | "Suspended" | "AwaitingCredentials");
        let was_trouble = before.is_some_and(is_trouble);
        let worth_an_event = issued.filter(|reason| *reason != IssueReason::RenewalDue);
        Self {
            warning: (is_trouble(reason) && !is_end && before != Some(reason)).then_some((reason, message)),
            ended: (is_end && before != Some(reason)).then_some(message),
            issued: worth_an_event,
            is_first: previous.signing_time.is_none(),
            verified: changed_verification(previous, next),
            recovered: (was_trouble && reason == "Issued" && worth_an_event.is_none()).then_some(message),
        }
    }
}

/// The condition Verified, if it shows another answer than before.
fn changed_verification<'a>(
    previous: &PresignedUrlStatus,
    next: &'a PresignedUrlStatus,
) -> Option<&'a Condition> {
    next.verified.as_ref()?;
    let before = condition(&previous.conditions, VERIFIED).map(|condition| &condition.reason);
    condition(&next.conditions, VERIFIED).filter(|now| before != Some(&now.reason))
}

/// The reason and the message of the Ready condition.
fn ready_condition(status: &PresignedUrlStatus) -> Option<(&str, &str)> {
    let ready = condition(&status.conditions, READY)?;
    Some((&ready.reason, &ready.message))
}

fn publish_transition(ctx: &Context, object: &LeanPresignedUrl, transition: &Transition<'_>) {
    let owner = object.owner();
    if let Some((reason, message)) = transition.warning {
        tracing::warn!(namespace = owner.namespace, name = owner.name, reason, "{message}");
        publish(ctx, object, EventType::Warning, reason, "Renew", message.to_owned());
    }
    if let Some(message) = transition.ended {
        tracing::info!(namespace = owner.namespace, name = owner.name, "{message}");
        publish(ctx, object, EventType::Normal, EXPIRED, "Expire", message.to_owned());
    }
    if let Some(reason) = transition.issued {
        let note = issue_note(reason, transition.is_first);
        publish(ctx, object, EventType::Normal, "Issued", reason.into(), note);
    }
    if let Some(verified) = transition.verified {
        let type_ = if verified.status == "True" { EventType::Normal } else { EventType::Warning };
        publish(ctx, object, type_, &verified.reason, "Verify", verified.message.clone());
    }
    if let Some(message) = transition.recovered {
        publish(ctx, object, EventType::Normal, "Recovered", "Renew", message.to_owned());
    }
}

/// The note of an event about a new URL.
fn issue_note(reason: IssueReason, is_first: bool) -> String {
    match reason {
        IssueReason::Missing if is_first => "the first URL was written".to_owned(),
        IssueReason::Missing => "a new URL was written, because the Secret was missing".to_owned(),
        reason => format!("a new URL was written ({reason})"),
    }
}

/// Queues an event. kube's recorder counts events that differ only in the note as one event, and keeps
/// the first note. The action therefore names the reason of an issue, which keeps such events apart.
fn publish(
    ctx: &Context,
    object: &LeanPresignedUrl,
    type_: EventType,
    reason: &str,
    action: &str,
    mut note: String,
) {
    // The API server refuses notes that are longer than 1 kB.
    while note.len() > 1000 {
        note.pop();
    }
    let (reason, action) = (reason.to_owned(), action.to_owned());
    let event = Event { type_, reason, note: Some(note), action, secondary: None };
    match ctx.events.queue(object.reference(), event) {
        Ok(()) => {}
        Err(Dropped::RateLimited) => ctx.metrics.event("limited"),
        Err(Dropped::QueueFull) => ctx.metrics.event("dropped"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn a_first_url_does_not_read_like_an_error() {
        let again = PresignedUrlStatus {
            signing_time: Some(Time(jiff::Timestamp::UNIX_EPOCH)),
            ..PresignedUrlStatus::default()
        };
        for (previous, reason, expected) in [
            (PresignedUrlStatus::default(), IssueReason::Missing, "the first URL was written"),
            (again.clone(), IssueReason::Missing, "a new URL was written, because the Secret was missing"),
            (again, IssueReason::SpecChanged, "a new URL was written (SpecChanged)"),
        ] {
            let next = PresignedUrlStatus::default();
            let transition = Transition::between(&previous, &next, Some(reason));
            assert_eq!(issue_note(reason, transition.is_first), expected);
        }
    }
}
