//! Values that nobody replaced after copying an example.

use super::*;

#[test]
fn the_placeholder_of_an_example_is_called_one() {
    for value in [
        "YOUR-ACCESS-KEY-ID",
        "YOUR-SECRET-ACCESS-KEY",
        "your_access_key",
        "YOURKEYHERE",
        "<access-key-id>",
        "<your key>",
        "REPLACE_ME",
        "replace-with-your-key",
        "${AWS_ACCESS_KEY_ID}",
        "$AWS_ACCESS_KEY_ID",
        "$(AWS_ACCESS_KEY_ID)",
        "{{ .Values.accessKey }}",
        "...",
    ] {
        for data in [
            [("access-key-id", value), ("secret-access-key", "s3cr/et=")],
            [("access-key-id", "AKIA"), ("secret-access-key", value)],
        ] {
            let message = parse(&data).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
            assert!(message.contains("placeholder"), "{value}: {message}");
            assert!(!message.contains(value), "{message}");
        }
    }
    // A password may be anything else.
    for value in [
        "$UMMER2026",
        "<4x9ab>",
        "yours-truly-7",
        "a<b>c",
        "pa$$word",
        "chang{{e}}",
        "your",
        "AKIAIOSFODNN7EXAMPLE",
        "a...b",
        "$ECRET-4711",
        "$SECRET.4711",
    ] {
        assert!(parse(&[("access-key-id", "AKIA"), ("secret-access-key", value)]).is_ok(), "{value}");
    }
}

#[test]
fn a_secret_that_was_encoded_twice_is_told_from_a_password() {
    let is_accepted = |text: &str| {
        let encoded = serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap();
        parse(&[("access-key-id", "AKIA"), ("secret-access-key", encoded.as_str().unwrap())]).is_ok()
    };
    for text in [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
    ] {
        assert!(!is_accepted(text), "{text}");
    }
    // Each differs in one thing from a key of AWS.
    for text in [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE",
        "wJalrXUtnFEMI_K7MDENG/bPxRfiCYEXAMPLEKEY",
        "WJALRXUTNFEMI/K7MDENG/BPXRFICYEXAMPLEKEY",
        "wjalrxutnfemi/k7mdeng/bpxrficyexamplekey",
        "AKIAIOSFODNN7EXAMPL",
        "AROAIOSFODNN7EXAMPLE",
    ] {
        assert!(is_accepted(text), "{text}");
    }
}

#[test]
fn a_line_of_an_env_file_is_told_from_a_password() {
    let named =
        |key: &str, value: &str| named([Some("id"), Some(key), None], &[("id", "AKIA"), (key, value)]);
    for (key, value) in [("pass", "pass=x"), ("pass", "PASS: x"), ("pw", "secret-access-key=x")] {
        let message = named(key, value).unwrap_err().to_string();
        assert!(message.contains("begins with the name of a key"), "{key} {value}: {message}");
    }
    // A short name may be a part of a password by chance, and what follows may be padding.
    for (key, value) in [("key", "key=x"), ("pass", "pass=="), ("pass", "word=x")] {
        assert!(named(key, value).is_ok(), "{key} {value}");
    }
}

#[test]
fn an_access_key_id_has_512_characters_at_most() {
    for (length, is_valid) in [(512, true), (513, false)] {
        let id = "A".repeat(length);
        assert_eq!(parse(&[("access-key-id", &id), ("secret-access-key", "s3cr/et=")]).is_ok(), is_valid);
    }
}
