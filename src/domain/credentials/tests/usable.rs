//! Which Secrets may hold credentials, and for whom.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use super::*;
use crate::crd::names::{ANNOTATION_SIGNERS_ONLY, LABEL_MANAGED, MANAGED};

fn secret(kind: Option<&str>) -> Secret {
    Secret { type_: kind.map(str::to_owned), ..Secret::default() }
}

#[test]
fn credentials_come_from_secrets_that_are_there_for_them() {
    for kind in [None, Some(""), Some("Opaque"), Some("servicebinding.io/aws"), Some("kubernetes.io/rook")] {
        assert_eq!(usable(&secret(kind), false), Ok(()), "{kind:?}");
    }
    for kind in [
        "kubernetes.io/service-account-token",
        "kubernetes.io/dockerconfigjson",
        "kubernetes.io/tls",
        "kubernetes.io/basic-auth",
        "kubernetes.io/rook2",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
    ] {
        let why = usable(&secret(Some(kind)), true).unwrap_err();
        let message = InvalidCredentials::Unusable { secret: "keys".to_owned(), why }.to_string();
        assert!(message.starts_with("Secret \"keys\" has "), "{message}");
        assert!(message.contains("put the access key into a Secret of type Opaque"), "{message}");
    }
    let shown = |kind| usable(&secret(Some(kind)), false).unwrap_err().to_string();
    assert!(shown("kubernetes.io/tls").starts_with("has a type kubernetes.io/*, which"));
    assert!(shown("helm.sh/release.v1").starts_with("has the type helm.sh/release, which"));
    let mut issued = secret(Some("Opaque"));
    issued.labels_mut().insert(LABEL_MANAGED.to_owned(), MANAGED.to_owned());
    let why = usable(&issued, false).unwrap_err();
    assert!(why.to_string().contains("it holds a URL that the operator issued"), "{why}");
}

#[test]
fn some_secrets_are_for_signers_only() {
    for (value, is_free) in [("true", false), ("True", false), ("", false), ("yes", false), ("false", true)] {
        let mut marked = secret(Some("Opaque"));
        marked.annotations_mut().insert(ANNOTATION_SIGNERS_ONLY.to_owned(), value.to_owned());
        assert_eq!(usable(&marked, true), Ok(()), "{value:?}");
        assert_eq!(usable(&marked, false).is_ok(), is_free, "{value:?}");
    }
}
