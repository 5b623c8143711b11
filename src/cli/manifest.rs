//! Reads one `PresignedUrl` out of a manifest, as strictly as `kubectl apply` would.
//!
//! Only the form is checked here; what the fields mean is for `domain` to say.

use anyhow::{Context, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::crd::PresignedUrl;
use crate::crd::names::{GROUP, KIND, VERSION};

/// Reads YAML or JSON that holds one `PresignedUrl`.
pub(super) fn read(text: &str) -> anyhow::Result<PresignedUrl> {
    let documents: Vec<Value> = parse(text)?;
    let mut documents = documents.into_iter().filter(|document| !document.is_null());
    let (document, others) = (documents.next().context("is empty")?, documents.count());
    ensure!(others == 0, "holds {} documents: keep the one to sign", others + 1);
    check_type(&document)?;
    // Parsed from the text once more: only so do errors know their line.
    let object = parse::<PresignedUrl>(text)?.pop().context("is empty")?;
    ensure!(object.metadata.name.is_some(), "metadata.name: is required");
    let understood = serde_json::to_value(&object.spec)?;
    if let Some(path) = document.get("spec").and_then(|spec| first_unknown("spec", spec, &understood)) {
        bail!("{path}: there is no such field");
    }
    Ok(object)
}

/// All documents of a text. Like the API server, takes no number or boolean for a string.
fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<Vec<T>> {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| anyhow!("{}", error.without_snippet()))
}

fn check_type(document: &Value) -> anyhow::Result<()> {
    ensure!(
        document.is_object(),
        "is not a Kubernetes object: it must have apiVersion, kind, metadata and spec"
    );
    for (field, expected) in [("apiVersion", format!("{GROUP}/{VERSION}")), ("kind", KIND.to_owned())] {
        match document.get(field).and_then(Value::as_str) {
            Some(value) if value == expected => {}
            Some(value) => bail!("{field}: must be {expected}, not {value}"),
            None => bail!("{field}: is required and must be {expected}"),
        }
    }
    Ok(())
}

/// The path of a field that was written but not understood. Serde drops those without a
/// word, and a misspelt field would sign for something else.
fn first_unknown(path: &str, written: &Value, understood: &Value) -> Option<String> {
    let fields = written.as_object()?;
    fields.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
        let path = format!("{path}.{name}");
        match understood.get(name) {
            None => Some(path),
            Some(understood) => first_unknown(&path, value, understood),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "apiVersion: presign.dev/v1alpha1
kind: PresignedUrl
metadata: {name: report}
spec:
  bucket: reports
  key: a
  s3: {region: us-west, credentialsSecretRef: {name: keys}}
";

    #[test]
    fn reads_yaml_and_json_with_or_without_an_end() {
        let json = serde_json::to_string(&read(OBJECT).unwrap()).unwrap();
        for text in [OBJECT.to_owned(), json, format!("---\n{OBJECT}---\n"), format!("{OBJECT}...\n")] {
            let object = read(&text).unwrap();
            assert_eq!((object.metadata.name.as_deref(), object.spec.key.as_str()), (Some("report"), "a"));
        }
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (from, to, expected) in [
            ("kind: PresignedUrl", "kind: Pod", "kind: must be PresignedUrl, not Pod"),
            ("kind: PresignedUrl\n", "", "kind: is required and must be PresignedUrl"),
            ("v1alpha1", "v1", "apiVersion: must be presign.dev/v1alpha1, not presign.dev/v1"),
            ("name: report", "namespace: a", "metadata.name: is required"),
            ("key: a", "key: a\n  versionId: b", "spec.versionId: there is no such field"),
            (
                "{name: keys}",
                "{name: keys, keyID: b}",
                "spec.s3.credentialsSecretRef.keyID: there is no such",
            ),
            ("key: a", "key: 2026", "line 6"),
            ("key: a", "key: true", "line 6"),
            ("key: a", "key: a\n  key: b", "line 7"),
            ("key: a", "key: a\n  method: POST", "line 7"),
            ("  bucket: reports\n", "", "missing field `bucket`"),
            ("bucket: reports", "bucket: [reports", "line"),
        ] {
            let message = read(&OBJECT.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for (text, expected) in [
            (String::new(), "is empty"),
            ("---\n---\n".to_owned(), "is empty"),
            ("[1]".to_owned(), "is not a Kubernetes object"),
            (format!("{OBJECT}---\n{OBJECT}"), "holds 2 documents"),
        ] {
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
