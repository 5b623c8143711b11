//! The text of a session policy: as short as possible, and the same for the same permissions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::actions::is_on_encryption_key;
use super::resources::partition;
use crate::domain::request::{AwsAddress, Connection, aws_host};

/// The most characters that a session policy may have:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
pub(super) const MAX_POLICY: usize = 2048;

/// What a session policy allows.
#[derive(Default)]
pub(super) struct Document {
    /// The actions on each resource.
    objects: BTreeMap<String, BTreeSet<&'static str>>,
    /// The actions on the keys of encrypted objects.
    encryption_keys: BTreeSet<&'static str>,
}

impl Document {
    /// Allows actions on a resource.
    pub(super) fn allow(&mut self, resource: String, actions: &BTreeSet<&'static str>) {
        let (on_key, on_object) =
            actions.iter().partition::<BTreeSet<&str>, _>(|action| is_on_encryption_key(action));
        if !on_object.is_empty() {
            self.objects.entry(resource).or_default().extend(on_object);
        }
        self.encryption_keys.extend(on_key);
    }

    /// The text, in ASCII. Resources with the same actions share a statement. Without permissions, it denies
    /// everything.
    ///
    /// # Errors
    /// The length in characters, when it is more than [`MAX_POLICY`].
    pub(super) fn render(self, connection: &Connection) -> Result<String, usize> {
        let mut shared = BTreeMap::<BTreeSet<&str>, Vec<&str>>::new();
        for (resource, actions) in &self.objects {
            shared.entry(actions.clone()).or_default().push(resource);
        }
        let mut statements: Vec<String> =
            shared.into_iter().map(|(actions, resources)| allow(actions, resources, "")).collect();
        if statements.is_empty() {
            let everything = format!("arn:{}:s3:::*", partition(connection));
            statements.push(statement("Deny", ["s3:*"], [everything.as_str()], ""));
        }
        if connection.endpoint.is_none() && !self.encryption_keys.is_empty() {
            statements.push(allow(self.encryption_keys, ["*"], &through_s3(&connection.region)));
        }
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
        let text = ascii(&text);
        if text.len() > MAX_POLICY { Err(text.len()) } else { Ok(text) }
    }
}

/// The condition that the key of an encrypted object is used by S3 in a region:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service>.
fn through_s3(region: &str) -> String {
    let service = Value::from(aws_host("", region, AwsAddress::default()));
    format!(r#","Condition":{{"StringEquals":{{"kms:ViaService":{service}}}}}"#)
}

fn allow<'a>(
    actions: impl IntoIterator<Item = &'a str>,
    resources: impl IntoIterator<Item = &'a str>,
    condition: &str,
) -> String {
    statement("Allow", actions, resources, condition)
}

fn statement<'a>(
    effect: &str,
    actions: impl IntoIterator<Item = &'a str>,
    resources: impl IntoIterator<Item = &'a str>,
    condition: &str,
) -> String {
    let (actions, resources) = (Value::from_iter(actions), Value::from_iter(resources));
    format!(r#"{{"Effect":"{effect}","Action":{actions},"Resource":{resources}{condition}}}"#)
}

/// A JSON text with other characters than ASCII as escapes, because AWS accepts none above `\u00FF`.
fn ascii(json: &str) -> String {
    let escaped = |c: char| {
        let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        if c.is_ascii() { c.to_string() } else { units }
    };
    json.chars().map(escaped).collect::<String>()
}
