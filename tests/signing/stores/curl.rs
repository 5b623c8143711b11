//! The caller: curl, told nothing but what stands in the Secret.

use super::Answer;
use crate::facts::Facts;
use crate::scratch::Scratch;

/// Uses a URL as its Secret says; a body is sent with PUT alone.
pub(crate) fn curl(facts: &Facts, body: &[u8]) -> Answer {
    curl_with(facts, body, &[])
}

/// The same with more arguments, which may spoil it.
pub(crate) fn curl_with(facts: &Facts, body: &[u8], arguments: &[&str]) -> Answer {
    let (header_file, body_file) = (Scratch::file(facts.header_file.as_bytes()), Scratch::file(body));
    let header_argument = format!("@{}", header_file.path());
    let body_argument = format!("@{}", body_file.path());
    let mut all = vec!["--header", &header_argument];
    match facts.method.as_str() {
        // To an address that ends in a slash, `--upload-file` adds the name of the file.
        "PUT" if facts.url.contains("/?") => {
            all.extend(["--request", "PUT", "--header", "Content-Type:", "--data-binary", &body_argument]);
        }
        "PUT" => all.extend(["--upload-file", body_file.path()]),
        "HEAD" => all.push("--head"),
        method => all.extend(["--request", method]),
    }
    all.extend(arguments);
    all.push(&facts.url);
    run(&all)
}

/// Sends a form as its Secret says, with a file of this type.
pub(crate) fn post(facts: &Facts, file: &[u8], content_type: &str) -> Answer {
    let (config, file) = (Scratch::file(facts.fields.as_bytes()), Scratch::file(file));
    let part = format!("file=@{};filename=chosen.txt;type={content_type}", file.path());
    run(&["--config", config.path(), "--form", &part, &facts.url])
}

/// Runs curl, which must not fail by itself.
pub(super) fn run(arguments: &[&str]) -> Answer {
    let output =
        testbed::curl_command().args(["--include", "--max-time", "60"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    Answer::read(&output.stdout)
}
