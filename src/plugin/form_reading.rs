//! What a signed form says: what may be uploaded with it, which fields must be sent, and from when to when it
//! works. Pure.
//!
//! The policy, the signature, the session token and the access key id are not in it.

use jiff::Timestamp;
use serde::Serialize;

use super::console::{Paint, printable};
use super::form_text::{FormCondition, FormText, NotForm, is_hidden};
use super::reading::{aws_bucket, plain_note, region_note};
use super::tree::Tree;
use super::url_text::decode;
use super::working_time::WorkingTime;
use crate::domain::Sensitive;

/// What stores may replace by the name of the file.
pub(super) const FILE_NAME: &str = "${filename}";

/// What a form says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormReading {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) bucket: Option<String>,
    pub(super) key: ValueReading,
    /// The smallest and the largest file, in bytes, if the policy limits the size.
    pub(super) min_size: Option<u64>,
    pub(super) max_size: Option<u64>,
    /// The content type, if the policy limits it.
    pub(super) content_type: Option<ValueReading>,
    /// The fields that must be sent, besides the file and those of the signature, which are secret.
    pub(super) fields: Vec<FormField>,
    #[serde(flatten)]
    pub(super) works: WorkingTime,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) notes: Vec<String>,
}

/// What a policy says about a value.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValueReading {
    pub(super) value: String,
    /// Whether the value is only the beginning.
    pub(super) is_prefix: bool,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormField {
    pub(super) name: String,
    pub(super) value: String,
}

impl FormReading {
    /// Reads a form; `now` decides whether it works.
    pub(super) fn of(form: &FormText, now: Timestamp) -> Result<Self, NotForm> {
        let scope = form.scope()?;
        let works = WorkingTime::new(form.signing_time()?, form.policy.expiration, form.token(), now);
        let sizes = form.policy.conditions.iter().find_map(|condition| match condition {
            FormCondition::Size(least, most) => Some((*least, *most)),
            FormCondition::Is(..) | FormCondition::StartsWith(..) | FormCondition::Unknown => None,
        });
        let key = value(form, "key").unwrap_or_else(|| {
            let value = printable(form.field("key").unwrap_or_default());
            ValueReading { value, is_prefix: false }
        });
        let bucket = value(form, "bucket").map(|bucket| bucket.value);
        let shown = |(name, value): (&String, &Sensitive<String>)| {
            let field = || FormField { name: printable(name), value: printable(value.expose()) };
            (!is_hidden(name)).then(field)
        };
        Ok(Self {
            scheme: form.scheme.clone(),
            host: printable(&form.authority),
            bucket: bucket.or_else(|| address_bucket(form).map(|bucket| printable(&bucket))),
            key,
            min_size: sizes.map(|(least, _)| least),
            max_size: sizes.map(|(_, most)| most),
            content_type: value(form, "content-type"),
            fields: form.fields.iter().filter_map(shown).collect(),
            notes: notes(form, &works, region_note(&form.authority, &scope)),
            works,
            region: printable(&scope.region),
            service: printable(&scope.service),
        })
    }

    pub(super) fn tree(&self, now: Timestamp, paint: Paint) -> Tree {
        let bucket = self.bucket.as_deref().unwrap_or("the bucket that is the host");
        let key = if self.key.is_prefix {
            format!("any key that begins with {} in {bucket}", self.key.value)
        } else {
            format!("{} in {bucket}", self.key.value)
        };
        let size = match (self.min_size, self.max_size) {
            (Some(least), Some(most)) => format!("from {least} to {most} bytes"),
            _ => paint.warn("not limited"),
        };
        let content_type = match &self.content_type {
            None => "not limited".to_owned(),
            Some(ValueReading { value, is_prefix: true }) => format!("begins with {value}"),
            Some(ValueReading { value, is_prefix: false }) => value.clone(),
        };
        let uploads = Tree::fact("uploads", key)
            .with(Tree::fact("host", format!("{}://{}", self.scheme, self.host)))
            .with(Tree::fact("size", size))
            .with(Tree::fact("Content-Type", content_type));
        let is_chosen = self.content_type.as_ref().is_some_and(|given| given.is_prefix);
        let has_type = self.fields.iter().any(|field| field.name.eq_ignore_ascii_case("content-type"));
        let chosen = (is_chosen && !has_type)
            .then(|| Tree::leaf("Content-Type, with a value that the visitor chooses"));
        let fields = Tree::fact("fields", "exactly these, and then the file")
            .with_all(self.fields.iter().map(|field| Tree::fact(&field.name, &field.value)))
            .with(Tree::leaf("policy, credential and signature, which are not shown"))
            .with_all(chosen);
        let sends = Tree::leaf("must be sent")
            .with(Tree::fact("method", "POST, as multipart/form-data"))
            .with(fields);
        let scope = format!("region {}, service {}", self.region, self.service);
        let notes = self.notes.iter().map(|note| Tree::leaf(paint.warn(&format!("note: {note}"))));
        Tree::leaf(paint.bold("signed form"))
            .with_all([uploads, sends])
            .with_all(self.works.trees("form", now, paint))
            .with(Tree::fact("signed for", scope))
            .with_all(notes)
    }
}

/// What the policy says about a field.
fn value(form: &FormText, name: &str) -> Option<ValueReading> {
    form.policy.conditions.iter().find_map(|condition| {
        let (found, value, is_prefix) = match condition {
            FormCondition::Is(found, value) => (found, value, false),
            FormCondition::StartsWith(found, value) => (found, value, true),
            FormCondition::Size(..) | FormCondition::Unknown => return None,
        };
        let value = printable(value.expose());
        found.eq_ignore_ascii_case(name).then_some(ValueReading { value, is_prefix })
    })
}

