//! The tokens of `ServiceAccount`s that the operator can create with the chart's permissions, and those
//! that the chart's admission policy refuses. Each is asked for as the operator's own `ServiceAccount`.

use serde_json::{Value, json};

use super::chart::objects;
use super::harness::{DEADLINE, World};
use super::place::{apply, make_namespace};

const AWS: &str = "sts.amazonaws.com";
/// A second audience that the chart is told to permit.
const STORE: &str = "https://store.example/";
/// What the admission policy says.
const AUDIENCES: &str = "spec.audiences: the operator may only create tokens for the audiences sts.amazonaws.com, https://store.example/";
const LIFETIME: &str = "spec.expirationSeconds: the operator may only create tokens for at most 900 seconds";
const SECRETS: &str = "type: the operator may only write Secrets of type Opaque";
/// The type of a Secret that the controller manager puts a token into, which never expires.
const FOR_TOKEN: &str = "kubernetes.io/service-account-token";
/// The kinds that are applied: the operator does not run here.
const KINDS: [&str; 7] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// Four namespaces with the `ServiceAccount`s `urls` and `backup` each.
struct TokenNamespaces {
    world: &'static World,
    /// The namespace of the release, which is named after it.
    home: String,
    /// All of its `ServiceAccount`s are for the operator.
    whole: String,
    /// Only `urls` is for the operator.
    named: String,
    /// None is for the operator.
    other: String,
}

impl TokenNamespaces {
    async fn new() -> Self {
        let world = World::get().await;
        let client = world.client().await;
        let [home, whole, named, other] = [
            make_namespace(&client).await,
            make_namespace(&client).await,
            make_namespace(&client).await,
            make_namespace(&client).await,
        ];
        for namespace in [&whole, &named, &other] {
            let account = |name: &str| {
                let metadata = json!({"name": name, "namespace": namespace});
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}).to_string()
            };
            apply(world, &[account("urls"), account("backup")].join("\n---\n"));
        }
        Self { world, home, whole, named, other }
    }

    /// Installs the chart's permissions, with the admission policy or without.
    fn install(&self, has_policy: bool) {
        let Self { home, whole, named, .. } = self;
        let values = [
            // A name of its own, since some of this belongs to the cluster.
            format!("fullnameOverride={home},rbac.aggregate=false,namespaces={{{whole},{named}}}"),
            "signers.clusterSigners=false,webIdentity.enabled=true".to_owned(),
            format!("webIdentity.namespaces={{{whole}}},webIdentity.serviceAccounts.{named}={{urls}}"),
            format!("webIdentity.audiences={{{AWS},{STORE}}},webIdentity.admissionPolicy={has_policy}"),
        ];
        let mut objects = objects(home, &values.each_ref().map(String::as_str));
        objects.retain(|object| object["kind"].as_str().is_some_and(|kind| KINDS.contains(&kind)));
        apply(self.world, &objects.iter().map(|object| format!("{object}\n---\n")).collect::<String>());
    }

    /// Writes a Secret as the operator, by a POST or by server-side apply.
    fn write(&self, how: &[&str], secret: &str) -> Result<String, String> {
        let file = ["--validate=false", "-n", &self.whole, "-f", "-"];
        self.as_operator(&[how, &file].concat(), secret)
    }

    /// Who the operator could be with the token in a Secret, which the controller manager writes there.
    fn bearer_of_secret(&self, name: &str) -> Result<String, String> {
        let template = "go-template={{if .data.token}}{{.data.token | base64decode}}{{end}}";
        let token = self.as_operator(&["-n", &self.whole, "get", "secret", name, "-o", template], "")?;
        self.bearer(&token)
    }

    /// Runs kubectl: what it prints, or how it complains.
    fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let done = testbed::output_of(self.world.plane.kubectl().args(arguments), input);
        let trimmed = |said: String| said.trim().to_owned();
        done.map(trimmed).map_err(trimmed)
    }

    /// The same as the operator.
    fn as_operator(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let user = format!("system:serviceaccount:{0}:{0}", self.home);
        self.kubectl(&[&["--as", user.as_str()][..], arguments].concat(), input)
    }

    /// A token of a `ServiceAccount` for the operator.
    fn token(&self, namespace: &str, account: &str, more: &[&str]) -> Result<String, String> {
        self.as_operator(&[&["-n", namespace, "create", "token", account][..], more].concat(), "")
    }

    /// Who the API server takes the bearer of a token for.
    fn bearer(&self, token: &str) -> Result<String, String> {
        let kubeconfig = self.world.plane.kubeconfig_for(&self.other, token).unwrap().display().to_string();
        let review =
            ["--kubeconfig", &kubeconfig, "auth", "whoami", "-o=jsonpath={.status.userInfo.username}"];
        self.kubectl(&review, "")
    }

    /// What the API server says of a token when the operator asks it.
    fn review(&self, token: &str) -> Value {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
        });
        // kubectl may not read the schema of the API server as this user.
        let create = ["create", "--validate=false", "-f", "-", "-o", "json"];
        let answer = self.as_operator(&create, &review.to_string()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

/// Waits for what the API server takes in a moment after it was written: roles and policies.
async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!(testbed::eventually(DEADLINE, async || is_so()).await, "{what}");
}

