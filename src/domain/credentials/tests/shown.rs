//! That nothing said of a Secret holds a value of it, whatever it holds.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{ByteString, read, reference};

const MARK: &str = "hunter2";

/// The data keys of the id and of the session token, if they are named.
type Names = (Option<&'static str>, Option<&'static str>);

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

/// Which data keys the reference names, and what the Secret holds: anything, or an access key.
fn cases() -> impl Strategy<Value = (Names, BTreeMap<String, ByteString>)> {
    let key = || prop::sample::select(KEYS.to_vec());
    let value = |(before, after)| ByteString(format!("{before}{MARK}{after}").into_bytes());
    let random = prop::collection::btree_map(key(), (around(), around()), 0..6).prop_map(move |entries| {
        entries.into_iter().map(|(key, around)| (key.to_owned(), value(around))).collect()
    });
    let random = ((prop::option::of(key()), prop::option::of(key())), random);
    let plain = || ("[A-Z0-9_]{0,12}", "[A-Z0-9_]{0,12}");
    let good = (plain(), plain(), prop::option::of(plain())).prop_map(move |(id, secret, token)| {
        let values = [(KEYS[0], Some(id)), (KEYS[1], Some(secret)), (KEYS[2], token)];
        let entry = |(key, around): (&str, Option<_>)| Some((key.to_owned(), value(around?)));
        values.into_iter().filter_map(entry).collect()
    });
    prop_oneof![random, good.prop_map(|data| ((None, None), data))]
}

#[test]
fn no_message_holds_a_value() {
    let (all, good) = (Cell::new(0), Cell::new(0));
    let outcome =
        TestRunner::default().run(&(cases(), any::<bool>()), |(((names, token), data), has_endpoint)| {
            let mut reference = reference([names, names.map(|_| "password"), token]);
            reference.keys.as_mut().unwrap().expiration = token.map(str::to_owned);
            let read = read(&reference, has_endpoint, &data);
            all.set(all.get() + 1);
            good.set(good.get() + u32::from(read.is_ok()));
            let shown =
                format!("{read:?} {}", read.as_ref().err().map(ToString::to_string).unwrap_or_default());
            prop_assert!(!shown.contains(MARK), "{shown}");
            Ok(())
        });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (all, good) = (all.get(), good.get());
    assert!(good * 4 >= all && (all - good) * 4 >= all, "{good} of {all} are access keys");
}
