//! Each kind of change on a small schema: those that break it are refused, all others are accepted.

use json_patch::merge;
use serde_json::{Value, json};

use super::contract::Contract;

/// A definition with one of everything that is frozen, and changes of its schema on top.
fn contract(changes: &Value) -> Contract {
    let mut schema = json!({
        "type": "object", "required": ["spec"], "properties": {"spec": {
            "type": "object", "required": ["name"],
            "x-kubernetes-validations": [{"rule": "self.name != 'a'", "message": "must not be a"}],
            "properties": {
                "name": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"},
                "size": {"type": "integer", "format": "int32", "minimum": 1.0, "maximum": 80.0},
                "method": {"type": "string", "enum": ["GET", "PUT"], "default": "GET"},
                "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "free": {"type": "string", "nullable": true},
                "tags": {
                    "type": "object", "minProperties": 1, "maxProperties": 4,
                    "additionalProperties": {"type": "string", "maxLength": 8},
                },
                "rules": {
                    "type": "array", "minItems": 1, "maxItems": 4, "x-kubernetes-list-type": "atomic",
                    "items": {
                        "type": "object", "required": ["name"],
                        "properties": {"name": {"type": "string", "maxLength": 8}},
                    },
                },
            },
        }},
    });
    merge(&mut schema["properties"]["spec"], changes);
    Contract::of([definition(&schema, &json!({}))])
}

fn definition(schema: &Value, changes: &Value) -> Value {
    let mut definition = json!({"spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing", "shortNames": ["th"]},
        "versions": [{
            "name": "v1", "served": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }],
    }});
    merge(&mut definition["spec"], changes);
    definition
}

/// A change of a field of the spec.
fn of(field: &str, change: &Value) -> Value {
    json!({"properties": {field: change}})
}

/// A change of what the list `rules` consists of.
fn of_rules(change: &Value) -> Value {
    of("rules", &json!({"items": change}))
}

