//! Which Secrets are access keys, and what is said of the others.

mod placeholders;
mod profiles;
mod shown;
mod usable;

use super::*;
use crate::crd::CredentialsKeys;

type Data<'a> = &'a [(&'a str, &'a str)];

/// A Secret, with these data keys named for id, secret key and session token.
fn named(names: [Option<&str>; 3], data: Data<'_>) -> Result<Credentials, InvalidCredentials> {
    read(&reference(names), false, &bytes(data))
}

fn reference(names: [Option<&str>; 3]) -> CredentialsSecretRef {
    let [id, secret, token] = names.map(|name| name.map(str::to_owned));
    let keys = CredentialsKeys {
        access_key_id: id,
        secret_access_key: secret,
        session_token: token,
        expiration: None,
    };
    CredentialsSecretRef { name: "keys".to_owned(), keys: Some(keys), profile: None }
}

fn bytes(data: Data<'_>) -> BTreeMap<String, ByteString> {
    data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
}

fn parse(data: Data<'_>) -> Result<Credentials, InvalidCredentials> {
    named([None; 3], data)
}

const EXPLICIT: [Option<&str>; 3] = [Some("user"), Some("password"), None];
const TIME: &str = "2030-01-02T03:04:05Z";
const PROFILE: &str = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s3cr/et=\n";
const BUCKET_INFO: &str =
    r#"{"spec": {"secretS3": {"accessKeyID": "AKIA", "accessSecretKey": "s3cr/et="}, "secretAzure": null}}"#;

#[test]
fn recognises_every_layout() {
    for keys in layouts::tests::spellings() {
        let values = ["AKIA\n", " s3cr/et= ", "token", TIME];
        let data: Vec<_> = keys.iter().copied().zip(values).collect();
        let credentials = parse(&data).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
        assert_eq!(credentials.access_key_id.expose(), "AKIA");
        assert_eq!(credentials.secret_access_key.expose(), "s3cr/et=");
        assert_eq!(credentials.session_token.is_some(), keys.len() > 2, "{keys:?}");
        assert_eq!(credentials.expiration.is_some(), keys.len() > 2, "{keys:?}");
    }
}

#[test]
fn recognises_a_half_in_other_letters_and_documents() {
    let expected = parse(&[("access-key-id", "AKIA"), ("secret-access-key", "s3cr/et=")]).unwrap();
    for data in [
        &[("AWS_ACCESS_KEY_ID", "AKIA"), ("aws_secret_access_key", "s3cr/et=")][..],
        &[("BucketInfo", BUCKET_INFO)],
        &[("credentials", PROFILE)],
        &[("cloud", PROFILE), ("config", "[default]\nregion = us-east-1\n")],
        &[("config", PROFILE), ("credentials", "{\"user\": \"x\"}")],
        &[("config", "log:\n  level: info\n"), ("root-user", "AKIA"), ("root-password", "s3cr/et=")],
    ] {
        assert_eq!(parse(data).unwrap_or_else(|error| panic!("{data:?}: {error}")), expected);
    }
    let session = format!("{PROFILE}aws_session_token = t\nx_security_token_expires = {TIME}\n");
    let session = parse(&[("credentials", &session)]).unwrap();
    assert_eq!(session.session_token.unwrap().expose(), "t");
    assert_eq!(session.expiration.unwrap().to_string(), TIME);
}

#[test]
fn layouts_with_equal_values_are_one() {
    let both = [("access-key-id", "AKIA"), ("secret-access-key", "s"), ("accessKey", "AKIA\n")];
    let equal = [&both[..], &[("secretKey", "s")]].concat();
    assert_eq!(parse(&equal).unwrap(), parse(&both[..2]).unwrap());
    let other_key = [&both[..], &[("secretKey", "hidden")]].concat();
    let with_token = [&equal[..], &[("session-token", "hidden")]].concat();
    for data in [&both[..], &other_key, &with_token] {
        let message = parse(data).unwrap_err().to_string();
        assert!(message.contains("two layouts, access-key-id and accessKey"), "{message}");
    }
    let spellings = [("accessKey", "AKIA"), ("AccessKey", "hidden"), ("secretKey", "s")];
    let message = parse(&spellings).unwrap_err().to_string();
    assert!(message.contains("two layouts, accessKey and AccessKey"), "{message}");
}

