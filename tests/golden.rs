//! Files that must not drift from the code: the generated definitions, and every manifest
//! that a person is invited to copy.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use k8s_openapi::ByteString;
use presign_operator::crd::names::ANNOTATION_ROLE_ARNS;
use presign_operator::crd::{
    ClusterSignerSpec, CredentialsSecretRef, PresignedUrlSpec, SignerKind, SignerSpec,
};
use presign_operator::domain::Credentials;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::reason::FailureReason;
use presign_operator::domain::resolve::{ConnectionSettings, Permission, ResolveContext, resolve, signer_id};
use presign_operator::domain::signer::{ParsedSigner, SignerId};
use serde_json::{Value, json};
use strum::VariantArray as _;

/// The namespace with the credentials of the `ClusterSigner`s in the examples.
const SIGNERS: &str = "presign-system";
/// The namespace that the `ClusterSigner`s in the examples allow.
const TENANT: &str = "team-a";

/// The documents of one file or block, and how messages call it.
struct Manifest {
    name: String,
    documents: Vec<Value>,
}

impl Manifest {
    fn parse(name: String, text: &str) -> Self {
        let documents =
            serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{name}: is not YAML: {error}"));
        Self { name, documents }
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn examples() -> Vec<Manifest> {
    let entries = std::fs::read_dir(root().join("deploy/examples")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no examples");
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| Manifest::parse(name(path), &read(path))).collect()
}

/// The blocks of the README that are marked as YAML. One without a kind is a change of the
/// spec in the block before it that has one.
fn readme() -> Vec<Manifest> {
    let text = read(&root().join("README.md"));
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let mut whole = Value::Null;
    let mut manifests = Vec::new();
    for (number, block) in blocks.enumerate() {
        let mut manifest = Manifest::parse(format!("README.md, YAML block {}", number + 1), block);
        for document in &mut manifest.documents {
            if document.get("kind").is_none() {
                let change = document.as_object().cloned().unwrap_or_default();
                *document = whole.clone();
                document["spec"].as_object_mut().unwrap().extend(change);
            } else if document["kind"] == "PresignedUrl" {
                whole = document.clone();
            }
        }
        manifests.push(manifest);
    }
    manifests
}

fn operator(arguments: &[&str], input: &str) -> Output {
    operator_with(&[], arguments, input)
}

fn operator_with(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presign-operator"));
    command
        .args(arguments)
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example")])
        .envs(variables.iter().copied());
    testbed::feed(&mut command, input).unwrap()
}

/// Whether a document is a `Signer` or a `ClusterSigner`.
fn is_signer(document: &Value) -> bool {
    document["kind"] == "Signer" || document["kind"] == "ClusterSigner"
}

/// The signers of a manifest, as the operator parses them.
fn parsed_signers(manifest: &Manifest) -> Vec<ParsedSigner> {
    let parse = |document: &Value| {
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        let spec = document["spec"].clone();
        let parsed = if document["kind"] == "Signer" {
            let id = SignerId { kind: SignerKind::Signer, namespace: TENANT.to_owned(), name };
            let spec: SignerSpec = serde_json::from_value(spec).unwrap();
            ParsedSigner::of_namespace(id, String::new(), 1, &spec)
        } else {
            let id = SignerId { kind: SignerKind::ClusterSigner, namespace: String::new(), name };
            let spec: ClusterSignerSpec = serde_json::from_value(spec).unwrap();
            ParsedSigner::of_cluster(id, String::new(), 1, &spec, SIGNERS)
        };
        parsed.unwrap_or_else(|error| panic!("{}: {error}", manifest.name))
    };
    manifest.documents.iter().filter(|document| is_signer(document)).map(parse).collect()
}

/// What the signers say about a PresignedUrl in a namespace.
fn permission(object: &Value, namespace: &str, signers: &[ParsedSigner]) -> Permission {
    let name = object["metadata"]["name"].as_str().unwrap();
    let spec: PresignedUrlSpec = serde_json::from_value(object["spec"].clone()).unwrap();
    let id = spec.signer_ref.as_ref().map(|reference| signer_id(reference, namespace));
    let signer = id.and_then(|id| signers.iter().find(|signer| signer.id == id));
    let settings =
        ConnectionSettings { signer_namespace: SIGNERS.to_owned(), ..ConnectionSettings::default() };
    let context = ResolveContext { settings: &settings, signer: signer.map(Ok), labels: None };
    match resolve(Requester { namespace, name }, &spec, None, &context) {
        Ok(resolved) => resolved.permission,
        Err(problem) => panic!("{name}: {}", problem.message),
    }
}

/// What `sign` reads to sign an object: the object, and the signers of its file or else of the examples.
fn signable(manifest: &Manifest, object: &Value) -> String {
    if object["spec"]["signerRef"].is_null() {
        return object.to_string();
    }
    let mut object = object.clone();
    if object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(TENANT);
    }
    let signers = |manifest: &Manifest| -> Vec<String> {
        manifest.documents.iter().filter(|document| is_signer(document)).map(Value::to_string).collect()
    };
    let mut documents = signers(manifest);
    if documents.is_empty() {
        documents = examples().iter().flat_map(signers).collect();
    }
    documents.push(object.to_string());
    documents.join("\n---\n")
}

fn signs(manifest: &Manifest) -> usize {
    let mut signed = 0;
    for object in manifest.of_kind("PresignedUrl") {
        let output = operator(&["sign", "-f", "-"], &signable(manifest, object));
        assert!(output.status.success(), "{}: {}", manifest.name, String::from_utf8_lossy(&output.stderr));
        signed += 1;
    }
    signed
}

/// The names of the Secrets that the pods of a manifest mount, whatever makes the pods.
fn mounted(manifest: &Manifest) -> BTreeSet<&str> {
    let mut secrets = BTreeSet::new();
    for document in &manifest.documents {
        let specs = [
            &document["spec"],
            &document["spec"]["template"]["spec"],
            &document["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        ];
        for volume in specs.iter().filter_map(|spec| spec["volumes"].as_array()).flatten() {
            let sources = volume["projected"]["sources"].as_array();
            secrets.extend(volume["secret"]["secretName"].as_str());
            secrets
                .extend(sources.into_iter().flatten().filter_map(|source| source["secret"]["name"].as_str()));
        }
    }
    secrets
}

#[test]
fn the_definitions_are_those_of_the_code() {
    let printed = operator(&["crd"], "");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    for file in ["deploy/crds.yaml", "charts/presign-operator/files/crds.yaml"] {
        let is_same = read(&root().join(file)).into_bytes() == printed.stdout;
        assert!(is_same, "{file} is not what the code says: run `make crds`");
    }
}

#[test]
fn every_example_signs() {
    for example in examples() {
        let is_used = signs(&example) > 0 || !parsed_signers(&example).is_empty();
        assert!(is_used, "{}: holds no PresignedUrl and no signer", example.name);
    }
}

/// Checks that an example brings the Secret with the credentials of a document, and that it works as soon
/// as a user has filled it in. `namespace` is what the Secret has to say about its namespace.
fn check_credentials(example: &Manifest, reference: &Value, namespace: Option<&str>) {
    let reference: CredentialsSecretRef = serde_json::from_value(reference.clone()).unwrap();
    let is_meant = |secret: &&Value| {
        let metadata = &secret["metadata"];
        metadata["name"] == reference.name.as_str() && metadata["namespace"].as_str() == namespace
    };
    let secret = example
        .of_kind("Secret")
        .find(is_meant)
        .unwrap_or_else(|| panic!("{}: no Secret {:?} in {namespace:?}", example.name, reference.name));
    let data: BTreeMap<String, String> = serde_json::from_value(secret["stringData"].clone()).unwrap();
    let parse = |edit: fn(String) -> String| {
        let bytes = |(key, text): (String, String)| (key, ByteString(edit(text).into_bytes()));
        Credentials::parse(&reference, &data.clone().into_iter().map(bytes).collect())
    };
    let refusal = parse(|text| text).unwrap_err().to_string();
    assert!(refusal.contains("placeholder"), "{}: {refusal}", example.name);
    let filled = parse(|text| text.replace("YOUR-", "A"));
    filled.unwrap_or_else(|error| panic!("{}: {error}", example.name));
}

/// Checks that an example brings the ServiceAccount of a document, and that it permits the role.
fn check_account(example: &Manifest, identity: &Value) {
    let name = &identity["serviceAccountRef"]["name"];
    let account = example
        .of_kind("ServiceAccount")
        .find(|account| account["metadata"]["name"] == *name)
        .unwrap_or_else(|| panic!("{}: no ServiceAccount {name}", example.name));
    let role = identity["roleARN"].as_str().unwrap().replace("{namespace}", TENANT);
    assert_eq!(account["metadata"]["annotations"][ANNOTATION_ROLE_ARNS], *role, "{}", example.name);
}

#[test]
fn every_example_brings_what_it_names() {
    for example in examples() {
        for document in &example.documents {
            let identity = &document["spec"]["s3"]["credentials"]["webIdentity"];
            if !identity.is_null() {
                check_account(&example, identity);
            }
            let reference = &document["spec"]["s3"]["credentials"]["secretRef"];
            if !reference.is_null() {
                let is_of_cluster = document["kind"] == "ClusterSigner";
                check_credentials(&example, reference, is_of_cluster.then_some(SIGNERS));
            }
        }
        let mut targets = BTreeSet::new();
        for object in example.of_kind("PresignedUrl") {
            let spec: PresignedUrlSpec = serde_json::from_value(object["spec"].clone()).unwrap();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            targets.insert(spec.secret.and_then(|target| target.name).unwrap_or(name));
        }
        for secret in mounted(&example) {
            assert!(targets.contains(secret), "{}: nobody writes Secret {secret:?}", example.name);
        }
    }
}

#[test]
fn the_signers_of_the_examples_permit_what_their_tenants_ask_for_and_nobody_else() {
    let examples = examples();
    let signers: Vec<ParsedSigner> = examples.iter().flat_map(parsed_signers).collect();
    let mut asked = 0;
    for example in &examples {
        let names_signer = |object: &&Value| !object["spec"]["signerRef"].is_null();
        for object in example.of_kind("PresignedUrl").filter(names_signer) {
            let allowed = permission(object, TENANT, &signers);
            assert!(matches!(allowed, Permission::Allowed { .. }), "{}: {allowed:?}", example.name);
            let mut other = object.clone();
            other["spec"]["key"] = json!("tenants/team-b/catalog.json");
            for (object, namespace) in [(&other, TENANT), (object, "team-b"), (&other, "team-b")] {
                let denied = permission(object, namespace, &signers);
                assert!(!denied.is_granted(), "{} in {namespace}: {denied:?}", example.name);
            }
            asked += 1;
        }
    }
    assert!(asked > 0, "no example names a signer");
}

#[test]
fn every_manifest_in_the_readme_signs() {
    let signed: usize = readme().iter().map(signs).sum();
    assert!(signed >= 4, "the README shows Qencode, AWS, MinIO and a signer");
}

/// The README's first block, as a person saves it, and the URLs that `sign` makes of it.
fn first_example(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let text = read(&root().join("README.md"));
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let second = block.replace("metadata: {name: report}", "metadata: {name: second}");
    operator_with(variables, &[&["sign", "-f", "-"], arguments].concat(), &format!("{block}---\n{second}"))
}

#[test]
fn sign_takes_every_presigned_url_of_a_file_and_says_what_it_skips() {
    let output = first_example(&[], &[]);
    let (urls, notes) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{notes}");
    assert_eq!(urls.lines().filter(|url| url.starts_with("https://")).count(), 2, "{urls}");
    assert_eq!(urls.lines().count(), 2, "{urls}");
    let skipped = notes.lines().filter(|line| line.contains("Secret \"qencode-s3\" is skipped"));
    assert_eq!((skipped.count(), notes.lines().count()), (2, 2), "{notes}");
}

#[test]
fn sign_tells_what_is_probably_not_meant() {
    let object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "report"},
        "spec": {
            "bucket": "reports", "key": "/q3.pdf",
            "response": {"contentDisposition": "attachment; filename=\"süm.pdf\""},
            "s3": {"region": "us-west-2", "credentials": {"secretRef": {"name": "keys"}}},
        },
    });
    let output = operator(&["sign", "-f", "-"], &object.to_string());
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"https://"), "{notes}");
    for hint in ["\"report\": spec.key begins with a slash", "write filename*=UTF-8''s%C3%BCm.pdf"] {
        assert!(notes.contains(hint), "{notes}");
    }
}