/// Changes that break manifests or clients: where, and what is said.
fn breaking() -> Vec<(Value, &'static str, &'static str)> {
    let cel = |rules: &[&str]| -> Value {
        let rules: Vec<Value> = rules.iter().map(|rule| json!({"rule": rule, "message": "m"})).collect();
        json!({"x-kubernetes-validations": rules})
    };
    let required = json!({"required": ["name", "size"]});
    let new_and_required = json!({"required": ["name", "new"], "properties": {"new": {"type": "string"}}});
    let renamed = json!({"properties": {"size": null, "length": {"type": "integer"}}});
    vec![
        (of("size", &Value::Null), ".size", "was removed or renamed"),
        (renamed, ".size", "was removed or renamed"),
        (of("rules", &Value::Null), ".rules", "was removed or renamed"),
        (
            of_rules(&json!({"required": null, "properties": {"name": null}})),
            ".rules[].name",
            "was removed or renamed",
        ),
        (of("size", &json!({"type": "string"})), ".size", "type was \"integer\" and is \"string\""),
        (of("size", &json!({"format": "int64"})), ".size", "format was \"int32\" and is \"int64\""),
        (of("name", &json!({"format": "uuid"})), ".name", "format is new: \"uuid\""),
        (of("method", &json!({"enum": ["PUT", "POST"]})), ".method", "enum no longer has GET"),
        (of("name", &json!({"enum": ["abc"]})), ".name", "enum is new: [\"abc\"]"),
        (of("method", &json!({"default": "PUT"})), ".method", "default was \"GET\" and is \"PUT\""),
        (of("method", &json!({"default": null})), ".method", "default was \"GET\" and is gone"),
        (of("size", &json!({"default": 4})), ".size", "default is new: 4"),
        (required, ".size", "required is new: true"),
        (new_and_required, ".new", "is new and required"),
        (
            of_rules(&json!({"required": ["name", "b"], "properties": {"b": {"type": "string"}}})),
            ".rules[].b",
            "is new and required",
        ),
        (of("name", &json!({"maxLength": 7})), ".name", "maxLength was 8 and is 7"),
        (of("name", &json!({"minLength": 3})), ".name", "minLength was 2 and is 3"),
        (of("size", &json!({"maximum": 79})), ".size", "maximum was 80.0 and is 79"),
        (of("size", &json!({"minimum": 2})), ".size", "minimum was 1.0 and is 2"),
        (of("size", &json!({"multipleOf": 2})), ".size", "multipleOf is new: 2"),
        (
            of("name", &json!({"pattern": "^[a-y]+$"})),
            ".name",
            "pattern was \"^[a-z]+$\" and is \"^[a-y]+$\"",
        ),
        (of("free", &json!({"pattern": "a"})), ".free", "pattern is new: \"a\""),
        (of("free", &json!({"maxLength": 9999})), ".free", "maxLength is new: 9999"),
        (of("free", &json!({"minLength": 1})), ".free", "minLength is new: 1"),
        (of("free", &json!({"nullable": null})), ".free", "nullable was true and is gone"),
        (of("tags", &json!({"maxProperties": 3})), ".tags", "maxProperties was 4 and is 3"),
        (of("tags", &json!({"minProperties": 2})), ".tags", "minProperties was 1 and is 2"),
        (
            of("tags", &json!({"additionalProperties": {"maxLength": 7}})),
            ".tags{}",
            "maxLength was 8 and is 7",
        ),
        (of("rules", &json!({"maxItems": 3})), ".rules", "maxItems was 4 and is 3"),
        (of("rules", &json!({"minItems": 2})), ".rules", "minItems was 1 and is 2"),
        (
            of("rules", &json!({"x-kubernetes-list-type": "set"})),
            ".rules",
            "x-kubernetes-list-type was \"atomic\" and is \"set\"",
        ),
        (
            of("rules", &json!({"x-kubernetes-list-type": null})),
            ".rules",
            "x-kubernetes-list-type was \"atomic\" and is gone",
        ),
        (
            of_rules(&json!({"properties": {"name": {"maxLength": 7}}})),
            ".rules[].name",
            "maxLength was 8 and is 7",
        ),
        (
            of("anything", &json!({"x-kubernetes-preserve-unknown-fields": null})),
            ".anything",
            "x-kubernetes-preserve-unknown-fields was true and is gone",
        ),
        (of("size", &json!({"not": {"enum": [4]}})), ".size", "not is new: {\"enum\":[4]}"),
        (cel(&["self.name != 'a'", "true"]), "", "has a new or changed rule: true"),
        (cel(&["self.name != 'b'"]), "", "has a new or changed rule: self.name != 'b'"),
        (of("size", &cel(&["self > 4"])), ".size", "has a new or changed rule: self > 4"),
    ]
}

/// Changes that only permit more, or that nobody relies on.
fn compatible() -> Vec<Value> {
    vec![
        of("new", &json!({"type": "string", "maxLength": 1, "pattern": "a", "enum": ["a"], "default": "a"})),
        of("new", &json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}})),
        of("new", &json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == 'a'"}]})),
        of_rules(&json!({"properties": {"value": {"type": "string"}}})),
        of_rules(&json!({"required": null})),
        of("method", &json!({"enum": ["PUT", "GET", "POST"]})),
        of("method", &json!({"enum": null})),
        json!({"required": null}),
        of("name", &json!({"maxLength": 9, "minLength": 1, "pattern": null})),
        of("name", &json!({"maxLength": null, "minLength": null})),
        of("size", &json!({"maximum": 81, "minimum": 0, "format": null})),
        of("size", &json!({"maximum": null, "minimum": null})),
        of("size", &json!({"nullable": true})),
        of("tags", &json!({"maxProperties": 5, "minProperties": null})),
        of("tags", &json!({"additionalProperties": {"maxLength": 9}})),
        of("rules", &json!({"maxItems": 5, "minItems": 0})),
        of_rules(&json!({"x-kubernetes-preserve-unknown-fields": true})),
        json!({"x-kubernetes-validations": null}),
    ]
}

