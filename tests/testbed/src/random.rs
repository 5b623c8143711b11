//! Secrets that live as long as one testbed.

/// `2 * bytes` hexadecimal digits that nobody can guess.
pub(crate) fn hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("every supported system has a random source");
    encode(&buffer)
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