#[test]
fn sign_ends_the_url_with_the_credentials() {
    let session = |expiration| {
        let variables = [("AWS_SESSION_TOKEN", "token"), ("AWS_CREDENTIAL_EXPIRATION", expiration)];
        first_example(&variables, &["--signed-at", "2030-01-02T03:04:05Z", "-o", "json"])
    };
    let output = session("2030-01-02T03:05:00Z");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("\"expiresAt\": \"2030-01-02T03:05:00Z\"").count(), 2, "{text}");
    for (expiration, expected) in [
        ("2030-01-02T03:04:00Z", "\"report\": the credentials expire at 2030-01-02T03:04:00Z"),
        ("483921", "environment variable AWS_CREDENTIAL_EXPIRATION: is not a time after 2020-01-01"),
    ] {
        let output = session(expiration);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
    }
}

/// The anchors of a document's headings, as they are made where it is shown.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    };
    headings.map(anchor).collect()
}

/// The reasons of the condition Ready, as the metrics of a running operator have them. `tests/docs` keeps that
/// page.
fn ready_reasons() -> BTreeSet<String> {
    let page = read(&root().join("docs/reference/metrics.md"));
    let row =
        page.lines().find_map(|line| line.strip_prefix("| `presign_objects_by_reason` | gauge | `reason`: "));
    let reasons = row.unwrap().split(" | ").next().unwrap();
    // What has another reason, or none, is counted as Unknown.
    reasons.split(", ").filter(|reason| *reason != "Unknown").map(str::to_owned).collect()
}

#[test]
fn every_reason_has_its_paragraph() {
    let page = anchors(&read(&root().join("docs/troubleshooting.md")));
    let reasons = ready_reasons();
    for failure in FailureReason::VARIANTS {
        assert!(reasons.contains(<&str>::from(failure)), "{failure} is not counted");
    }
    for reason in reasons {
        assert!(page.contains(&reason.to_lowercase()), "{reason}: docs/troubleshooting.md");
    }
}
