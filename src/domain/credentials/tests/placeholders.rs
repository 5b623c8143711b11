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
    ] {
        assert!(parse(&[("access-key-id", "AKIA"), ("secret-access-key", value)]).is_ok(), "{value}");
    }
}
