//! What two real stores answer to each fault.

use presign_operator::domain::verification::Finding;
use testbed::{ObjectStore, Role, SessionStore, allow};

use crate::harness::curl;
use crate::scratch::Signing;

const ALL: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "POST"];

/// What is found with a key that may not read, by method.
const DENIED: [(&str, Finding); 5] = [
    ("GET", Finding::AccessDenied),
    ("HEAD", Finding::AccessDenied),
    ("PUT", Finding::CredentialsAccepted),
    ("DELETE", Finding::CredentialsAccepted),
    ("POST", Finding::CredentialsAccepted),
];

fn accepted(method: &str) -> Finding {
    if matches!(method, "GET" | "HEAD") { Finding::Accepted } else { Finding::CredentialsAccepted }
}

/// The faults that both stores tell apart. `right` is without one, and `key` an object that is there. Neither
/// store refuses a URL from the future.
async fn faults(right: impl Fn() -> Signing, bucket: &str, key: &str, empty: &str) {
    for method in ALL {
        assert_eq!(right().ask(bucket, key, method).await, accepted(method), "{method}");
        let unknown = Signing { id: "NOBODYSKEY".to_owned(), ..right() };
        assert_eq!(unknown.ask(bucket, key, method).await, Finding::UnknownKey, "{method}");
        let forged = Signing { secret: "not-the-secret".to_owned(), ..right() };
        assert_eq!(forged.ask(bucket, key, method).await, Finding::SignatureDoesNotMatch, "{method}");
        let behind = Signing { ahead: -7200, ..right() };
        let begun = std::time::Instant::now();
        let found = behind.ask(bucket, key, method).await;
        let Finding::ClockSkewed { ahead: Some(ahead) } = found else {
            panic!("behind, {method}: {found:?}")
        };
        let took = i64::try_from(begun.elapsed().as_secs()).unwrap();
        assert!((7190..=7210 + took).contains(&ahead), "{ahead}");
    }
    for method in ["GET", "HEAD"] {
        assert_eq!(right().ask(bucket, empty, method).await, Finding::Accepted, "an empty object: {method}");
        assert_eq!(right().ask(bucket, "no/such/key", method).await, Finding::NoSuchKey, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versitygw_tells_each_fault_apart() {
    let stranger = ("STRANGERSKEY", "a-secret-that-opens-no-bucket-of-others");
    let start = move || ObjectStore::builder().region("eu-west-7").stranger(stranger.0, stranger.1).start();
    let store = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    store.create_bucket("bucket").unwrap();
    store.put_object("bucket", "dir/a file.txt", "content").unwrap();
    store.put_object("bucket", "empty", "").unwrap();
    let right = || Signing {
        endpoint: store.endpoint(),
        region: store.region().to_owned(),
        id: store.access_key_id().to_owned(),
        secret: store.secret_access_key().to_owned(),
        token: None,
        ahead: 0,
    };
    faults(right, "bucket", "dir/a file.txt", "empty").await;
    for method in ALL {
        assert_eq!(right().ask("no-such-bucket", "key", method).await, Finding::NoSuchBucket, "{method}");
        let wrong = Signing { region: "us-east-1".to_owned(), ..right() };
        let named = Finding::WrongRegion { named: Some("eu-west-7".to_owned()) };
        assert_eq!(wrong.ask("bucket", "key", method).await, named, "{method}");
    }
    let strange = || Signing { id: stranger.0.to_owned(), secret: stranger.1.to_owned(), ..right() };
    for (method, expected) in DENIED {
        assert_eq!(strange().ask("bucket", "dir/a file.txt", method).await, expected, "{method}");
        let forged = Signing { token: Some("forged".to_owned()), ..right() };
        assert_eq!(forged.ask("bucket", "key", method).await, Finding::TokenRefused, "{method}");
    }
    assert_eq!(store.get_object("bucket", "dir/a file.txt").unwrap(), b"content", "nothing was written");
    assert!(store.get_object("bucket", "key").is_err());
}

/// The access key, secret and token of a session.
fn assume(store: &SessionStore, (id, secret): (&str, &str), role: &str) -> (String, String, String) {
    let (user, arn) = (format!("{id}:{secret}"), format!("RoleArn={}", store.role_arn(role)));
    let fields = ["Action=AssumeRole", "Version=2011-06-15", "RoleSessionName=test", arn.as_str()];
    let mut arguments = vec!["--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:sts", "--user", &user];
    for field in fields {
        arguments.extend(["--data-urlencode", field]);
    }
    let endpoint = store.endpoint();
    arguments.push(&endpoint);
    let answer = curl(&arguments).unwrap();
    let field = |name: &str| {
        let (_, after) = answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{answer}"));
        after.split_once('<').unwrap().0.to_owned()
    };
    (field("AccessKeyId"), field("SecretAccessKey"), field("SessionToken"))
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_tells_each_fault_apart() {
    let writer = ("WRITEONLYKEY", "a-secret-that-may-only-write");
    let role = Role::new("reader", allow(&["s3:*"], &["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]));
    let builder = SessionStore::builder().identity(writer.0, writer.1, &["Write:bucket"]);
    let builder = builder.role(role.identity(writer.0));
    let start = move || builder.start();
    let store = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    store.create_bucket("bucket").unwrap();
    store.put_object("bucket", "dir/a file.txt", "content").unwrap();
    store.put_object("bucket", "empty", "").unwrap();
    let right = || Signing {
        endpoint: store.endpoint(),
        region: store.region().to_owned(),
        id: store.access_key_id().to_owned(),
        secret: store.secret_access_key().to_owned(),
        token: None,
        ahead: 0,
    };
    faults(right, "bucket", "dir/a file.txt", "empty").await;
    // A key that may only write is right to be refused.
    let write_only = || Signing { id: writer.0.to_owned(), secret: writer.1.to_owned(), ..right() };
    let (id, secret, token) = assume(&store, writer, "reader");
    let session =
        || Signing { id: id.clone(), secret: secret.clone(), token: Some(token.clone()), ..right() };
    for (method, expected) in DENIED {
        assert_eq!(write_only().ask("bucket", "dir/a file.txt", method).await, expected, "{method}");
        assert_eq!(right().ask("no-such-bucket", "key", method).await, Finding::NoSuchBucket, "{method}");
        assert_eq!(session().ask("bucket", "dir/a file.txt", method).await, accepted(method), "{method}");
        // It finds the key of a session in the token, and says the same without a token.
        for token in [Some("forged".to_owned()), None] {
            let refused = Signing { token, ..session() };
            assert_eq!(refused.ask("bucket", "key", method).await, Finding::UnknownKey, "{method}");
        }
        let elsewhere = Signing { region: "eu-west-3".to_owned(), ..right() };
        let found = elsewhere.ask("bucket", "dir/a file.txt", method).await;
        assert_eq!(found, accepted(method), "it takes every region: {method}");
    }
    assert_eq!(store.get_object("bucket", "dir/a file.txt").unwrap(), b"content", "nothing was written");
}
