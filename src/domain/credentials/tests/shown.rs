//! That nothing said of a Secret holds a value of it, whatever it holds.

use proptest::prelude::*;

use super::{ByteString, read, reference};

const KEYS: [&str; 12] = [
    "access-key-id",
    "secret-access-key",
    "session-token",
    "expiration",
    "accessKey",
    "secretKey",
    "AWS_SESSION_TOKEN",
    "BucketInfo",
    "credentials",
    "config",
    "user",
    "password",
];

/// Text, and what stands around a value in the documents.
fn around() -> impl Strategy<Value = String> {
    let usual = [
        "",
        "\u{feff}",
        "\"",
        "'",
        "AWS_ACCESS_KEY_ID=",
        "[default]\naws_access_key_id = ",
        "[a]\naws_secret_access_key = x\n[b]\naws_access_key_id = ",
        "{\"spec\": {\"secretS3\": {\"accessKeyID\": \"",
        "\"}}}",
        "\naws_secret_access_key = x",
    ];
    prop_oneof![2 => prop::sample::select(usual.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn no_message_holds_a_value(
        entries in prop::collection::btree_map(prop::sample::select(KEYS.to_vec()), (around(), around()), 0..6),
        names in prop::option::of(prop::sample::select(KEYS.to_vec())),
        token in prop::option::of(prop::sample::select(KEYS.to_vec())),
        has_endpoint: bool,
    ) {
        const MARK: &str = "hunter2";
        let mut reference = reference([names, names.map(|_| "password"), token]);
        reference.keys.as_mut().unwrap().expiration = token.map(str::to_owned);
        let value = |(before, after)| ByteString(format!("{before}{MARK}{after}").into_bytes());
        let data = entries.into_iter().map(|(key, around)| (key.to_owned(), value(around))).collect();
        let read = read(&reference, has_endpoint, &data);
        let shown = format!("{read:?} {}", read.as_ref().err().map(ToString::to_string).unwrap_or_default());
        prop_assert!(!shown.contains(MARK), "{shown}");
    }
}
