//! Whose Secrets are access keys, and what the others are told.

use super::*;

fn reference() -> CredentialsSecretRef {
    CredentialsSecretRef {
        name: "keys".to_owned(),
        access_key_id_key: None,
        secret_access_key_key: None,
        session_token_key: None,
        expiration_key: None,
    }
}

fn parse(data: &[(&str, &[u8])]) -> Result<Credentials, InvalidCredentials> {
    let data = data.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.to_vec()))).collect();
    Credentials::parse(&reference(), &data)
}

#[test]
fn recognises_every_layout() {
    for (id, secret, token, expiration) in LAYOUTS {
        let mut data: Vec<(&str, &[u8])> = vec![(id, b"AKIA\n"), (secret, b" s3cr/et= ")];
        data.extend(token.map(|key| (key, b"token".as_slice())));
        data.extend(expiration.map(|key| (key, b"2030-01-02T03:04:05Z".as_slice())));
        let credentials = parse(&data).unwrap();
        assert_eq!(credentials.access_key_id.expose(), "AKIA");
        assert_eq!(credentials.secret_access_key.expose(), "s3cr/et=");
        assert_eq!(credentials.session_token.is_some(), token.is_some());
        assert_eq!(credentials.expiration.is_some(), expiration.is_some());
    }
}

type Data<'a> = &'a [(&'a str, &'a [u8])];

#[test]
fn says_which_key_is_wrong_and_never_the_value() {
    let id = ("access-key-id", b"AKIA".as_slice());
    let cases: [(Data<'_>, &str); 9] = [
        (&[("other", b"x")], "none of the known layouts"),
        (&[id], "no key \"secret-access-key\""),
        (&[id, ("rootPassword", b"hidden")], "two layouts, access-key-id and rootUser"),
        (&[id, ("secret-access-key", b"")], "key \"secret-access-key\": is empty"),
        (&[id, ("secret-access-key", b"hid\nden")], "control characters"),
        (&[id, ("secret-access-key", b"hidden\xff")], "not UTF-8"),
        (&[("access-key-id", b"hidden/x"), ("secret-access-key", b"s")], "no access key id"),
        (&[("access-key-id", b"hidden x"), ("secret-access-key", b"s")], "no access key id"),
        (&[id, ("secret-access-key", b"s"), ("expiration", b"hidden")], "key \"expiration\": is no time"),
    ];
    for (data, expected) in cases {
        let message = parse(data).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("hid"), "{message}");
    }
}

#[test]
fn explicit_keys_win_over_layouts() {
    let mut reference = reference();
    reference.access_key_id_key = Some("rootUser".to_owned());
    reference.secret_access_key_key = Some("mine".to_owned());
    reference.expiration_key = Some("until".to_owned());
    let data = [("rootUser", "id"), ("mine", "secret"), ("access-key-id", "other"), ("until", "1893553445")]
        .map(|(k, v)| (k.to_owned(), ByteString(v.as_bytes().to_vec())));
    let credentials = Credentials::parse(&reference, &data.into()).unwrap();
    assert_eq!(credentials.access_key_id.expose(), "id");
    assert_eq!(credentials.secret_access_key.expose(), "secret");
    assert_eq!(credentials.expiration.unwrap().to_string(), "2030-01-02T03:04:05Z");
}
