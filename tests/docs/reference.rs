//! A page about a kind, made from its definition: every field with its type, its limits and its meaning, and
//! every rule.

use std::fmt::Write as _;

use serde_json::Value;

/// A page about kinds, after a text. The definitions are those of the code.
pub fn page(start: &str, kinds: &[&str]) -> String {
    let mut text = start.to_owned();
    for definition in presign_operator::crd::definitions().unwrap() {
        let definition = serde_json::to_value(definition).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        if kinds.contains(&kind) {
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            section(kind, schema, &mut text);
        }
    }
    text
}

/// A field, or what a list or a map consists of.
struct Field<'a> {
    path: String,
    schema: &'a Value,
    is_required: bool,
}

fn section(kind: &str, schema: &Value, text: &mut String) {
    for part in ["spec", "status"] {
        let mut fields = Vec::new();
        collect(part, &schema["properties"][part], &mut fields);
        let _ = write!(text, "\n## {kind}: {part}\n\n| field | type | meaning |\n|---|---|---|\n");
        for field in &fields {
            let required = if field.is_required { " **Required.**" } else { "" };
            let meaning = field.schema["description"].as_str().unwrap_or_default();
            let kind = kind_of(field.schema);
            let _ = writeln!(text, "| `{}` | {kind} | {}{required} |", field.path, cell(meaning));
        }
        rules(kind, part, &schema["properties"][part], text);
    }
}

/// The rules of a part, which the API server checks together with types and limits.
fn rules(kind: &str, part: &str, schema: &Value, text: &mut String) {
    let mut found = Vec::new();
    collect_rules(part, schema, &mut found);
    if found.is_empty() {
        return;
    }
    let _ =
        write!(text, "\n### Rules of the {part} of a {kind}\n\n| about | the API server says |\n|---|---|\n");
    for (path, message) in found {
        let _ = writeln!(text, "| `{path}` | {} |", cell(&message));
    }
}

fn collect_rules(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let about = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
        let message = rule["message"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| rule["messageExpression"].as_str().map(readable));
        found.push((about, message.unwrap()));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect_rules(&format!("{path}.{name}"), property, found);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[inner].is_object() {
            collect_rules(&format!("{path}{mark}"), &schema[inner], found);
        }
    }
}

/// A message that CEL puts together, with dots where it inserts a name: `'a ' + names + ' b'` → `a ... b`.
/// If the name is one of a list, the list follows. Names that end in a hyphen are the beginnings of names.
fn readable(expression: &str) -> String {
    let parts: Vec<&str> = expression.split('\'').collect();
    let texts: Vec<&str> = parts.iter().skip(1).step_by(2).copied().collect();
    // Only the first and the last are texts; what is between may have texts of its own.
    let message = format!("{}...{}", texts.first().unwrap_or(&""), texts.last().unwrap_or(&""));
    let names = expression.split_once("' + [").and_then(|(_, rest)| rest.split_once(']'));
    let names = names.map(|(names, _)| names.replace("-'", "-*'").replace('\'', "`"));
    names.map_or(message.clone(), |names| format!("{message}. This applies to {names}"))
}

fn collect<'a>(path: &str, schema: &'a Value, fields: &mut Vec<Field<'a>>) {
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_required = required.is_some_and(|required| required.iter().any(|other| other == name));
        fields.push(Field { path: path.clone(), schema: property, is_required });
        collect(&path, property, fields);
        for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if property[inner].is_object() {
                collect(&format!("{path}{mark}"), &property[inner], fields);
            }
        }
    }
}

/// The type with its limits.
fn kind_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let names: Vec<String> =
            values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return names.join(", ");
    }
    let kind = schema["type"].as_str().unwrap_or("any");
    let kind = match (kind, schema["additionalProperties"].is_object()) {
        ("array", _) => format!("list of {}", kind_of(&schema["items"])),
        ("object", true) => format!("map to {}", kind_of(&schema["additionalProperties"])),
        (kind, _) => schema["format"].as_str().map_or(kind.to_owned(), |format| format!("{kind} ({format})")),
    };
    let limits: Vec<String> = [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
        ("minimum", "maximum", ""),
    ]
    .iter()
    .filter_map(|(least, most, unit)| range(&schema[least], &schema[most], unit))
    .collect();
    let pattern = schema["pattern"].as_str().map(|pattern| format!(", as `{}`", pattern.replace('|', "\\|")));
    let default = schema.get("default").map(|default| format!(", stored as {default} if it is left out"));
    let limits = if limits.is_empty() { String::new() } else { format!(", {}", limits.join(", ")) };
    format!("{kind}{limits}{}{}", pattern.unwrap_or_default(), default.unwrap_or_default())
}

fn range(least: &Value, most: &Value, unit: &str) -> Option<String> {
    let text = match (least.as_f64(), most.as_f64()) {
        (None, None) => return None,
        (None, Some(most)) => format!("at most {most}"),
        (Some(least), None) => format!("at least {least}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
    };
    Some(format!("{text} {unit}").trim_end().to_owned())
}

/// A text for a cell of a table: in one line, and nothing of it is HTML.
pub fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let parts = line.split('`').enumerate();
    let escaped = parts.map(|(number, part)| {
        if number % 2 == 0 { part.replace('<', "&lt;").replace('*', "\\*") } else { part.to_owned() }
    });
    escaped.collect::<Vec<_>>().join("`")
}

#[test]
fn nothing_in_a_cell_is_html_or_another_cell() {
    assert_eq!(cell("a\n <b> `<c>` | *"), "a &lt;b> `<c>` \\| \\*");
    assert_eq!(readable("'a ' + self.filter(n, n != '').join(', ') + ': b'"), "a ...: b");
    assert_eq!(
        readable("'a ' + ['n', 'm'].filter(n, n != 'o')[0] + ': b'"),
        "a ...: b. This applies to `n`, `m`"
    );
}
