//! What is frozen of a definition, and whether another one keeps to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is said about a field: its type, its limits, its rules.
type Field = Map<String, Value>;

/// The definitions as their fields, each by its path. What a list consists of is behind `[]`, what a map
/// consists of behind `{}`. The names of a kind are at the kind itself.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct Contract(BTreeMap<String, Field>);

/// What holds no limit, or is told by the paths and in other words.
const LEFT_OUT: [&str; 6] =
    ["description", "properties", "items", "additionalProperties", "required", "x-kubernetes-validations"];

impl Contract {
    /// The contract of these definitions.
    pub fn of(definitions: impl IntoIterator<Item = Value>) -> Self {
        let mut fields = BTreeMap::new();
        for definition in definitions {
            let (spec, names) = (&definition["spec"], &definition["spec"]["names"]);
            for version in spec["versions"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let path = format!("{} {}", text(&version["name"]), text(&names["kind"]));
                let schema = &version["schema"]["openAPIV3Schema"];
                collect(schema, &path, false, &mut fields);
                let subresources = version["subresources"].as_object();
                let subresources: Value = subresources.into_iter().flat_map(Map::keys).cloned().collect();
                let identity = [
                    ("group", &spec["group"]),
                    ("scope", &spec["scope"]),
                    ("plural", &names["plural"]),
                    ("singular", &names["singular"]),
                    ("shortNames", &names["shortNames"]),
                    ("served", &version["served"]),
                    ("subresources", &subresources),
                ];
                let stated = identity.into_iter().filter(|(_, value)| !value.is_null());
                let stated = stated.map(|(name, value)| (name.to_owned(), value.clone()));
                fields.entry(path).or_default().extend(stated);
            }
        }
        Self(fields)
    }

    /// Reads what [`print`](Self::print) wrote.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The contract as JSON, with a line for each field.
    pub fn print(&self) -> String {
        let line = |(path, field): (&String, &Field)| format!("  {}: {}", json!(path), json!(field));
        let lines: Vec<String> = self.0.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// What breaks this contract in a later one, each with the path of the field.
    pub fn breaks(&self, later: &Self) -> Vec<String> {
        let mut breaks = Vec::new();
        for (path, field) in &self.0 {
            match later.0.get(path) {
                Some(later) => breaks.extend(stricter(field, later).map(|what| format!("{path}: {what}"))),
                // Of everything in it, nothing more needs to be said.
                None if parent(path).is_some_and(|parent| !later.0.contains_key(parent)) => {}
                None => breaks.push(format!("{path}: was removed or renamed")),
            }
        }
        for (path, field) in later.0.iter().filter(|(path, _)| !self.0.contains_key(*path)) {
            let is_within_old = parent(path).is_some_and(|parent| self.0.contains_key(parent));
            if is_within_old && field.contains_key("required") {
                breaks.push(format!("{path}: is new and required"));
            }
        }
        breaks
    }
}

fn collect(schema: &Value, path: &str, is_required: bool, fields: &mut BTreeMap<String, Field>) {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("{path} has no schema"));
    let kept = keywords.iter().filter(|(keyword, _)| !LEFT_OUT.contains(&keyword.as_str()));
    let mut field: Field = kept.map(|(keyword, value)| (keyword.clone(), value.clone())).collect();
    if is_required {
        field.insert("required".to_owned(), true.into());
    }
    if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
        field.insert("rules".to_owned(), rules.iter().map(|rule| rule["rule"].clone()).collect());
    }
    fields.insert(path.to_owned(), field);
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.iter().any(|other| other == name));
        collect(property, &format!("{path}.{name}"), is_required, fields);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(inner) {
            collect(inner, &format!("{path}{mark}"), false, fields);
        }
    }
}

/// The path of what a field is in.
fn parent(path: &str) -> Option<&str> {
    let of_entry = path.strip_suffix("[]").or_else(|| path.strip_suffix("{}"));
    of_entry.or_else(|| path.rsplit_once('.').map(|(parent, _)| parent))
}

/// What a later field says more strictly, or otherwise.
fn stricter<'a>(field: &'a Field, later: &'a Field) -> impl Iterator<Item = String> + use<'a> {
    let keywords: BTreeSet<&String> = field.keys().chain(later.keys()).collect();
    keywords.into_iter().filter_map(move |keyword| change(keyword, field.get(keyword), later.get(keyword)))
}

/// What a keyword says more strictly, or otherwise; `None` if what was permitted still is.
fn change(keyword: &str, before: Option<&Value>, later: Option<&Value>) -> Option<String> {
    let (old, new) = (number(before), number(later));
    let is_compatible = match keyword {
        _ if before == later => true,
        "enum" if before.is_some() && later.is_some() => {
            return lost(before, later).map(|lost| format!("enum no longer has {lost}"));
        }
        "shortNames" | "subresources" => {
            return lost(before, later).map(|lost| format!("{keyword} no longer has {lost}"));
        }
        // The other way round: a rule that goes permits more.
        "rules" => return lost(later, before).map(|rules| format!("has a new or changed rule: {rules}")),
        "maximum" | "maxLength" | "maxItems" | "maxProperties" => {
            later.is_none() || before.is_some() && new >= old
        }
        "minimum" | "minLength" | "minItems" | "minProperties" => {
            later.is_none() || before.is_some() && new <= old
        }
        "required" | "enum" | "pattern" | "format" | "multipleOf" => later.is_none(),
        "nullable" | "x-kubernetes-preserve-unknown-fields" => before.is_none(),
        // The type, the default, how lists are merged, and whatever else a schema may say.
        _ => false,
    };
    if is_compatible {
        return None;
    }
    Some(match (before, later) {
        (Some(before), Some(later)) => format!("{keyword} was {before} and is {later}"),
        (Some(before), None) => format!("{keyword} was {before} and is gone"),
        (None, later) => format!("{keyword} is new: {}", json!(later)),
    })
}

fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64)
}

/// The items of a list that another list does not have; `None` if there are none.
fn lost(list: Option<&Value>, other: Option<&Value>) -> Option<String> {
    let items = |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
    let others = items(other);
    let lost = items(list).into_iter().filter(|item| !others.contains(item));
    let lost: Vec<String> = lost.map(|item| item.as_str().map_or(item.to_string(), str::to_owned)).collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}
