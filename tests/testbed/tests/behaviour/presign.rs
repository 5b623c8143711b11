//! Just enough of Signature Version 4 to ask the S3 server for something.
//!
//! Not the operator's code, so that a mistake there is not made here as well. (curl's
//! `--aws-sigv4` would do, if it were the same in all its versions.)

use std::process::Command;

use sha2::{Digest, Sha256};
use testbed::ObjectStore;

/// A URL that is valid for a minute. `path` needs no escaping.
pub(crate) fn presign(store: &ObjectStore, secret: &str, method: &str, origin: &str, path: &str) -> String {
    let now = Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap().trim().to_owned();
    let (day, region) = (&now[..8], store.region());
    let scope = format!("{day}/{region}/s3/aws4_request");
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F{}&X-Amz-Date={now}&X-Amz-Expires=60&X-Amz-SignedHeaders=host",
        store.access_key_id(),
        scope.replace('/', "%2F"),
    );
    let host = origin.trim_start_matches("http://");
    let request = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    format!("{origin}{path}?{query}&X-Amz-Signature={}", hex(&hmac(&key, &to_sign)))
}

/// HMAC with a key of at most one block.
fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        (0..64).map(|index| key.get(index).copied().unwrap_or_default() ^ with).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
