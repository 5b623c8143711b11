//! A small evaluator of IAM policies, which shares no code with what renders them.
//!
//! Its rules are those of
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

use serde_json::Value;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// The service that asks on behalf of the session.
    pub via: Option<&'a str>,
}

enum Token {
    Any,
    One,
    Character(char),
}

/// Whether a policy allows what is asked for. A store that knows escapes also knows variables, of which
/// none may be in the policy.
pub fn allows(policy: &str, asked: Asked<'_>, knows_escapes: bool) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let mut is_allowed = false;
    for statement in policy["Statement"].as_array().unwrap() {
        let any = |name: &str, fits: &dyn Fn(&str) -> bool| {
            let mut all = statement[name].as_array().unwrap().iter();
            all.any(|pattern| fits(pattern.as_str().unwrap()))
        };
        let action =
            |pattern: &str| matches(&pattern.to_lowercase(), &asked.action.to_lowercase(), knows_escapes);
        let resource = |pattern: &str| matches_arn(pattern, asked.resource, knows_escapes);
        if any("Action", &action) && any("Resource", &resource) && holds(&statement["Condition"], asked) {
            match statement["Effect"].as_str() {
                Some("Allow") => is_allowed = true,
                effect => {
                    assert_eq!(effect, Some("Deny"));
                    return false;
                }
            }
        }
    }
    is_allowed
}

fn holds(condition: &Value, asked: Asked<'_>) -> bool {
    let Some(condition) = condition.as_object() else { return true };
    assert!(condition.keys().eq(["StringEquals"]));
    let operands = condition["StringEquals"].as_object().unwrap();
    assert!(operands.keys().eq(["kms:ViaService"]));
    operands["kms:ViaService"].as_str() == asked.via
}

/// A wildcard stands for nothing beyond its part of an ARN; the sixth part is the rest.
fn matches_arn(pattern: &str, arn: &str, knows_escapes: bool) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern == "*"
        || (patterns.len() == parts.len()
            && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part, knows_escapes)))
}

fn matches(pattern: &str, text: &str, knows_escapes: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    // For each length, whether the tokens so far match that many characters.
    let mut reached: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for token in tokens(pattern, knows_escapes) {
        let mut next = vec![false; reached.len()];
        for length in 0..reached.len() {
            next[length] = match token {
                Token::Any => reached[..=length].contains(&true),
                Token::One => length > 0 && reached[length - 1],
                Token::Character(c) => length > 0 && reached[length - 1] && text[length - 1] == c,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

fn tokens(pattern: &str, knows_escapes: bool) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), pattern);
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        tokens.push(match first {
            '$' if knows_escapes && rest.starts_with("${") => {
                let variable = &rest[2..rest.find('}').unwrap()];
                assert!(["*", "?", "$"].contains(&variable), "{pattern}");
                length = variable.len() + 3;
                Token::Character(variable.chars().next().unwrap())
            }
            '*' => Token::Any,
            '?' => Token::One,
            _ => Token::Character(first),
        });
        rest = &rest[length..];
    }
    tokens
}

#[test]
fn evaluates_wildcards_escapes_denials_and_conditions() {
    for (pattern, text, is_match) in [
        ("a*c", "abbc", true),
        ("a*c", "ac", true),
        ("a*c", "acb", false),
        ("a?c", "a/c", true),
        ("a?c", "ac", false),
        ("a${*}c", "a*c", true),
        ("a${*}c", "abc", false),
        ("${?}${$}{x}", "?${x}", true),
        ("$a", "$a", true),
        ("*", "", true),
        ("é?", "éü", true),
    ] {
        assert_eq!(matches(pattern, text, true), is_match, "{pattern} {text}");
    }
    assert!(matches("${*}", "${a/b}", false));
    assert!(matches_arn("arn:aws:s3:::a/*", "arn:aws:s3:::a/b:c", true));
    assert!(!matches_arn("arn:*:a/b", "arn:aws:s3:::a/b", true));
    let of = |statements: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let allow = r#"{"Effect":"Allow","Action":["s3:Get*"],"Resource":["*"]}"#;
    let deny = r#"{"Effect":"Deny","Action":["s3:*"],"Resource":["arn:aws:s3:::a/*"]}"#;
    let via = r#"{"Effect":"Allow","Action":["s3:Put"],"Resource":["*"],"Condition":{"StringEquals":{"kms:ViaService":"x"}}}"#;
    for (statements, action, resource, service, is_allowed) in [
        (allow.to_owned(), "s3:getobject", "arn:aws:s3:::a/b", None, true),
        (allow.to_owned(), "s3:PutObject", "arn:aws:s3:::a/b", None, false),
        (format!("{allow},{deny}"), "s3:GetObject", "arn:aws:s3:::a/b", None, false),
        (format!("{deny},{allow}"), "s3:GetObject", "arn:aws:s3:::b/b", None, true),
        (via.to_owned(), "s3:Put", "arn:aws:s3:::b/b", Some("x"), true),
        (via.to_owned(), "s3:Put", "arn:aws:s3:::b/b", Some("y"), false),
        (via.to_owned(), "s3:Put", "arn:aws:s3:::b/b", None, false),
    ] {
        let asked = Asked { action, resource, via: service };
        assert_eq!(allows(&of(&statements), asked, true), is_allowed, "{statements} {asked:?}");
    }
}
