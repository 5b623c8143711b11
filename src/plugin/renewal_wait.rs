//! Waiting after `renew`: reads the objects again and again until the operator has handled each request.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::Instant;

use super::console::{Console, printable};
use super::pages::pages;
use crate::crd::names::ANNOTATION_RENEW;
use crate::crd::{PresignedUrl, READY, condition};

/// Up to how many objects are read one by one instead of in a list.
const FEW: usize = 4;
/// The least time between two polls.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The most time between two polls. In between, a pause is four times as long as the poll before it.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Where the objects are.
pub(super) enum RenewalPlace {
    /// They were named.
    Named,
    /// They were listed in a namespace, or in all.
    Listed { namespace: Option<String>, params: ListParams },
}

impl RenewalPlace {
    /// What lists the objects.
    pub(super) fn api(&self, client: &Client) -> Api<PresignedUrl> {
        match self {
            Self::Listed { namespace: Some(namespace), .. } => Api::namespaced(client.clone(), namespace),
            Self::Named | Self::Listed { namespace: None, .. } => Api::all(client.clone()),
        }
    }
}

/// A request that the operator has not handled yet.
#[derive(Clone, Debug)]
pub(super) struct PendingRenewal {
    /// The number of the object among those to renew.
    pub(super) number: usize,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) token: String,
    /// The request that was handled last before this one.
    pub(super) before: Option<String>,
}

/// The requests that wait, by namespace and name, each with the last reason of its object for having no new URL.
type WaitingRenewals = BTreeMap<(String, String), (PendingRenewal, Option<String>)>;

/// Waits until the operator has handled the requests, and tells the outcome of each.
pub(super) async fn wait(
    client: &Client,
    place: &RenewalPlace,
    pending: Vec<PendingRenewal>,
    limit: Duration,
    mut each: impl FnMut(usize, Result<(), String>),
) {
    let ends = Instant::now() + limit;
    let all = pending.len();
    let key = |one: &PendingRenewal| (one.namespace.clone(), one.name.clone());
    let mut waiting: WaitingRenewals = pending.into_iter().map(|one| (key(&one), (one, None))).collect();
    let mut failure = None;
    loop {
        Console::progress(&format!("waiting: {} of {all} renewed", all - waiting.len()));
        let began = Instant::now();
        failure = poll(client, place, &mut waiting, &mut each).await.or(failure);
        let now = Instant::now();
        if waiting.is_empty() || now >= ends {
            break;
        }
        let pause = ((now - began) * 4).clamp(LEAST_PAUSE, MAX_PAUSE);
        tokio::time::sleep_until(ends.min(now + pause)).await;
    }
    for (one, why) in waiting.into_values() {
        let why = why.or_else(|| failure.clone()).unwrap_or_default();
        each(one.number, Err(format!("no new URL after {} seconds: {why}", limit.as_secs())));
    }
}

/// Reads the objects once. A failure of the API server may pass, so it does not end the wait.
async fn poll(
    client: &Client,
    place: &RenewalPlace,
    waiting: &mut WaitingRenewals,
    each: &mut impl FnMut(usize, Result<(), String>),
) -> Option<String> {
    let mut failure = None;
    match place {
        RenewalPlace::Listed { params, .. } if waiting.len() > FEW => {
            let api = place.api(client);
            let mut found = HashSet::new();
            let list = async |params: ListParams| api.list(&params).await;
            let listed = pages(params.clone(), list, |page| {
                for object in page {
                    let key = (object.namespace().unwrap_or_default(), object.name_any());
                    if waiting.contains_key(&key) {
                        judge(&key, &object, waiting, each);
                        found.insert(key);
                    }
                }
            });
            match listed.await {
                Ok(()) => {
                    let lost: Vec<_> = waiting.keys().filter(|key| !found.contains(key)).cloned().collect();
                    for key in lost {
                        let why = "it was deleted, or its labels were changed";
                        end(&key, Err(why.to_owned()), waiting, each);
                    }
                }
                Err(error) => failure = Some(printable(&error.to_string())),
            }
        }
        _ => {
            for key in waiting.keys().cloned().collect::<Vec<_>>() {
                let api = Api::<PresignedUrl>::namespaced(client.clone(), &key.0);
                match api.get(&key.1).await {
                    Ok(object) => judge(&key, &object, waiting, each),
                    Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                        end(&key, Err(printable(&status.message)), waiting, each);
                    }
                    Err(error) => failure = Some(printable(&error.to_string())),
                }
            }
        }
    }
    failure
}

