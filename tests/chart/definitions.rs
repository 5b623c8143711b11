//! The definitions: upgraded by `helm upgrade`, and left by `helm uninstall`.

use std::{fs, process::Command};

use super::render::{chart, run};
use super::world::{RELEASE, helm_with, kubectl};

const COLUMN: &str = "    - description: When the next URL is issued
      jsonPath: .status.renewalTime
      name: Renews
      type: string
";

fn columns() -> String {
    let path = "--output=jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}";
    kubectl(&["get", "crd", "presignedurls.presign.dev", path]).unwrap()
}

#[test]
fn an_upgrade_brings_definitions_a_rollback_takes_them_back_and_an_uninstall_leaves_them() {
    let (release, namespace) = RELEASE;
    let folder = tempfile::tempdir().unwrap();
    let older = folder.path().join("presign-operator");
    run(Command::new("cp").arg("-r").arg(chart()).arg(&older)).unwrap();
    let file = older.join("files/crds.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(COLUMN), "choose another column");
    fs::write(&file, text.replace(COLUMN, "")).unwrap();
    let upgrade = |chart: &std::path::Path| {
        helm_with(&["upgrade", "--install", release, chart.to_str().unwrap(), "--namespace", namespace])
            .unwrap();
    };

    upgrade(&older);
    assert!(!columns().contains("Renews"), "{}", columns());
    upgrade(&chart());
    assert!(columns().contains("Renews"), "{}", columns());
    helm_with(&["rollback", release, "--namespace", namespace]).unwrap();
    assert!(!columns().contains("Renews"), "{}", columns());
    upgrade(&chart());

    helm_with(&["uninstall", release, "--namespace", namespace]).unwrap();
    assert!(columns().contains("Renews"), "{}", columns());
    let left = kubectl(&["-n", namespace, "get", "deployments,serviceaccounts", "-o", "name"]).unwrap();
    assert!(!left.contains(release), "{left}");
    upgrade(&chart());
}
