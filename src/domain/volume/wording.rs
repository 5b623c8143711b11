//! Turns messages about the spec of a `PresignedUrl` into messages about the attributes of a volume.

/// The name that stands for the Secret of a volume, whose own name drivers are not told.
pub(super) const SECRET: &str = "node-publish-secret";

/// Fields of a spec and the attributes that stand for them. The first one that fits counts.
const FIELDS: [(&str, &str); 14] = [
    ("s3.credentials.session.sts.", "sts."),
    ("s3.credentials.session.", "session."),
    ("s3.credentials.webIdentity.", ""),
    ("s3.credentials.secretRef.", ""),
    ("s3.credentials", "nodePublishSecretRef"),
    ("s3.", ""),
    ("signerRef.name", "signer"),
    ("signerRef.kind", "signerKind"),
    ("signerRef", "signer"),
    ("kind: ClusterSigner", "signerKind: ClusterSigner"),
    ("session.sts.", "sts."),
    ("headers:", "header.NAME:"),
    ("query:", "query.NAME:"),
    ("form.metadata:", "form.metadata.NAME:"),
];

/// The message in the words of volume attributes.
pub(super) fn in_attributes(message: &str) -> String {
    let message = message.replace(&format!("Secret {SECRET:?}"), "the Secret of nodePublishSecretRef");
    let mut words = String::with_capacity(message.len());
    let (mut rest, mut begins_word) = (message.as_str(), true);
    while let Some(first) = rest.chars().next() {
        if begins_word && let Some((attribute, after)) = field(rest) {
            words.push_str(&attribute);
            rest = after;
        } else {
            words.push(first);
            rest = &rest[first.len_utf8()..];
        }
        begins_word = [' ', '('].contains(&first);
    }
    words
}

/// The attribute for the field that a text begins with, and the text after what was replaced.
fn field(text: &str) -> Option<(String, &str)> {
    let (prefix, field) = match text.strip_prefix("spec.") {
        Some(field) => ("volumeAttributes.", field),
        None => ("", text),
    };
    for (begin, attribute) in FIELDS {
        if let Some(after) = field.strip_prefix(begin) {
            let is_secret = attribute == "nodePublishSecretRef";
            let prefix = if is_secret { "" } else { prefix };
            // Only a field of a spec is a whole map.
            let is_map = begin.ends_with(':');
            return (!is_map || !prefix.is_empty()).then(|| (format!("{prefix}{attribute}"), after));
        }
    }
    (!prefix.is_empty()).then(|| (prefix.to_owned(), field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_attributes_and_not_fields() {
        for (of_spec, expected) in [
            ("spec.key: must not be empty", "volumeAttributes.key: must not be empty"),
            ("spec.headers: write each header once", "volumeAttributes.header.NAME: write each header once"),
            (
                "spec.bucket: without s3.endpoint this must be an AWS bucket",
                "volumeAttributes.bucket: without endpoint this must be an AWS bucket",
            ),
            (
                "spec.s3.endpoint: URLs to the host \"us-west.s3.example.com\" are not permitted",
                "volumeAttributes.endpoint: URLs to the host \"us-west.s3.example.com\" are not permitted",
            ),
            (
                "Signer \"media\" does not exist: correct spec.signerRef (kind: ClusterSigner for one of the cluster)",
                "Signer \"media\" does not exist: correct volumeAttributes.signer (signerKind: ClusterSigner for one of the cluster)",
            ),
            ("spec.signerRef.name: must be a name", "volumeAttributes.signer: must be a name"),
            ("spec.s3.credentials.session.sts.endpoint: x", "volumeAttributes.sts.endpoint: x"),
            (
                "Secret \"node-publish-secret\" has two: choose with spec.s3.credentials.secretRef.keys.accessKeyID",
                "the Secret of nodePublishSecretRef has two: choose with volumeAttributes.keys.accessKeyID",
            ),
            ("add the header: remove the headers: no", "add the header: remove the headers: no"),
        ] {
            assert_eq!(in_attributes(of_spec), expected);
        }
    }
}
