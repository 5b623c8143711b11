//! Keys and UIDs as the caches keep them: compact, and keys are shared by all caches.

use std::sync::Arc;

use crate::runtime::schedule::Tenant;

/// The namespace and the name of an object in one allocation, which clones share.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of the object `name` in `namespace`. Neither may contain a slash.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self([namespace, "/", name].concat().into())
    }

    /// The namespace of the object.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl Tenant for Key {
    fn tenant(&self) -> &str {
        self.namespace()
    }
}

/// A UID. It takes 16 bytes if it is a UUID, which nearly all are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Uid {
    /// A UUID.
    Binary([u8; 16]),
    /// Anything else.
    Text(Box<str>),
}

/// The lengths of the groups of a UUID's digits.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        binary(text).map_or_else(|| Self::Text(text.into()), Self::Binary)
    }
}

fn binary(text: &str) -> Option<[u8; 16]> {
    if !text.split('-').map(str::len).eq(GROUPS) {
        return None;
    }
    // Upper case is not packed, because it would be unpacked as lower case.
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digits = text.bytes().filter(|byte| *byte != b'-').map(digit);
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(bytes)
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Binary(bytes) => {
                let mut bytes = bytes.iter();
                for (index, group) in GROUPS.into_iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "-" })?;
                    for byte in bytes.by_ref().take(group / 2) {
                        write!(f, "{byte:02x}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_comes_back_as_it_was() {
        let usual = "0b1f9c3e-6d2a-4f58-9e07-a1b2c3d4e5f6";
        assert!(matches!(Uid::from(usual), Uid::Binary(_)));
        let upper = usual.to_uppercase();
        let (shifted, short) = (usual.replacen("-6", "6-", 1), &usual[1..]);
        let strange = usual.replace('f', "ß");
        for text in [usual, &upper, &shifted, short, &strange, "", "u-1", "----"] {
            assert_eq!(Uid::from(text).to_string(), text);
        }
    }

    #[test]
    fn a_key_comes_apart_again() {
        let key = Key::new("team-a", "report");
        assert_eq!((key.namespace(), key.name()), ("team-a", "report"));
    }
}
