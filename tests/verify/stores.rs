//! What two real stores answer to each fault.

use presign_operator::domain::verification::Finding;
use testbed::{ObjectStore, Role, SessionStore, allow, element};

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
        right().expect(bucket, key, method, accepted(method)).await;
        let unknown = Signing { id: "NOBODYSKEY".to_owned(), ..right() };
        unknown.expect(bucket, key, method, Finding::UnknownKey).await;
        let forged = Signing { secret: "not-the-secret".to_owned(), ..right() };
        forged.expect(bucket, key, method, Finding::SignatureDoesNotMatch).await;
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
        right().expect(bucket, empty, method, Finding::Accepted).await;
        right().expect(bucket, "no/such/key", method, Finding::NoSuchKey).await;
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
    let (id, secret) = (store.access_key_id(), store.secret_access_key());
    let right = || Signing::new(store.endpoint(), store.region(), id, secret);
    faults(right, "bucket", "dir/a file.txt", "empty").await;
    for method in ALL {
        right().expect("no-such-bucket", "key", method, Finding::NoSuchBucket).await;
        let wrong = Signing { region: "us-east-1".to_owned(), ..right() };
        let named = Finding::WrongRegion { named: Some("eu-west-7".to_owned()) };
        wrong.expect("bucket", "key", method, named).await;
    }
    let strange = || Signing { id: stranger.0.to_owned(), secret: stranger.1.to_owned(), ..right() };
    for (method, expected) in DENIED {
        strange().expect("bucket", "dir/a file.txt", method, expected).await;
        let forged = Signing { token: Some("forged".to_owned()), ..right() };
        forged.expect("bucket", "key", method, Finding::TokenRefused).await;
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
    let field = |name: &str| element(&answer, name).unwrap_or_else(|| panic!("{answer}"));
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
    let (id, secret) = (store.access_key_id(), store.secret_access_key());
    let right = || Signing::new(store.endpoint(), store.region(), id, secret);
    faults(right, "bucket", "dir/a file.txt", "empty").await;
    // A key that may only write is right to be refused.
    let write_only = || Signing { id: writer.0.to_owned(), secret: writer.1.to_owned(), ..right() };
    let (id, secret, token) = assume(&store, writer, "reader");
    let session =
        || Signing { id: id.clone(), secret: secret.clone(), token: Some(token.clone()), ..right() };
    for (method, expected) in DENIED {
        write_only().expect("bucket", "dir/a file.txt", method, expected).await;
        right().expect("no-such-bucket", "key", method, Finding::NoSuchBucket).await;
        session().expect("bucket", "dir/a file.txt", method, accepted(method)).await;
        // It finds the key of a session in the token, and says the same without a token.
        for token in [Some("forged".to_owned()), None] {
            let refused = Signing { token, ..session() };
            refused.expect("bucket", "key", method, Finding::UnknownKey).await;
        }
        // It takes every region.
        let elsewhere = Signing { region: "eu-west-3".to_owned(), ..right() };
        elsewhere.expect("bucket", "dir/a file.txt", method, accepted(method)).await;
    }
    assert_eq!(store.get_object("bucket", "dir/a file.txt").unwrap(), b"content", "nothing was written");
}
