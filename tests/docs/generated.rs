//! The pages that are made from the code. `make manifests` writes them; here they are compared.

use clap::CommandFactory as _;
use presign_operator::cli::Cli;

use crate::pages::root;
use crate::reference;

/// Compares, or writes where that was asked for.
#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
pub fn settle(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var("PRESIGN_WRITE_MANIFESTS").is_ok() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
    }
    let is_same = std::fs::read_to_string(&file).is_ok_and(|found| found == expected);
    assert!(is_same, "{path} is not what it is made from: run `make manifests`");
}

const PRESIGNED_URL: &str = "\
# PresignedUrl

<!-- Made from src/crd by `make manifests`. -->

Every field of a PresignedUrl (`presign.dev/v1alpha1`, short name `psu`), with its limits and its default, and the
rules between fields. `kubectl explain psu.spec` prints the same texts. The guides show how to use them:
[uploads](../uploads.md), [credentials](../credentials.md), [stores](../providers.md). A default is in the meaning
of the field. It is not stored, except where the type says so.
";

const SIGNER: &str = "\
# Signer and ClusterSigner

<!-- Made from src/crd by `make manifests`. -->

Every field of a Signer (of one namespace) and a ClusterSigner (of the cluster), `presign.dev/v1alpha1`.
[Multi-tenancy](../multi-tenancy.md) shows how to write a policy.
";

const CLI: &str = "\
# presign-operator

<!-- Made from src/cli by `make manifests`. -->

The commands and flags of the binary. The chart sets the flags of `run` from [its
values](../../charts/presign-operator/README.md). Each flag that names a variable can also be set by that
environment variable. The same binary under the name `kubectl-presign` is [the plugin](../kubectl-presign.md).
";

#[test]
fn the_page_of_presigned_urls_is_that_of_the_definition() {
    settle("docs/reference/presignedurl.md", &reference::page(PRESIGNED_URL, &["PresignedUrl"]));
}

#[test]
fn the_page_of_signers_is_that_of_the_definitions() {
    settle("docs/reference/signer.md", &reference::page(SIGNER, &["Signer", "ClusterSigner"]));
}

#[test]
fn the_page_of_the_operator_is_that_of_its_commands() {
    let page = presign_operator::plugin::reference(Cli::command(), "presign-operator", CLI);
    settle("docs/reference/cli.md", &page);
}
