//! Reads the `PresignedUrl`s and their signers from a manifest, as strictly as `kubectl apply` does.
//!
//! Only the syntax and the field names are checked here. `domain` checks the values of the fields.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow, bail, ensure};
use kube::Resource;
use kube::core::object::HasSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::crd::names::{GROUP, KIND, VERSION};
use crate::crd::{ClusterSigner, PresignedUrl, Signer, first_unknown};
use crate::domain::signer::Labels;

/// The objects in a manifest.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The `PresignedUrl`s, in the order of the file.
    pub objects: Vec<PresignedUrl>,
    /// The `Signer`s.
    pub signers: Vec<Signer>,
    /// The `ClusterSigner`s.
    pub cluster_signers: Vec<ClusterSigner>,
    /// The labels of the namespaces in the manifest.
    pub namespaces: BTreeMap<String, Labels>,
    /// The objects of other kinds, as messages name them.
    pub others: Vec<String>,
}

/// Reads YAML or JSON with `PresignedUrl`s or signers, and possibly objects of other kinds.
///
/// # Errors
/// The error says what is wrong, and in which document.
pub fn read(text: &str) -> anyhow::Result<Manifest> {
    let mut documents = Vec::new();
    for text in split(text) {
        let values: Vec<Value> = parse(&text)?;
        let mut values = values.into_iter().filter(|value| !value.is_null());
        documents.extend(values.next().map(|value| (text, value)));
        ensure!(
            values.next().is_none(),
            "contains several documents without a separator: put --- between them"
        );
    }
    let count = documents.len();
    let only_other = (count == 1).then(|| documents.iter().all(|(_, value)| is_other(value)));
    let mut manifest = Manifest::default();
    for (number, (text, document)) in documents.into_iter().enumerate() {
        if let Some((name, labels)) = labels(&document) {
            manifest.namespaces.insert(name, labels);
            continue;
        }
        if is_other(&document) && only_other != Some(true) {
            manifest.others.push(called(&document));
            continue;
        }
        let added = manifest.add(&text, &document);
        let place = || format!("document {}", number + 1);
        if count == 1 { added? } else { added.with_context(place)? }
    }
    ensure!(count > 0, "is empty");
    let has_signers = !(manifest.signers.is_empty() && manifest.cluster_signers.is_empty());
    let has_any = has_signers || !manifest.objects.is_empty() || !manifest.namespaces.is_empty();
    ensure!(has_any, "holds no {KIND}, only {}", manifest.others.join(", "));
    Ok(manifest)
}

/// Reads the bytes of a file like [`read`].
///
/// # Errors
/// The error says what is wrong, and in which document.
pub fn read_bytes(bytes: &[u8]) -> anyhow::Result<Manifest> {
    read(std::str::from_utf8(bytes).map_err(|_| anyhow!("is not UTF-8 text"))?)
}

impl Manifest {
    fn add(&mut self, text: &str, document: &Value) -> anyhow::Result<()> {
        match document.get("kind").and_then(Value::as_str) {
            Some("Signer") => self.signers.push(object(text, document, "Signer")?),
            Some("ClusterSigner") => self.cluster_signers.push(object(text, document, "ClusterSigner")?),
            _ => self.objects.push(object(text, document, KIND)?),
        }
        Ok(())
    }

    /// Adds what another manifest holds.
    pub fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.signers.extend(other.signers);
        self.cluster_signers.extend(other.cluster_signers);
        self.namespaces.extend(other.namespaces);
        self.others.extend(other.others);
    }
}

/// The name and the labels of a namespace.
fn labels(document: &Value) -> Option<(String, Labels)> {
    if document.get("kind")? != "Namespace" || document.get("apiVersion")? != "v1" {
        return None;
    }
    let metadata = document.get("metadata")?;
    let name = metadata.get("name")?.as_str()?.to_owned();
    let labels = metadata.get("labels").cloned().unwrap_or_default();
    let mut labels: Labels = serde_json::from_value(labels).unwrap_or_default();
    // The API server sets this label on every namespace.
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
    Some((name, labels))
}

/// Splits a text into documents. Each begins with as many empty lines as there are lines before it in the
/// text, so that errors show the right line.
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    let mut has_content = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_mark = |mark: &str| {
            line.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        let is_start = is_mark("---");
        if is_start && has_content {
            documents.push("\n".repeat(number));
        }
        has_content = is_start || has_content || !(line.trim().is_empty() || line.starts_with(['#', '%']));
        if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
        if is_mark("...") {
            documents.push("\n".repeat(number + 1));
            has_content = false;
        }
    }
    documents
}

/// Whether a document is clearly an object of another kind, and not a `PresignedUrl` with a mistake.
fn is_other(document: &Value) -> bool {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    match (text("apiVersion"), text("kind")) {
        (Some(version), Some(kind)) => kind != KIND && !version.starts_with(&format!("{GROUP}/")),
        _ => false,
    }
}

