//! Which access key is read when the spec names a profile.

use super::*;

#[test]
fn a_named_profile_is_read_from_whichever_file_has_its_access_key() {
    let read = |profile: &str, data: Data<'_>| {
        let reference =
            CredentialsSecretRef { name: "keys".to_owned(), keys: None, profile: Some(profile.to_owned()) };
        let credentials = Credentials::parse(&reference, &bytes(data));
        credentials.map(|credentials| credentials.access_key_id.expose().clone()).map_err(|e| e.to_string())
    };
    let profile = |name: &str, id: &str| {
        format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = s3cr/et=\n")
    };
    let file = profile("default", "D") + &profile("team a", "A") + "[half]\naws_access_key_id = H\n[empty]\n";
    let twice =
        file.clone() + "[odd]\nregion = a\nregion = b\naws_access_key_id = 1\naws_access_key_id = 2\n";
    for (name, data, expected) in [
        ("team a", &[("credentials", file.as_str())][..], Ok("A")),
        ("profile team a", &[("credentials", &file)], Ok("A")),
        ("default", &[("credentials", &file)], Ok("D")),
        // The other file of the AWS tools has settings of the same profile, but no access key.
        ("team a", &[("credentials", &file), ("config", "[profile team a]\nregion = eu-west-1\n")], Ok("A")),
        // A mistake in another profile, another layout and its token do not matter.
        ("team a", &[("credentials", &twice)], Ok("A")),
        ("team a", &[("credentials", &file), ("access-key-id", "X"), ("session-token", "t")], Ok("A")),
        ("half", &[("credentials", &file)], Err("is missing in the profile")),
        ("empty", &[("credentials", &file)], Err("no credentials file with an access key in the profile")),
        ("other", &[("credentials", &file)], Err("in the profile \"other\": add it")),
        ("other", &[("access-key-id", "X"), ("secret-access-key", "x")], Err("in the profile \"other\"")),
        ("odd", &[("credentials", &twice)], Err("has a setting twice")),
        (
            "team a",
            &[("credentials", &file), ("cloud", &profile("team a", "B"))],
            Err("has two layouts, credentials and cloud"),
        ),
        (
            "t",
            &[("credentials", &profile("t", "ASIA0123456789ABCDEF"))],
            Err("add aws_session_token to the profile"),
        ),
    ] {
        match (read(name, data), expected) {
            (Ok(id), Ok(expected)) => assert_eq!(id, expected, "{name}"),
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{name}: {message}"),
            (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
        }
    }
}
