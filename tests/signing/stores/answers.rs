//! What a store answered.

use std::collections::BTreeMap;

/// Status, headers and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads what `curl --include` prints.
    pub(crate) fn read(mut output: &[u8]) -> Self {
        loop {
            let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(output[..end].to_vec()).unwrap();
            let (status_line, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
            let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
            output = &output[end + 4..];
            // Before its answer a server may ask a client to go on.
            if status != 100 {
                let headers = lines.lines().map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    (name.to_ascii_lowercase(), value.trim().to_owned())
                });
                return Self { status, headers: headers.collect(), body: output.to_vec() };
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Status and the code in the body of an error, such as `403 AccessDenied`.
    pub(crate) fn refusal(&self) -> String {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        format!("{} {}", self.status, code.map_or("", |(code, _)| code))
    }
}