/// A Secret of this type, which is to be of a `ServiceAccount`.
fn secret(name: &str, kind: &str, account: &str) -> String {
    let annotations = json!({"kubernetes.io/service-account.name": account});
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "annotations": annotations},
    })
    .to_string()
}

const SHORT: [&str; 2] = ["--audience=sts.amazonaws.com", "--duration=10m"];

#[tokio::test]
async fn without_the_policy_the_operator_could_act_as_a_service_account_and_with_it_it_cannot() {
    let stage = TokenNamespaces::new().await;
    let token = |more: &[&str]| stage.token(&stage.whole, "urls", more);
    let for_server = format!("--audience={}/", stage.world.plane.url());
    // A token for the API server, a token that lives for long, and one that another service accepts.
    let refused: [(&[&str], &str); 8] = [
        (&["--duration=10m"], AUDIENCES),
        (&[&for_server, "--duration=10m"], AUDIENCES),
        (&["--audience=vault", "--duration=10m"], AUDIENCES),
        (&["--audience=sts.amazonaws.com", "--audience=vault", "--duration=10m"], AUDIENCES),
        (&["--audience=STS.amazonaws.com", "--duration=10m"], AUDIENCES),
        (&["--audience=sts.amazonaws.com", "--duration=1h"], LIFETIME),
        (&["--audience=sts.amazonaws.com", "--duration=901s"], LIFETIME),
        // The API server sets an hour.
        (&["--audience=sts.amazonaws.com"], LIFETIME),
    ];

    stage.install(false);
    wait_until("the roles are not in force", || token(&SHORT).is_ok()).await;
    for (more, _) in refused {
        token(more).unwrap_or_else(|refusal| panic!("{more:?}: {refusal}"));
    }
    let account = format!("system:serviceaccount:{}:urls", stage.whole);
    let identity = token(&["--duration=10m"]).unwrap();
    assert_eq!(stage.bearer(&identity).unwrap(), account);
    assert_eq!(stage.review(&identity)["status"]["user"]["username"], account);

    stage.install(true);
    wait_until("the policy is not in force", || token(&["--duration=10m"]).is_err()).await;
    for (more, message) in refused {
        let refusal = token(more).expect_err(&more.join(" "));
        assert!(refusal.contains("denied request: ") && refusal.contains(message), "{more:?}: {refusal}");
    }
    for more in [&SHORT, &["--audience=https://store.example/", "--duration=15m"]] {
        // The API server accepts it from nobody, and says so when the operator asks.
        let token = token(more).unwrap();
        let refusal = stage.bearer(&token).expect_err(&more.join(" "));
        assert!(refusal.contains("Unauthorized") || refusal.contains("logged in"), "{refusal}");
        assert_ne!(stage.review(&token)["status"]["authenticated"], true);
    }
    // The policy is about the operator alone.
    stage.kubectl(&["-n", &stage.whole, "create", "token", "urls"], "").unwrap();
}

