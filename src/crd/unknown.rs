//! Finds fields that are not part of the contract.

use serde_json::Value;

/// The path of the first field in what was written that is not in what was understood. Serde drops unknown
/// fields without an error, so a misspelt field, or one of a newer release, would have no effect.
#[must_use]
pub fn first_unknown(path: &str, written: &Value, understood: &Value) -> Option<String> {
    match (written, understood) {
        (Value::Object(fields), _) => {
            fields.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match understood.get(name) {
                    None => Some(path),
                    Some(understood) => first_unknown(&path, value, understood),
                }
            })
        }
        (Value::Array(items), Value::Array(understood)) => {
            items.iter().zip(understood).find_map(|(item, understood)| first_unknown(path, item, understood))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_a_field_at_any_depth() {
        let understood = json!({"a": {"b": 1}, "c": [{"d": 2}]});
        for (written, expected) in [
            (json!({"a": {"b": 1}, "c": [{"d": 2}], "gone": null}), None),
            (json!({"x": 1}), Some("spec.x")),
            (json!({"a": {"b": 1, "x": 2}}), Some("spec.a.x")),
            (json!({"c": [{"d": 2, "x": 3}]}), Some("spec.c.x")),
        ] {
            assert_eq!(first_unknown("spec", &written, &understood).as_deref(), expected, "{written}");
        }
    }
}