#[test]
fn a_change_that_breaks_is_refused_and_named() {
    let frozen = contract(&json!({}));
    for (changes, field, what) in breaking() {
        let expected = format!("v1 Thing.spec{field}: {what}");
        assert_eq!(frozen.breaks(&contract(&changes)), [expected], "{changes}");
    }
}

#[test]
fn a_change_that_permits_more_is_accepted() {
    let frozen = contract(&json!({}));
    for changes in compatible() {
        let later = contract(&changes);
        assert_ne!(frozen, later, "{changes} changes nothing");
        assert_eq!(frozen.breaks(&later), Vec::<String>::new(), "{changes}");
    }
}

#[test]
fn what_is_for_people_may_change() {
    let changes = json!({
        "description": "other", "properties": {"size": {"description": "other"}},
        "x-kubernetes-validations": [{"rule": "self.name != 'a'", "message": "other", "fieldPath": ".name"}],
    });
    assert_eq!(contract(&json!({})), contract(&changes));
}

#[test]
fn every_break_is_reported() {
    let changes =
        json!({"properties": {"name": {"maxLength": 7, "minLength": 3}, "size": null, "tags": null}});
    let breaks = contract(&json!({})).breaks(&contract(&changes));
    let expected = [
        "v1 Thing.spec.name: maxLength was 8 and is 7",
        "v1 Thing.spec.name: minLength was 2 and is 3",
        "v1 Thing.spec.size: was removed or renamed",
        "v1 Thing.spec.tags: was removed or renamed",
    ];
    assert_eq!(breaks, expected);
}

#[test]
fn a_kind_keeps_its_names() {
    let schema = json!({"type": "object"});
    let frozen = Contract::of([definition(&schema, &json!({}))]);
    for (changes, what) in [
        (json!({"group": "example.org"}), "group was \"example.com\" and is \"example.org\""),
        (json!({"scope": "Cluster"}), "scope was \"Namespaced\" and is \"Cluster\""),
        (json!({"names": {"plural": "thingies"}}), "plural was \"things\" and is \"thingies\""),
        (json!({"names": {"singular": "thingy"}}), "singular was \"thing\" and is \"thingy\""),
        (json!({"names": {"shortNames": ["tg"]}}), "shortNames no longer has th"),
        (json!({"names": {"shortNames": null}}), "shortNames no longer has th"),
        (json!({"names": {"kind": "Thingy"}}), "was removed or renamed"),
    ] {
        let later = Contract::of([definition(&schema, &changes)]);
        assert_eq!(frozen.breaks(&later), [format!("v1 Thing: {what}")], "{changes}");
    }
    let more = definition(&schema, &json!({"names": {"shortNames": ["tg", "th"]}}));
    let other = definition(&schema, &json!({"names": {"kind": "Other", "plural": "others"}}));
    assert_eq!(frozen.breaks(&Contract::of([more, other])), Vec::<String>::new());
}

#[test]
fn a_version_is_served_and_keeps_its_status() {
    let versions = |served: bool, subresources: Value| {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let version = json!({"name": "v1", "served": served, "subresources": subresources, "schema": schema});
        Contract::of([definition(&json!({}), &json!({"versions": [version]}))])
    };
    let frozen = versions(true, json!({"status": {}}));
    let served = frozen.breaks(&versions(false, json!({"status": {}})));
    assert_eq!(served, ["v1 Thing: served was true and is false"]);
    let without_status = versions(true, json!({"scale": {}}));
    assert_eq!(frozen.breaks(&without_status), ["v1 Thing: subresources no longer has status"]);
    let with_scale = versions(true, json!({"scale": {}, "status": {}}));
    assert_eq!(frozen.breaks(&with_scale), Vec::<String>::new());
}

#[test]
fn what_is_printed_is_read_again() {
    let contract = contract(&json!({}));
    let printed = contract.print();
    assert!(printed.contains("\n  \"v1 Thing.spec.rules[].name\": {"), "{printed}");
    assert_eq!(Contract::read(&printed).unwrap(), contract);
}