#[tokio::test]
async fn the_operator_creates_tokens_only_of_the_service_accounts_that_the_chart_names() {
    let stage = TokenNamespaces::new().await;
    stage.install(true);
    let is_in_force = || {
        stage.token(&stage.whole, "urls", &SHORT).is_ok() && stage.token(&stage.named, "urls", &SHORT).is_ok()
    };
    wait_until("the roles are not in force", is_in_force).await;
    let get = |namespace: &str, account: &str| {
        stage.as_operator(&["-n", namespace, "get", "serviceaccount", account, "-o", "name"], "")
    };
    for (namespace, account) in [(&stage.whole, "urls"), (&stage.whole, "backup"), (&stage.named, "urls")] {
        stage.token(namespace, account, &SHORT).unwrap();
        get(namespace, account).unwrap();
    }
    for (namespace, account) in [
        (&stage.named, "backup"),
        (&stage.other, "urls"),
        (&stage.other, "backup"),
        (&stage.home, &stage.home),
    ] {
        let refusal = stage.token(namespace, account, &SHORT).expect_err(account);
        assert!(refusal.contains("cannot create resource \"serviceaccounts/token\""), "{refusal}");
        let refusal = get(namespace, account).expect_err(account);
        assert!(refusal.contains("cannot get resource \"serviceaccounts\""), "{refusal}");
    }
    for verb in ["list", "watch", "create", "update", "patch", "delete", "impersonate"] {
        let answer = stage.as_operator(&["-n", &stage.whole, "auth", "can-i", verb, "serviceaccounts"], "");
        assert!(answer.is_err(), "{verb}");
    }
}

#[tokio::test]
async fn without_the_policy_the_operator_could_have_a_token_put_into_a_secret_and_with_it_it_cannot() {
    let stage = TokenNamespaces::new().await;
    let (create, apply): (&[&str], &[&str]) = (&["create"], &["apply", "--server-side"]);
    // One that is there for another ServiceAccount, and one that only looks like it.
    for (name, kind) in [("there", FOR_TOKEN), ("kept", FOR_TOKEN), ("plain", "Opaque")] {
        stage.kubectl(&["-n", &stage.whole, "create", "-f", "-"], &secret(name, kind, "urls")).unwrap();
    }
    let (prefix, backup) =
        ("kubernetes.io/service-account", format!("system:serviceaccount:{}:backup", stage.whole));
    let becomes_backup = |name: &str| stage.bearer_of_secret(name).is_ok_and(|bearer| bearer == backup);
    let retarget = |name: &str| {
        let annotations = json!({format!("{prefix}.name"): "backup", format!("{prefix}.uid"): null});
        let patch = json!({"metadata": {"annotations": annotations}, "data": {"token": null}}).to_string();
        stage.as_operator(&["-n", &stage.whole, "patch", "secret", name, "-p", &patch], "")
    };

    stage.install(false);
    let by_name = |name: &str| secret(name, FOR_TOKEN, "backup");
    wait_until("the roles are not in force", || stage.write(create, &by_name("posted")).is_ok()).await;
    stage.write(apply, &by_name("applied")).unwrap();
    stage.write(create, &secret("bootstrap", "bootstrap.kubernetes.io/token", "backup")).unwrap();
    retarget("there").unwrap();
    for name in ["posted", "applied", "there"] {
        wait_until(&format!("no token of the other ServiceAccount: {name}"), || becomes_backup(name)).await;
    }

    stage.install(true);
    let is_refused = |answer: Result<String, String>| answer.is_err_and(|said| said.contains(SECRETS));
    let mut number = 0;
    let is_in_force = || {
        number += 1;
        is_refused(stage.write(create, &by_name(&format!("until-{number}"))))
    };
    wait_until("the policy is not in force", is_in_force).await;
    for (how, kind) in [
        (create, FOR_TOKEN),
        (apply, FOR_TOKEN),
        (create, "bootstrap.kubernetes.io/token"),
        (create, "team.example/own"),
    ] {
        let answer = stage.write(how, &secret("refused", kind, "backup"));
        assert!(is_refused(answer.clone()), "{how:?} {kind}: {answer:?}");
    }
    let answer = retarget("kept");
    assert!(is_refused(answer.clone()), "{answer:?}");
    // What the operator writes, and what all others write.
    for (name, kind) in [("of-type", "Opaque"), ("of-no-type", "")] {
        stage.write(create, &secret(name, kind, "backup")).unwrap();
    }
    stage.write(apply, &secret("url", "Opaque", "backup")).unwrap();
    retarget("plain").unwrap();
    stage.kubectl(&["-n", &stage.whole, "create", "-f", "-"], &by_name("of-a-person")).unwrap();
}
