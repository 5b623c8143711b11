//! What the API server says about a spec: which field is refused, and whether by a rule of ours.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube::core::Status;
use presign_operator::crd::rules::{self, Rule};
use presign_operator::crd::{credentials_rules, form_rules, signer_rules};
use serde_json::Value;
use strum::VariantArray as _;

use super::kinds::Kind;
use super::rows::is_of;

/// Why the API server refused an object.
#[derive(Debug)]
pub struct Refusal {
    /// The kind of the object.
    kind: Kind,
    /// Everything that it says.
    pub text: String,
    /// Field and sentence of each thing that is wrong.
    pub causes: Vec<(String, String)>,
}

impl Refusal {
    /// The refusal of an object of this kind.
    pub fn new(kind: Kind, status: Status) -> Self {
        let causes = status.details.map(|details| details.causes).unwrap_or_default();
        let causes = causes.into_iter().map(|cause| (cause.field, cause.message)).collect();
        Self { kind, text: status.message, causes }
    }

    /// Whether this rule is all that is named, of whichever name.
    pub fn is_by(&self, rule: &Rule) -> bool {
        let [(field, message)] = &self.causes[..] else { return false };
        without_indexes(field) == field_of(self.kind, rule)
            && sentence_of(message).is_some_and(|text| is_of(rule, text))
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

    /// Whether one of our rules says this, which names its field.
    pub fn says(&self, text: &str) -> bool {
        let said = |(at, message): &(String, String)| {
            let sentence = sentence_of(message)?;
            Some(format!("{}: {sentence}", without_indexes(at)))
        };
        self.causes.iter().filter_map(said).any(|said| said == text)
    }

    /// Whether something is said about the field that such a text begins with.
    pub fn is_about_field_of(&self, text: &str) -> bool {
        let field = text.split_once(": ").map_or(text, |(field, _)| field);
        self.causes.iter().any(|(at, _)| without_indexes(at) == field)
    }

    /// The causes that are no sentence of ours: the schema's, or a rule that failed to run.
    pub fn others(&self) -> Vec<&str> {
        let is_ours = |at: &str, message: &str| {
            let text = message.split_once(": ").map_or("", |(_, text)| text);
            let is_at =
                |rule: &Rule| carried(self.kind).get(&identity(rule)).is_some_and(|field| field == at);
            declared().any(|(_, rule)| is_at(rule) && is_of(rule, text))
        };
        let others = self.causes.iter().filter(|(at, message)| !is_ours(&without_indexes(at), message));
        others.map(|(_, message)| message.as_str()).collect()
    }
}

/// A path without the indexes of lists, as rules and the operator name it.
fn without_indexes(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

/// Every rule that the code declares, with its name.
pub fn declared() -> impl Iterator<Item = &'static (&'static str, Rule)> {
    rules::ALL.iter().chain(credentials_rules::ALL).chain(signer_rules::ALL).chain(form_rules::ALL)
}

/// What tells a rule from all others: the expression, and the message unless it is an expression too. The
/// names of two kinds of objects are checked by the same expression.
pub type Identity = (String, String);

/// The identity of a rule.
pub fn identity(rule: &Rule) -> Identity {
    let message = if rule.names.is_some() { "" } else { rule.message };
    (rule.cel.to_owned(), message.to_owned())
}

/// The rules that the definition of a kind carries, with the field that a refusal names, from `spec` on.
pub fn carried(kind: Kind) -> &'static BTreeMap<Identity, String> {
    static CARRIED: LazyLock<BTreeMap<Kind, BTreeMap<Identity, String>>> = LazyLock::new(|| {
        let rules = |kind: &Kind| {
            let mut rules = BTreeMap::new();
            let schema = kind.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
            collect(&schema["properties"]["spec"], "spec", &mut rules);
            (*kind, rules)
        };
        Kind::VARIANTS.iter().map(rules).collect()
    });
    &CARRIED[&kind]
}

fn collect(schema: &Value, path: &str, rules: &mut BTreeMap<Identity, String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        let field = format!("{path}{}", text("fieldPath"));
        let before = rules.insert((text("rule"), text("message")), field);
        assert!(before.is_none(), "{path} carries a rule twice: {rule}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &format!("{path}.{name}"), rules);
    }
    if let Some(items) = schema.get("items") {
        collect(items, path, rules);
    }
}

/// The field that a refusal by this rule names.
pub fn field_of(kind: Kind, rule: &Rule) -> &'static str {
    let field = carried(kind).get(&identity(rule));
    field.unwrap_or_else(|| panic!("the definition of {kind} does not carry {rule:?}"))
}

/// The sentence of a rule in what the API server says about a value. One older than 1.34 names the type, too.
pub fn sentence_of(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Invalid value: ")?;
    let named = ["object", "string", "array", "integer", "boolean"];
    let without = named.iter().find_map(|kind| rest.strip_prefix(&format!("\"{kind}\": ")));
    Some(without.unwrap_or(rest))
}