/// The bucket in the address that the form is sent to; `None` if it does not tell.
pub(super) fn address_bucket(form: &FormText) -> Option<String> {
    let in_host = aws_bucket(&form.authority).filter(|bucket| !bucket.is_empty());
    let in_path = || form.path.rsplit('/').next().map(decode).filter(|bucket| !bucket.is_empty());
    in_host.or_else(in_path)
}

fn notes(form: &FormText, works: &WorkingTime, region: Option<String>) -> Vec<String> {
    let has_unknown =
        form.policy.conditions.iter().any(|condition| matches!(condition, FormCondition::Unknown));
    let unknown = has_unknown.then(|| "the policy has a condition that is not understood here".to_owned());
    let is_open = form.field("key").is_some_and(|key| key.contains(FILE_NAME));
    let name = is_open.then(|| {
        format!(
            "some stores take {FILE_NAME} in the field key literally: replace it by a name of your choice"
        )
    });
    let plain = plain_note(&form.scheme, "form");
    [works.note("form"), region, plain, name, unknown].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::form_text::tests::{credentials, form, form_with};
    use super::super::working_time::UrlState;
    use super::*;

    const TOKEN: &str = "e30.eyJleHAiOjE4OTM1NTM0NDUsInBhcmVudCI6ImEifQ.c2ln";

    fn read(text: &str, now: &str) -> (FormReading, String) {
        let now = now.parse().unwrap();
        let reading = FormReading::of(&FormText::read(text).unwrap(), now).unwrap();
        let tree = reading.tree(now, Paint { is_on: false }).render();
        (reading, tree)
    }

    #[test]
    fn tells_what_may_be_uploaded_and_what_must_be_sent() {
        let (reading, tree) = read(&form(&json!({})), "2030-01-02T03:30:00Z");
        assert_eq!((reading.min_size, reading.max_size), (Some(1), Some(1000)));
        assert_eq!((reading.bucket.as_deref(), reading.works.lifetime_seconds), (Some("inbox"), 3600));
        for line in [
            "uploads: photos/camera-7.jpg in inbox",
            "host: https://s3.us-west-2.amazonaws.com",
            "size: from 1 to 1000 bytes",
            "Content-Type: image/jpeg",
            "method: POST, as multipart/form-data",
            "x-amz-meta-camera: 7",
            "policy, credential and signature, which are not shown",
            "works: valid",
            "until: 2030-01-02T04:04:05Z (in 34m 5s), a lifetime of 1h",
            "session: none",
        ] {
            assert!(tree.contains(line), "{line}:\n{tree}");
        }
    }

    #[test]
    fn tells_what_visitors_choose() {
        let open =
            json!({"key": "photos/", "form": {"maxSize": 9, "keyPrefix": true, "contentType": "image/"}});
        let (reading, tree) = read(&form(&open), "2030-01-02T03:30:00Z");
        assert_eq!(reading.key, ValueReading { value: "photos/".to_owned(), is_prefix: true });
        for line in [
            "uploads: any key that begins with photos/ in inbox",
            "size: from 0 to 9 bytes",
            "Content-Type: begins with image/",
            "Content-Type, with a value that the visitor chooses",
            "note: some stores take ${filename} in the field key literally",
        ] {
            assert!(tree.contains(line), "{line}:\n{tree}");
        }
    }

    #[test]
    fn finds_the_bucket_in_the_host_and_behind_a_path() {
        let store = |style: &str, endpoint: &str| {
            let credentials = json!({"secretRef": {"name": "a"}});
            json!({"s3": {"region": "r", "endpoint": endpoint, "addressingStyle": style, "credentials": credentials}})
        };
        let hosted = json!({"s3": {
            "region": "us-west-2", "credentials": {"secretRef": {"name": "a"}}, "addressingStyle": "VirtualHosted",
        }});
        for changes in [
            store("Path", "http://minio:9000"),
            store("Path", "http://proxy.example/stores/one"),
            store("BucketEndpoint", "https://cdn.example"),
            hosted,
        ] {
            let (reading, _) = read(&form(&changes), "2030-01-02T03:30:00Z");
            assert_eq!(reading.bucket.as_deref(), Some("inbox"), "{changes}");
        }
    }

    #[test]
    fn tells_whether_it_works_now_and_hides_what_is_secret() {
        let session = form_with(&json!({}), &credentials(Some(TOKEN)));
        for (text, now, state) in [
            (&form(&json!({})), "2030-01-02T04:04:04Z", UrlState::Valid),
            (&form(&json!({})), "2030-01-02T04:04:05Z", UrlState::Expired),
            (&form(&json!({})), "2030-01-02T02:00:00Z", UrlState::NotYetValid),
            (&session, "2030-01-02T03:30:00Z", UrlState::SessionEnded),
        ] {
            let (reading, tree) = read(text, now);
            assert_eq!(reading.works.state, state, "{now}");
            let whole = FormText::read(text).unwrap();
            for shown in [tree, serde_json::to_string(&reading).unwrap()] {
                for name in ["policy", "x-amz-signature", "x-amz-credential"] {
                    assert!(!shown.contains(whole.field(name).unwrap()), "{name}: {shown}");
                }
                assert!(!shown.contains("eyJleHAi") && !shown.contains("AKIA"), "{shown}");
            }
        }
    }
}
