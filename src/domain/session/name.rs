//! The names of sessions, by which the audit logs of a store tell who signed a URL.

use std::fmt;

use super::super::stored::Digest;

/// The longest name of a session:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
const MAX_NAME: usize = 64;
/// How many characters of the digest of a longer name there are.
const DIGEST: usize = 16;

/// Whom the name of a session tells.
pub(super) enum SessionNamed<'a> {
    /// A namespace.
    Namespace(&'a str),
    /// A `ClusterSigner`, of a session that many namespaces share.
    ClusterSigner(&'a str),
}

impl SessionNamed<'_> {
    /// The name.
    ///
    /// # Guarantees
    /// No two namespaces or signers have the same one: the name of a namespace contains no dot, that of a
    /// `ClusterSigner` no `@`, and both contain no other characters than AWS permits.
    pub(super) fn session_name(&self) -> String {
        let whole = self.to_string();
        if whole.len() <= MAX_NAME {
            return whole;
        }
        // Names of Kubernetes have ASCII characters only.
        let beginning: String = whole.chars().take(MAX_NAME - DIGEST - 1).collect();
        let digest = Digest::of(&whole).to_string();
        format!("{beginning}@{}", &digest[..DIGEST])
    }
}

impl fmt::Display for SessionNamed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) => write!(f, "presign-{namespace}"),
            Self::ClusterSigner(signer) => write!(f, "presign.signer.{signer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SessionNamed::{ClusterSigner, Namespace};

    #[test]
    fn a_namespace_has_its_name_to_itself() {
        let common = "a".repeat(62);
        let [one, other] = ["1", "2"].map(|end| format!("{common}{end}"));
        let names = [
            Namespace("team-b"),
            Namespace("signer-team-b"),
            ClusterSigner("team-b"),
            Namespace(&one),
            Namespace(&other),
            ClusterSigner(&one),
            ClusterSigner(&other),
        ]
        .map(|named| named.session_name());
        for name in &names {
            let is_permitted = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
            assert!((2..=64).contains(&name.len()) && name.chars().all(is_permitted), "{name}");
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_name_is_cut_only_if_it_must_be() {
        let fits = "a".repeat(56);
        assert_eq!(Namespace(&fits).session_name(), format!("presign-{fits}"));
        let long = "a".repeat(57);
        let cut = Namespace(&long).session_name();
        let (beginning, digest) = cut.split_once('@').unwrap();
        assert_eq!((beginning, digest.len()), (&*format!("presign-{}", "a".repeat(39)), 16));
        assert_eq!(ClusterSigner("media").session_name(), "presign.signer.media");
    }
}
