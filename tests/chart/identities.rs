//! What a platform team and two teams can do with the roles of the chart: each tries it at a real API server.
//! The table in `docs/rbac.md` is made from the answers.

use serde_json::{Value, json};

use super::generated::settle;
use super::render::{chart, read, template};
use super::world::{DEADLINE, helm_with, kubectl, kubectl_with, wait_until};

const PAGE: &str = "docs/rbac.md";
const MARKS: (&str, &str) = ("<!-- identities:begin -->\n", "<!-- identities:end -->");

/// The release, and the role of the platform team that it brings.
const RELEASE: &str = "identities";
const SIGNERS: &str = "identities-presign-operator-signers";
/// The `ClusterSigner` that the page calls `media`, and the role with the verb `use` on it.
const MEDIA: &str = "chart-media";

/// The signer namespace and the namespaces of the teams. Each is also the name of the group that works
/// there.
const PLATFORM: &str = "chart-platform";
const TEAM_A: &str = "chart-team-a";
const TEAM_B: &str = "chart-team-b";
/// The groups in the order of the columns, and the head of the table.
const GROUPS: [&str; 3] = [PLATFORM, TEAM_A, TEAM_B];
const HEAD: &str = "| action | platform team | team-a | team-b |\n|---|---|---|---|\n";

/// Something to try with kubectl. The API server stores nothing of it.
struct Attempt {
    what: &'static str,
    /// The arguments of kubectl, by spaces, and its standard input.
    command: String,
    manifest: String,
}

/// A call that reads something, or a change with `--dry-run=server`.
fn call(what: &'static str, command: String) -> Attempt {
    Attempt { what, command, manifest: String::new() }
}

/// The creation of an object.
fn create(what: &'static str, object: &Value) -> Attempt {
    Attempt { what, command: "create --dry-run=server -f -".to_owned(), manifest: object.to_string() }
}

impl Attempt {
    /// Whether a member of a group can do it. Any answer but success and a refusal is a fault of the
    /// attempt.
    fn is_permitted(&self, group: &str) -> bool {
        let user = format!("somebody-of-{group}");
        let mut arguments = vec!["--as", user.as_str(), "--as-group", group];
        arguments.extend(self.command.split(' '));
        match kubectl_with(&arguments, &self.manifest) {
            Ok(_) => true,
            Err(said) if said.to_lowercase().contains("forbidden") => false,
            Err(said) => panic!("{}, as {group}: {said}", self.what),
        }
    }

    /// The row of the table.
    fn row(&self) -> String {
        let answers = GROUPS.map(|group| if self.is_permitted(group) { "yes" } else { "no" });
        format!("| {} | {} |\n", self.what, answers.join(" | "))
    }
}

fn presigned_url(namespace: &str, name: &str, source: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"bucket": "media", "key": "tenants/a.json"},
    });
    object["spec"].as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    object
}

/// The source of a URL: the `ClusterSigner`.
fn media() -> Value {
    json!({"signerRef": {"kind": "ClusterSigner", "name": MEDIA}})
}

/// The source of a URL: credentials of its own namespace. A signer has the same.
fn own() -> Value {
    json!({"s3": {
        "endpoint": "https://us-west.s3.qencode.com", "region": "us-west",
        "credentials": {"secretRef": {"name": "media-key"}},
    }})
}

fn signer(kind: &str, metadata: &Value, more: &Value) -> Value {
    let mut spec = own();
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"apiVersion": "presign.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn cluster_signer(name: &str) -> Value {
    let rule = json!({"name": "all", "methods": ["GET"], "buckets": ["media"], "keyPrefixes": ["tenants/"]});
    let allowed = json!({"from": "Names", "names": [TEAM_A]});
    let more = json!({"allowedNamespaces": allowed, "policy": {"rules": [rule]}});
    signer("ClusterSigner", &json!({"name": name}), &more)
}

fn secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
        "stringData": {"url": "https://example.com"},
    })
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn role(kind: &str, metadata: &Value, rule: &Value) -> Value {
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": metadata, "rules": [rule]})
}

/// A binding of a role to a group.
fn binding(metadata: &Value, (kind, role): (&str, &str), group: &str) -> Value {
    let scope = if metadata["namespace"].is_null() { "Cluster" } else { "" };
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": format!("{scope}RoleBinding"), "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    })
}