/// Ends the wait for an object if the operator has handled the request.
fn judge(
    key: &(String, String),
    object: &PresignedUrl,
    waiting: &mut WaitingRenewals,
    each: &mut impl FnMut(usize, Result<(), String>),
) {
    let Some((one, last)) = waiting.get_mut(key) else { return };
    if is_handled(one, object) {
        end(key, Ok(()), waiting, each);
    } else {
        *last = Some(why(one, object));
    }
}

fn end(
    key: &(String, String),
    outcome: Result<(), String>,
    waiting: &mut WaitingRenewals,
    each: &mut impl FnMut(usize, Result<(), String>),
) {
    if let Some((one, _)) = waiting.remove(key) {
        each(one.number, outcome);
    }
}

/// Whether the operator has handled the request, or one that replaced it.
fn is_handled(one: &PendingRenewal, object: &PresignedUrl) -> bool {
    let handled = object.status.as_ref().and_then(|status| status.last_handled_renew.as_deref());
    let asked = object.annotations().get(ANNOTATION_RENEW).map(String::as_str);
    handled.is_some_and(|handled| {
        handled == one.token || (asked == Some(handled) && one.before.as_deref() != Some(handled))
    })
}

/// Why an object has no new URL, as it tells itself.
fn why(one: &PendingRenewal, object: &PresignedUrl) -> String {
    if object.spec.suspend == Some(true) {
        return "spec.suspend is true".to_owned();
    }
    let asked = object.annotations().get(ANNOTATION_RENEW);
    if asked.is_none() || asked == one.before.as_ref() {
        return format!("something removed the annotation {ANNOTATION_RENEW}, or put the old one back");
    }
    match object.status.as_ref().and_then(|status| condition(&status.conditions, READY)) {
        Some(ready) => format!("Ready is {}, {}: {}", ready.status, ready.reason, printable(&ready.message)),
        None => "the operator has not seen it: kubectl presign check shows whether it runs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(spec: &Value, status: &Value, asked: Option<&str>) -> PresignedUrl {
        let mut value = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl",
            "metadata": {"name": "a", "annotations": {"presign.dev/renew": asked}},
            "spec": spec, "status": status,
        });
        if asked.is_none() {
            value["metadata"]["annotations"] = json!({});
        }
        serde_json::from_value(value).unwrap()
    }

    fn pending(before: Option<&str>) -> PendingRenewal {
        let text = |text: &str| text.to_owned();
        let before = before.map(text);
        PendingRenewal { number: 0, namespace: text("n"), name: text("a"), token: text("mine"), before }
    }

    #[test]
    fn tells_why_there_is_no_new_url() {
        let reason =
            |spec: &Value, status: &Value, asked| why(&pending(Some("old")), &object(spec, status, asked));
        let spec = json!({"bucket": "b", "key": "k"});
        let ready = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "NotPermitted", "message": "no",
            "lastTransitionTime": "2030-01-02T03:04:05Z",
        }]});
        assert_eq!(reason(&spec, &ready, Some("mine")), "Ready is False, NotPermitted: no");
        assert!(reason(&spec, &json!({}), Some("mine")).contains("has not seen it"));
        for asked in [None, Some("old")] {
            assert!(reason(&spec, &ready, asked).contains("removed the annotation"));
        }
        let suspended = json!({"bucket": "b", "key": "k", "suspend": true});
        assert_eq!(reason(&suspended, &json!({}), Some("mine")), "spec.suspend is true");
    }

    #[test]
    fn a_request_is_handled_by_itself_or_by_one_that_replaced_it() {
        for (before, handled, asked, expected) in [
            (None, None, Some("mine"), false),
            (None, Some("mine"), Some("mine"), true),
            // Handled, and then somebody asked again.
            (None, Some("mine"), Some("other"), true),
            (Some("old"), Some("old"), Some("mine"), false),
            (None, None, Some("other"), false),
            (None, Some("other"), Some("other"), true),
            // A request from before, which was handled late.
            (None, Some("older"), Some("mine"), false),
            // Somebody put the old annotation back.
            (Some("old"), Some("old"), Some("old"), false),
            (Some("old"), Some("old"), None, false),
        ] {
            let status = json!({"lastHandledRenew": handled});
            let object = object(&json!({"bucket": "b", "key": "k"}), &status, asked);
            assert_eq!(is_handled(&pending(before), &object), expected, "{before:?} {handled:?} {asked:?}");
        }
    }
}
