//! What the two judges say about a spec: the API server, and the operator's own parser.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube::core::Status;
use presign_operator::crd::PresignedUrlSpec;
use presign_operator::crd::rules::{self, Rule};
use presign_operator::domain::request::{InvalidSpec, Request};
use serde::Deserialize as _;
use serde_json::Value;

use super::rows::is_of;
use super::server::definition;

/// Why the API server refused an object.
#[derive(Debug)]
pub struct Refusal {
    /// Everything that it says.
    pub text: String,
    /// Field and sentence of each thing that is wrong.
    pub causes: Vec<(String, String)>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let causes = status.details.map(|details| details.causes).unwrap_or_default();
        let causes = causes.into_iter().map(|cause| (cause.field, cause.message)).collect();
        Self { text: status.message, causes }
    }
}

impl Refusal {
    /// Whether this rule is all that is named, of whichever name.
    pub fn is_by(&self, rule: &Rule) -> bool {
        let [(field, message)] = &self.causes[..] else { return false };
        field == field_of(rule)
            && message.strip_prefix("Invalid value: ").is_some_and(|text| is_of(rule, text))
    }

    /// Whether the schema says something, and everything that is said is about one of these fields,
    /// or about the map or list that a field is an entry of.
    pub fn is_by_schema(&self, fields: &[String]) -> bool {
        let is_within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let is_about = |at: &str| {
            let is_part = at.split('.').count() > 1;
            is_part && fields.iter().any(|field| is_within(at, field) || is_within(field, at))
        };
        // What the API server adds when the schema came before the rules.
        let is_added = |message: &str| message.contains("some validation rules were not checked");
        // Of a number that is too large, the message alone names the field.
        let names = |message: &str| fields.iter().any(|field| message.ends_with(&format!(" in {field}")));
        let is_meant = |at: &str, message: &str| is_about(at) || is_added(message) || names(message);
        !self.others().is_empty() && self.causes.iter().all(|(at, message)| is_meant(at, message))
    }

    /// Whether one of our rules says this of this field.
    pub fn says(&self, field: &str, sentence: &str) -> bool {
        self.causes
            .iter()
            .any(|(at, message)| at == field && message == &format!("Invalid value: {sentence}"))
    }

    /// The causes that are no sentence of ours: the schema's, or a rule that failed to run.
    pub fn others(&self) -> Vec<&str> {
        let is_ours = |field: &str, message: &str| {
            let text = message.split_once(": ").map_or("", |(_, text)| text);
            rules::ALL.iter().any(|(_, rule)| field_of(rule) == field && is_of(rule, text))
        };
        let others = self.causes.iter().filter(|(field, message)| !is_ours(field, message));
        others.map(|(_, message)| message.as_str()).collect()
    }
}

/// What the operator says about a spec: `None` in an error when it cannot even be read.
pub fn parse(spec: &Value) -> Result<Request, Option<InvalidSpec>> {
    let spec = PresignedUrlSpec::deserialize(spec).map_err(|_| None)?;
    Request::parse("judged", &spec, None).map_err(Some)
}

/// A rule as the definition carries it.
#[derive(Debug)]
pub struct Carried {
    /// The field that a refusal names, from `spec` on.
    pub field: String,
}

/// The rules of the definition by their CEL.
pub static RULES: LazyLock<BTreeMap<String, Carried>> = LazyLock::new(|| {
    let mut rules = BTreeMap::new();
    let schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    collect(&schema["properties"]["spec"], "spec", &mut rules);
    rules
});

fn collect(schema: &Value, path: &str, rules: &mut BTreeMap<String, Carried>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        let carried = Carried { field: format!("{path}{}", text("fieldPath")) };
        assert!(rules.insert(text("rule"), carried).is_none(), "{path} carries a rule twice: {rule}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &format!("{path}.{name}"), rules);
    }
}

/// The field that a refusal by this rule names.
pub fn field_of(rule: &Rule) -> &'static str {
    &RULES.get(rule.cel).unwrap_or_else(|| panic!("the definition does not carry {rule:?}")).field
}
