//! What Go means when a build fails. Pure: text in, error out.

use crate::{Error, component::last_lines};

const DISK: [&str; 2] = ["no space left on device", "disk quota exceeded"];
const NETWORK: [&str; 12] = [
    "dial tcp",
    "proxyconnect",
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "TLS handshake timeout",
    "tls: ",
    "unexpected EOF",
    "module lookup disabled by GOPROXY",
    "toolchain not available",
    ": reading http",
];

/// The error for the output of a Go command that failed.
pub(super) fn understand(binary: &str, log: &str) -> Error {
    let binary = binary.to_owned();
    let line_with = |signs: &[&str]| {
        log.lines()
            .rfind(|line| signs.iter().any(|sign| line.contains(sign)))
            .map(|line| line.trim().to_owned())
    };
    if let Some(detail) = line_with(&DISK) {
        return Error::DiskFull { binary, detail };
    }
    if let Some(detail) = line_with(&NETWORK) {
        return Error::DownloadRefused { binary, detail };
    }
    Error::BuildFailed { binary, detail: last_lines(log, 5) }
}

#[cfg(test)]
mod tests {
    use super::understand;

    #[test]
    fn names_the_reason_in_one_sentence() {
        let cases = [
            (
                "go: x@v1.0.0: Get \"http://proxy/x\": dial tcp 127.0.0.1:9: connect: connection refused",
                "module proxy could not be reached",
            ),
            ("go: x@v1.0.0: reading http://proxy/x: 403 Forbidden", "module proxy could not be reached"),
            (
                "link: writing output: write a.out: no space left on device\ngo: failed",
                "no space left on the disk",
            ),
            ("go: updates to go.mod needed", "could not be built"),
        ];
        for (log, expected) in cases {
            let message = understand("etcd", log).to_string();
            assert!(message.contains(expected), "{log}: {message}");
        }
    }
}
