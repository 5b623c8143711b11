//! What the chart grants, as helm renders it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testbed::{Binary, locate};

/// The `ServiceAccount` whose tokens the chart may permit the operator to create.
pub const ACCOUNT: &str = "urls";

/// How the chart may be installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// With `ClusterSigner`s, which may choose namespaces by their labels. All other modes are without.
    Cluster,
    Namespaces,
    Minimal,
    /// Namespaces, and metrics only for those who may read them.
    Guarded,
    /// Namespaces, and the signing service with a certificate that the operator makes.
    Signing,
    /// Namespaces, and tokens of the `ServiceAccount` [`ACCOUNT`].
    WebIdentity,
}

/// One verb on one resource.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Permission {
    pub resource: String,
    pub verb: String,
}

/// What helm renders with these values for a release in the namespace `home`.
pub fn objects(home: &str, values: &[&str]) -> Vec<Value> {
    let mut helm = Command::new(locate(Binary::Helm).unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, root.join("target/helm"));
    }
    helm.args(["template", "presign-operator", "--namespace", home]);
    helm.args(values.iter().flat_map(|value| ["--set", value]));
    let output = helm.arg(root.join("charts/presign-operator")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendering = String::from_utf8(output.stdout).unwrap();
    serde_saphyr::from_multiple(&rendering).unwrap()
}

/// Everything of the chart that grants, and whom.
#[derive(Clone, Debug)]
pub struct Roles {
    objects: Vec<Value>,
}

impl Roles {
    /// As rendered for a release in the namespace `home`, which is also the one that is looked
    /// after, unless all are.
    pub fn render(mode: Mode, home: &str) -> Self {
        let here = format!("namespaces={{{home}}},signers.clusterSigners=false");
        let mut values = vec!["rbac.aggregate=false"];
        // Several places exist at the same time, and a ClusterRole of the same name would belong to all of
        // them.
        let tokens = format!(
            "fullnameOverride={home},webIdentity.enabled=true,webIdentity.serviceAccounts.{home}={{{ACCOUNT}}}"
        );
        let signing = format!("fullnameOverride={home},csi.enabled=true,csi.signers.enabled=true");
        values.push(if mode == Mode::Cluster { "signers.namespaceSelectors=true" } else { &here });
        match mode {
            Mode::Minimal => values.push("rbac.minimal=true"),
            Mode::Guarded => {
                values.push("metrics.secure.enabled=true,metrics.secure.certSecretName=certificate");
            }
            Mode::WebIdentity => values.push(&tokens),
            Mode::Signing => values.push(&signing),
            Mode::Cluster | Mode::Namespaces => {}
        }
        let mut objects = objects(home, &values);
        let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
        objects.retain(|object| object["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)));
        // For people, and for the CSI driver, which has no rights: the operator is not bound to them.
        let others = ["-signers", "-csi"];
        let is_other = |name: &str| others.iter().any(|suffix| name.ends_with(suffix));
        objects.retain(|object| !is_other(object["metadata"]["name"].as_str().unwrap()));
        Self { objects }
    }

    /// Only what `is_granted` says.
    pub fn only(mut self, is_granted: impl Fn(&Permission) -> bool) -> Self {
        let rules = self.objects.iter_mut().filter_map(|object| object.get_mut("rules")?.as_array_mut());
        for rules in rules {
            for rule in &mut *rules {
                let resource = words(&rule["resources"]).join(",");
                let mut verbs = words(&rule["verbs"]);
                verbs.retain(|verb| {
                    is_granted(&Permission { resource: resource.clone(), verb: verb.clone() })
                });
                rule["verbs"] = verbs.into();
            }
            rules.retain(|rule| !words(&rule["verbs"]).is_empty());
        }
        self
    }

    /// The same roles for the same account in another namespace.
    pub fn moved_to(mut self, namespace: &str) -> Self {
        self.objects.retain(|object| object["kind"] != "ServiceAccount");
        for object in &mut self.objects {
            object["metadata"]["namespace"] = namespace.into();
        }
        self
    }

    /// Only the roles for the signing service.
    pub fn of_signing(mut self) -> Self {
        let is_of_it = |object: &Value| object["metadata"]["name"].as_str().unwrap().contains("-signing");
        self.objects.retain(is_of_it);
        self
    }

    /// Every permission, once.
    pub fn permissions(&self) -> Vec<Permission> {
        let rules = self.objects.iter().filter_map(|object| object["rules"].as_array()).flatten();
        let mut permissions: Vec<Permission> = rules
            .flat_map(|rule| {
                let resource = words(&rule["resources"]).join(",");
                let of = move |verb| Permission { resource: resource.clone(), verb };
                words(&rule["verbs"]).into_iter().map(of)
            })
            .collect();
        permissions.sort();
        permissions.dedup();
        permissions
    }

    /// As a manifest for kubectl.
    pub fn manifest(&self) -> String {
        self.objects.iter().map(|object| format!("{object}\n---\n")).collect()
    }

    /// The `ServiceAccount` that all of this is for.
    pub fn account(&self) -> String {
        let account = self.objects.iter().find(|object| object["kind"] == "ServiceAccount");
        account.unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
    }
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}