/// The verb `use` on the `ClusterSigner` for a group.
fn may_use(group: &str) -> Value {
    binding(&json!({"name": format!("use-media-{group}")}), ("ClusterRole", MEDIA), group)
}

fn apply(objects: &[Value]) {
    let manifest: Vec<String> = objects.iter().map(Value::to_string).collect();
    kubectl_with(&["apply", "-f", "-"], &manifest.join("\n---\n")).unwrap();
}

/// The chart, the teams, and what there is to read and change.
fn prepare() {
    let kinds = ["crd/signers.presign.dev", "crd/clustersigners.presign.dev"];
    kubectl(&["wait", "--for=condition=Established", DEADLINE, kinds[0], kinds[1]]).unwrap();
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    apply(&GROUPS.map(namespace));
    let chart = chart().display().to_string();
    let home = ["--namespace", PLATFORM, "--set", "crds.enabled=false"];
    helm_with(&[&["install", RELEASE, chart.as_str()][..], &home].concat()).unwrap();
    let secrets = json!({
        "apiGroups": [""], "resources": ["secrets"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    });
    let uses = json!({
        "apiGroups": ["presign.dev"], "resources": ["clustersigners"], "resourceNames": [MEDIA],
        "verbs": ["use"],
    });
    let keys = json!({"name": "keys", "namespace": PLATFORM});
    let edit =
        |team: &str| binding(&json!({"name": "team", "namespace": team}), ("ClusterRole", "edit"), team);
    apply(&[
        binding(&json!({"name": "chart-platform-signers"}), ("ClusterRole", SIGNERS), PLATFORM),
        role("Role", &keys, &secrets),
        binding(&keys, ("Role", "keys"), PLATFORM),
        edit(TEAM_A),
        edit(TEAM_B),
        role("ClusterRole", &json!({"name": MEDIA}), &uses),
        secret(PLATFORM, "media-key"),
        secret(TEAM_A, "report"),
        secret(TEAM_B, "report"),
        cluster_signer(MEDIA),
        presigned_url(TEAM_A, "report", &media()),
    ]);
}

fn creation() -> Attempt {
    create("create a PresignedUrl in `team-a`", &presigned_url(TEAM_A, "new", &media()))
}

fn creation_in_team_b() -> Attempt {
    create("create a PresignedUrl in `team-b`", &presigned_url(TEAM_B, "new", &media()))
}

fn reading() -> Attempt {
    call("list the PresignedUrls of `team-a`", format!("-n {TEAM_A} get psu"))
}

fn key_reading() -> Attempt {
    let what = "read the Secret with the access key of the ClusterSigner `media`";
    call(what, format!("-n {PLATFORM} get secret media-key"))
}

fn signer_creation() -> Attempt {
    create("create a ClusterSigner", &cluster_signer("chart-another"))
}

/// What is tried with the roles alone.
fn attempts() -> Vec<Attempt> {
    let dry = "--dry-run=server";
    let status = r#"{"status":{"secretName":"another"}}"#;
    let serve = format!(r#"{{"spec":{{"allowedNamespaces":{{"names":["{TEAM_A}","{TEAM_B}"]}}}}}}"#);
    let key = r#"{"stringData":{"access-key-id":"another"}}"#;
    let own_signer = signer("Signer", &json!({"name": "own", "namespace": TEAM_A}), &json!({}));
    vec![
        creation(),
        creation_in_team_b(),
        reading(),
        call(
            "write the status of a PresignedUrl in `team-a`",
            format!("-n {TEAM_A} patch psu report --subresource=status --type=merge -p {status} {dry}"),
        ),
        call("read a Secret with a URL in `team-a`", format!("-n {TEAM_A} get secret report")),
        call("read a Secret with a URL in `team-b`", format!("-n {TEAM_B} get secret report")),
        key_reading(),
        call("replace that access key", format!("-n {PLATFORM} patch secret media-key -p {key} {dry}")),
        call("list the ClusterSigners", "get clustersigners".to_owned()),
        call("read the ClusterSigner `media`", format!("get clustersigner {MEDIA}")),
        signer_creation(),
        call(
            "let `media` serve `team-b` too (`allowedNamespaces`)",
            format!("patch clustersigner {MEDIA} --type=merge -p {serve} {dry}"),
        ),
        call("delete the ClusterSigner `media`", format!("delete clustersigner {MEDIA} {dry}")),
        call("list the Signers of `team-a`", format!("-n {TEAM_A} get signers")),
        create("create a Signer in `team-a`", &own_signer),
        call("set a label of the namespace `team-a`", format!("label namespace {TEAM_A} tier=gold {dry}")),
        create("grant `team-b` the verb `use` on `media`", &may_use(TEAM_B)),
    ]
}

/// What is tried with the admission policy: a creation, and a change of the spec.
fn attempts_with_policy(what: &'static str) -> [Attempt; 2] {
    let key = r#"{"spec":{"key":"tenants/b.json"}}"#;
    let change = format!("-n {TEAM_A} patch psu report --type=merge -p {key} --dry-run=server");
    [Attempt { what, ..creation() }, call("… change the spec of such a PresignedUrl", change)]
}

/// Roles are taken in one by one: this waits for each that permits anything.
fn wait_for_roles() {
    for (group, attempt) in [
        (PLATFORM, signer_creation()),
        (PLATFORM, key_reading()),
        (TEAM_A, creation()),
        (TEAM_A, reading()),
        (TEAM_B, creation_in_team_b()),
    ] {
        let what = format!("{group} does not get its role: {}", attempt.what);
        wait_until(&what, || attempt.is_permitted(group));
    }
}

/// The table of the page.
fn table() -> String {
    prepare();
    wait_for_roles();
    let rows = |attempts: &[Attempt]| attempts.iter().map(Attempt::row).collect::<String>();
    let mut table = format!("{HEAD}{}", rows(&attempts()));

    let values = format!("policies.requireUse=true,namespaces={{{TEAM_A}}}");
    let only = ["--set", &values, "--show-only", "templates/admissionpolicy.yaml"];
    kubectl_with(&["apply", "-f", "-"], &template(RELEASE, PLATFORM, &only).unwrap()).unwrap();
    wait_until("the policy is not in force", || !creation().is_permitted(TEAM_A));
    table += &rows(&attempts_with_policy(
        "with `policies.requireUse`, without the verb `use`: create a PresignedUrl with `media` in `team-a`",
    ));
    let annotate = format!("-n {TEAM_A} annotate psu report note=new --dry-run=server");
    let inline = presigned_url(TEAM_A, "new", &own());
    table += &rows(&[
        call("… change only its annotations", annotate),
        create("… create a PresignedUrl with `spec.s3` in `team-a`", &inline),
    ]);

    apply(&[may_use(TEAM_A)]);
    wait_until("team-a may not use the signer", || creation().is_permitted(TEAM_A));
    table += &rows(&attempts_with_policy(
        "with `policies.requireUse`, and the verb `use` for `team-a`: create a PresignedUrl with `media` in `team-a`",
    ));
    table
}

#[test]
fn the_page_says_what_each_identity_can_do() {
    let page = read(PAGE);
    let (before, rest) = page.split_once(MARKS.0).expect("the page has the mark");
    let (_, after) = rest.split_once(MARKS.1).expect("the page has the other mark");
    let (begin, end) = MARKS;
    let table = table();
    assert_separate(&table);
    settle(PAGE, &format!("{before}{begin}{table}{end}{after}"));
}

/// What no team may do, whatever the page says.
const NOT_OF_TEAMS: [&str; 7] = [
    "write the status of a PresignedUrl in `team-a`",
    "read the Secret with the access key of the ClusterSigner `media`",
    "replace that access key",
    "create a ClusterSigner",
    "let `media` serve `team-b` too (`allowedNamespaces`)",
    "delete the ClusterSigner `media`",
    "grant `team-b` the verb `use` on `media`",
];

/// Fails if a team can do what belongs to the platform team or to the other team.
fn assert_separate(table: &str) {
    let mut found = 0;
    for row in table.lines().skip(2) {
        let [what, _, a, b] =
            row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>().try_into().unwrap();
        if NOT_OF_TEAMS.contains(&what) {
            found += 1;
            assert_eq!((a, b), ("no", "no"), "{row}");
        } else if what.ends_with("`team-a`") || what.starts_with('…') {
            assert_eq!(b, "no", "{row}");
        } else if what.ends_with("`team-b`") {
            assert_eq!(a, "no", "{row}");
        }
    }
    assert_eq!(found, NOT_OF_TEAMS.len(), "{table}");
}