#[test]
fn says_which_key_is_wrong_and_never_the_value() {
    let id = ("access-key-id", "AKIA");
    let secret = |value| [id, ("secret-access-key", value)];
    let access = |value| [("access-key-id", value), ("secret-access-key", "s")];
    let twice = "SElEREVOSElEREVOSElEREVO";
    let info = |text| [("BucketInfo", text)];
    let cases: [(Data<'_>, &str); 29] = [
        (&[("other", "x")], "none of the known layouts"),
        (&[], "none of the known layouts"),
        (&[id], "key \"access-key-id\" but no key \"secret-access-key\": add it, or name both"),
        (&[("SecretKey", "hid")], "key \"SecretKey\" but no key \"AccessKey\""),
        (&[("SECRET_ACCESS_KEY", "hid")], "no key \"ACCESS_KEY_ID\""),
        (&[id, ("rootPassword", "hidden")], "two layouts, access-key-id and rootPassword"),
        (&secret(""), "key \"secret-access-key\": is empty"),
        (&secret(" \n"), "key \"secret-access-key\": is empty"),
        (&secret("hid\nden"), "control characters"),
        (&secret("\u{feff}hidden"), "byte order mark"),
        (&secret("hid\u{200b}den"), "invisible characters"),
        (&secret("hid\u{a0}den"), "invisible characters"),
        (&secret("'hidden'"), "in quotes"),
        (&secret("NULL"), "what a template writes"),
        (&secret("<no value>"), "what a template writes"),
        (&secret("AWS_SECRET_ACCESS_KEY=hidden"), "begins with the name of a key"),
        (&secret("export aws_secret_access_key = hidden"), "begins with the name of a key"),
        (&secret("secret-access-key: hidden"), "begins with the name of a key"),
        (&secret("aGlkZGVuSElEREVOaGlkZGVuSElEREVOaGlkZGVuSElEREVOaGkrLw=="), "base64-encoded twice"),
        (&access("hidden/x"), "is not an access key id"),
        (&access("hidden x"), "is not an access key id"),
        (&access("hiddén"), "is not an access key id"),
        (&access(twice), "base64-encoded twice"),
        (&access("aGlkZGVucw=="), "base64-encoded twice"),
        (&info("hidden"), "key \"BucketInfo\": is not JSON"),
        (&info("{\"spec\": {\"secretS3\": null}}"), "key \"BucketInfo\": has no spec.secretS3"),
        (
            &info("{\"spec\": {\"secretS3\": {\"accessKeyID\": \"hidden\"}}}"),
            "spec.secretS3.accessSecretKey: is missing",
        ),
        (
            &[("credentials", "[hid]\naws_access_key_id = hid\n")],
            "aws_secret_access_key: is missing in the profile",
        ),
        (
            &[("credentials", "[hid]\naws_access_key_id = \"hid\"\naws_secret_access_key = x\n")],
            "key \"credentials\", aws_access_key_id: is in quotes",
        ),
    ];
    for (data, expected) in cases {
        let message = parse(data).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("hid") && !message.contains(twice), "{message}");
    }
}

#[test]
fn odd_values_that_can_work_are_taken() {
    let hex = "MzBkNTk0YjE3YTQ1ZmM3YmQ4OGVhYmVkMjJjOTVhYzcyZmE2YzI0Zg==";
    for secret in
        ["it's", "pass word", "a=b", "x:y", "abcd==", "nullable", "'", "пароль", hex, "AWS=x", "key=x"]
    {
        let data = [("access-key-id", "AKIA"), ("secret-access-key", secret)];
        assert_eq!(parse(&data).unwrap().secret_access_key.expose(), secret);
    }
    // A short text can be base64 by chance.
    for id in [
        "minio",
        "aGlkZGVu",
        "GK31c2f218a2e44f485b94239e",
        "a_b.c-d",
        &"x".repeat(511),
        "AKIAIOSFODNN7EXAMPLE",
    ] {
        let data = [("access-key-id", id), ("secret-access-key", "s")];
        assert_eq!(parse(&data).unwrap().access_key_id.expose(), id);
    }
    let wide = bytes(&[("access-key-id", "AKIA"), ("secret-access-key", "")]);
    let wide = wide.into_keys().map(|key| (key, ByteString(vec![0xff, 0xfe, b'h', 0]))).collect();
    let message = read(&reference([None; 3]), false, &wide).unwrap_err().to_string();
    assert!(message.contains("seems to be UTF-16"), "{message}");
}

#[test]
fn an_id_has_slashes_only_where_keys_and_store_are_named() {
    let (id, secret) = ("scope/of/AKIA", "secret");
    let own = bytes(&[("user", id), ("password", secret)]);
    assert_eq!(read(&reference(EXPLICIT), true, &own).unwrap().access_key_id.expose(), id);
    assert!(read(&reference(EXPLICIT), false, &own).is_err());
    let usual = bytes(&[("access-key-id", id), ("secret-access-key", secret)]);
    assert!(read(&reference([None; 3]), true, &usual).is_err());
    let long = bytes(&[("user", &"x".repeat(513)), ("password", secret)]);
    assert!(read(&reference(EXPLICIT), true, &long).is_err());
}

