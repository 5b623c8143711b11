//! What a session can really do: calls of the store with the whole session, as whoever stole it would
//! make them.

use jiff::Timestamp;
use testbed::{SessionStore, StsAnswer, element};

/// The object that the URLs of the stories are for.
pub const KEY: &str = "dir/report.txt";
/// Another object in the same bucket.
pub const OTHER_KEY: &str = "dir/secret.txt";

/// A session out of an answer of the STS.
#[derive(Clone, Debug)]
pub struct StolenSession {
    pub id: String,
    pub expiration: Timestamp,
    secret: String,
    token: String,
}

impl StolenSession {
    /// The session in an answer; `None` if there is none.
    pub fn of(answer: &StsAnswer) -> Option<Self> {
        let field = |name: &str| element(&answer.body, name);
        Some(Self {
            id: field("AccessKeyId")?,
            expiration: field("Expiration")?.parse().ok()?,
            secret: field("SecretAccessKey")?,
            token: field("SessionToken")?,
        })
    }

    /// The status of a request that is signed with the session. `path` follows the address of the store.
    pub fn status(&self, store: &SessionStore, arguments: &[&str], path: &str) -> u16 {
        let mut curl = testbed::curl_command();
        curl.args(["-o", "/dev/null", "-w", "%{http_code}"]);
        curl.args(["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &format!("{}:{}", self.id, self.secret)]);
        curl.args(["-H", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"]);
        curl.args(["-H", &format!("X-Amz-Security-Token: {}", self.token)]);
        let output = curl.args(arguments).arg(format!("{}/{path}", store.endpoint())).output().unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        status.parse().unwrap_or_else(|_| panic!("{status:?}"))
    }

    /// Whether it can read an object.
    pub fn can_read(&self, store: &SessionStore, bucket: &str, key: &str) -> bool {
        allowed(self.status(store, &[], &format!("{bucket}/{key}")))
    }

    /// What it can do in a bucket.
    pub fn reach(&self, store: &SessionStore, bucket: &str) -> Reach {
        let copy = format!("x-amz-copy-source: /{bucket}/{OTHER_KEY}");
        Reach {
            reads: self.can_read(store, bucket, KEY),
            lists: allowed(self.status(store, &[], &format!("{bucket}?list-type=2"))),
            reads_another: self.can_read(store, bucket, OTHER_KEY),
            copies_another: allowed(self.status(
                store,
                &["-X", "PUT", "-H", &copy],
                &format!("{bucket}/{KEY}"),
            )),
        }
    }
}

/// What a session can do in a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one request")]
pub struct Reach {
    /// It can read the object of the URL.
    pub reads: bool,
    /// It can list the bucket.
    pub lists: bool,
    /// It can read another object.
    pub reads_another: bool,
    /// It can upload a copy of another object as that of the URL.
    pub copies_another: bool,
}

impl Reach {
    /// Of a session that is not narrowed.
    pub const EVERYTHING: Self = Self { reads: true, lists: true, reads_another: true, copies_another: true };
    /// Of a session for one download.
    pub const ONE_DOWNLOAD: Self =
        Self { reads: true, lists: false, reads_another: false, copies_another: false };
    /// Of a session for one upload.
    pub const ONE_UPLOAD: Self =
        Self { reads: false, lists: false, reads_another: false, copies_another: false };
}

/// Whether a status means that the request was allowed; 403 means that it was not.
fn allowed(status: u16) -> bool {
    assert!([200, 403].contains(&status), "neither allowed nor refused: {status}");
    status == 200
}
