//! Percent-encoding as SigV4 requires it: UTF-8, encoded once, with upper-case digits.
//!
//! Not here: decoding, and the encoding of HTML forms, whose `+` for a space would break a signature.

/// Encodes all but `A-Za-z0-9-_.~`, for names and values of query parameters.
pub(crate) fn component(text: &str) -> String {
    encode(text, b"-_.~")
}

/// Encodes all but `A-Za-z0-9-_.~/`, for object keys.
pub(crate) fn path(text: &str) -> String {
    encode(text, b"-_.~/")
}

fn encode(text: &str, kept: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let (high, low) = (byte >> 4, byte & 15);
            encoded.extend([
                '%',
                char::from(DIGITS[usize::from(high)]),
                char::from(DIGITS[usize::from(low)]),
            ]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_once_and_keeps_only_what_is_unreserved() {
        assert_eq!(component("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(component("a b+c/d%20é"), "a%20b%2Bc%2Fd%2520%C3%A9");
        assert_eq!(path("/a//b c/é😀"), "/a//b%20c/%C3%A9%F0%9F%98%80");
    }
}