#[test]
fn explicit_keys_win_over_layouts() {
    let mut reference = reference([Some("rootUser"), Some("mine"), None]);
    reference.keys.as_mut().unwrap().expiration = Some("until".to_owned());
    let data = [("rootUser", "id"), ("mine", "secret"), ("access-key-id", "other"), ("until", "1893553445")];
    let credentials = Credentials::parse(&reference, &bytes(&data)).unwrap();
    assert_eq!(credentials.access_key_id.expose(), "id");
    assert_eq!(credentials.secret_access_key.expose(), "secret");
    assert_eq!(credentials.expiration.unwrap().to_string(), TIME);
    let message = named(EXPLICIT, &data).unwrap_err().to_string();
    assert!(message.contains("no key \"user\""), "{message}");
}

#[test]
fn a_session_token_is_never_dropped() {
    let own = [("user", "id"), ("password", "secret")];
    for token in ["AWS_SESSION_TOKEN", "session-token", "session_token", "sessionToken", "security-token"] {
        let data = [&own[..], &[(token, "hidden")]].concat();
        let message = named(EXPLICIT, &data).unwrap_err().to_string();
        assert!(message.contains(&format!("session token in {token:?} that would not be used")), "{message}");
        assert!(!message.contains("hidden"), "{message}");
        let credentials = named([EXPLICIT[0], EXPLICIT[1], Some(token)], &data).unwrap();
        assert_eq!(credentials.session_token.unwrap().expose(), "hidden");
        assert!(named(EXPLICIT, &[&own[..], &[(token, " \n")]].concat()).unwrap().session_token.is_none());
    }
    for data in [
        &[("rootUser", "id"), ("rootPassword", "secret"), ("session-token", "hidden")][..],
        &[("access-key-id", "id"), ("secret-access-key", "secret"), ("AWS_SESSION_TOKEN", "hidden")],
        &[("credentials", PROFILE), ("aws_session_token", "hidden")],
    ] {
        let message = parse(data).unwrap_err().to_string();
        assert!(message.contains("would not be used"), "{message}");
    }
}

#[test]
fn a_session_token_of_another_key_is_left_alone() {
    let other = [("access-key-id", "x"), ("secret-access-key", "y"), ("session-token", "z")];
    let data = [&other[..], &[("user", "id"), ("password", "secret")]].concat();
    assert!(named(EXPLICIT, &data).unwrap().session_token.is_none());
}

#[test]
fn an_id_of_a_session_needs_its_token() {
    let id = "ASIAIOSFODNN7EXAMPLE";
    let message = named(EXPLICIT, &[("user", id), ("password", "s")]).unwrap_err().to_string();
    assert!(message.contains("key \"user\": is the id of temporary credentials"), "{message}");
    assert!(parse(&[("access-key-id", id), ("secret-access-key", "s"), ("session-token", "t")]).is_ok());
    assert!(parse(&[("access-key-id", "ASIA"), ("secret-access-key", "s")]).is_ok());
}

#[test]
fn no_number_shows_up_as_a_time() {
    let data = |time| [("access-key-id", "AKIA"), ("secret-access-key", "s"), ("expiration", time)];
    for time in ["483921", "-1", "0", "1577836800", "2020-01-01T00:00:00Z", "1893553445000", "hidden", "1e9"]
    {
        let message = parse(&data(time)).unwrap_err().to_string();
        assert!(message.contains("key \"expiration\": is not a time after 2020-01-01"), "{message}");
        assert!(!message.contains("1970") && !message.contains("hidden"), "{message}");
    }
    for (time, expected) in [("1577836801", "2020-01-01T00:00:01Z"), ("2030-01-02T03:04:05.9Z", TIME)] {
        assert_eq!(parse(&data(time)).unwrap().expiration.unwrap().to_string(), expected);
    }
}

#[test]
fn what_is_larger_than_8_kib_is_no_access_key() {
    let parsed = |secret: usize, token: usize| {
        let (secret, token) = ("s".repeat(secret), "t".repeat(token));
        parse(&[("access-key-id", "AKIA"), ("secret-access-key", &secret), ("session-token", &token)])
    };
    parsed(4000, 4188).unwrap();
    for (secret, token, key) in
        [(4000, 4189, "session-token"), (8189, 0, "secret-access-key"), (1_000_000, 10, "secret-access-key")]
    {
        let message = parsed(secret, token).unwrap_err().to_string();
        assert!(message.contains(&format!("key {key:?}: is too long")) && message.len() < 300, "{message}");
    }
}
