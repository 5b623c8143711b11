//! Secrets that live as long as one testbed.

use std::fmt::Write;

/// `2 * bytes` hexadecimal digits that nobody can guess.
pub(crate) fn hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("every supported system has a random source");
    encode(&buffer)
}

/// Any number.
pub(crate) fn byte() -> u8 {
    let mut buffer = [0];
    getrandom::fill(&mut buffer).expect("every supported system has a random source");
    buffer[0]
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