/// The kind and the name of an object, for messages.
fn called(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {:?}", text(&document["kind"]), text(&document["metadata"]["name"]))
}

/// Parses a document into an object of a kind. Uses the text again, because only then errors show their
/// line.
fn object<K>(text: &str, document: &Value, kind: &str) -> anyhow::Result<K>
where
    K: Resource + HasSpec<Spec: Serialize> + DeserializeOwned,
{
    check_type(document, kind)?;
    let object = parse::<Option<K>>(text)?.into_iter().flatten().next().context("is empty")?;
    ensure!(object.meta().name.is_some(), "metadata.name: is required");
    let understood = serde_json::to_value(object.spec())?;
    if let Some(path) = document.get("spec").and_then(|spec| first_unknown("spec", spec, &understood)) {
        bail!("{path}: there is no such field");
    }
    Ok(object)
}

/// Parses all documents of a text. As in the API server, a number or a boolean is not a string.
fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<Vec<T>> {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| anyhow!("{}", error.without_snippet()))
}

fn check_type(document: &Value, kind: &str) -> anyhow::Result<()> {
    ensure!(
        document.is_object(),
        "is not a Kubernetes object: it must have apiVersion, kind, metadata and spec"
    );
    for (field, expected) in [("apiVersion", format!("{GROUP}/{VERSION}")), ("kind", kind.to_owned())] {
        match document.get(field).and_then(Value::as_str) {
            Some(value) if value == expected => {}
            Some(value) => bail!("{field}: must be {expected}, not {value}"),
            None => bail!("{field}: is required and must be {expected}"),
        }
    }
    Ok(())
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
  s3: {region: us-west, credentials: {secretRef: {name: keys}}}
";

    fn one(text: &str) -> PresignedUrl {
        let Manifest { mut objects, others, .. } = read(text).unwrap();
        assert!(objects.len() == 1 && others.is_empty(), "{text}");
        objects.remove(0)
    }

    #[test]
    fn takes_every_presigned_url_and_names_the_others() {
        let secret = "# keys\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\n";
        let second = OBJECT.replace("name: report", "name: second");
        for text in [
            format!("{secret}---\n{OBJECT}---\n{second}"),
            format!("%YAML 1.2\n---\n{secret}--- # ours\n{OBJECT}...\n---\n{second}...\n"),
            format!("---\n---\n{OBJECT}---\n{secret}---\n---\n{second}---"),
        ] {
            let manifest = read(&text).unwrap();
            let names: Vec<_> =
                manifest.objects.iter().map(|object| object.metadata.name.as_deref()).collect();
            assert_eq!(names, [Some("report"), Some("second")], "{text}");
            assert_eq!(manifest.others, [r#"Secret "keys""#], "{text}");
        }
    }

    #[test]
    fn a_mistake_in_one_of_several_is_reported_with_its_line() {
        for (from, to, expected) in [
            ("key: a", "key: 2026", "line 14"),
            ("key: a", "key: a\n  versionId: b", "document 2: spec.versionId: there is no such field"),
            ("kind: PresignedUrl", "kind: PresignedURL", "document 2: kind: must be PresignedUrl"),
            ("presign.dev/", "presign.de/", "document 2: apiVersion: must be presign.dev/v1alpha1"),
            ("metadata:", "- a\nmetadata:", "line"),
        ] {
            let text = format!("{OBJECT}---\n{}", OBJECT.replace(from, to));
            let message = format!("{:#}", read(&text).unwrap_err());
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn reads_yaml_and_json_with_or_without_an_end() {
        let json = serde_json::to_string(&one(OBJECT)).unwrap();
        for text in [OBJECT.to_owned(), json, format!("---\n{OBJECT}---\n"), format!("{OBJECT}...\n")] {
            let object = one(&text);
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
                "spec.s3.credentials.secretRef.keyID: there is no such",
            ),
            ("key: a", "key: 2026", "line 6"),
            ("key: a", "key: true", "line 6"),
            ("key: a", "key: a\n  key: b", "line 7"),
            ("key: a", "key: a\n  method: PATCH", "line 7"),
            ("  bucket: reports\n", "", "missing field `bucket`"),
            ("bucket: reports", "bucket: [reports", "line"),
        ] {
            let message = read(&OBJECT.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn refuses_what_holds_no_object() {
        for (text, expected) in [
            (String::new(), "is empty"),
            ("---\n---\n".to_owned(), "is empty"),
            ("[1]".to_owned(), "is not a Kubernetes object"),
            (
                "{apiVersion: v1, kind: A}\n---\n{apiVersion: v1, kind: B}".to_owned(),
                "holds no PresignedUrl, only A",
            ),
        ] {
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
