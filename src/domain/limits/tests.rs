//! What is permitted, which patterns fit, and which cannot be meant.

use super::*;
use crate::domain::model::request;
use crate::domain::request::Endpoint;

fn limits(denied: &[&str], endpoints: &[&str]) -> Limits {
    Limits::new(
        denied.iter().map(|name| NamePattern::parse(name).unwrap()).collect(),
        endpoints.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
    )
}

fn with_metadata(field: &str, name: &str) -> Request {
    let mut request = request();
    let target = &mut request.target;
    let map = if field == "labels" { &mut target.labels } else { &mut target.annotations };
    map.insert(name.to_owned(), "v".to_owned());
    request
}

fn at_endpoint(endpoint: Option<&str>) -> Request {
    let mut request = request();
    request.connection.endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
    request.connection.region = "eu-central-1".to_owned();
    request
}

#[test]
fn names_on_which_other_controllers_act_are_denied_by_default() {
    let limits = limits(&DENIED_BY_DEFAULT, &["*"]);
    for name in [
        "argoproj.io/a",
        "argocd.argoproj.io/secret-type",
        "fluxcd.io/sync-checksum",
        "reconcile.fluxcd.io/watch",
        "kustomize.toolkit.fluxcd.io/prune",
        "reflector.v1.k8s.emberstack.com/reflection-auto-enabled",
        "replicator.v1.mittwald.de/replicate-to",
        "secret-generator.v1.mittwald.de/autogenerate",
        "kubed.appscode.com/sync",
        "synator/sync",
        "grafana_datasource",
        "grafana_dashboard",
        "cert-manager.io/allow-direct-injection",
        "sealedsecrets.bitnami.com/sealed-secrets-key",
        "jenkins.io/credentials-type",
        "credential.sync.jenkins.openshift.io",
        "istio/multiCluster",
        "Istio/MultiCluster",
        "kiali.io/multiCluster",
        "cluster.x-k8s.io/cluster-name",
        "clusterctl.cluster.x-k8s.io/move",
        "generate.kyverno.io/clone-source",
        "meta.helm.sh/release-name",
        "kapp.k14s.io/app",
        "secretgen.carvel.dev/image-pull-secret",
        "applyset.kubernetes.io/part-of",
    ] {
        for field in ["labels", "annotations"] {
            let refused = limits.check(&with_metadata(field, name)).unwrap_err();
            assert_eq!(refused, NotPermitted::Metadata { field, name: name.to_owned() });
            let text = refused.to_string();
            assert!(text.contains(field) && text.contains(name) && text.contains("--deny-secret-metadata"));
        }
    }
    for name in [
        "team",
        "app.kubernetes.io/name",
        "kubernetes.io/description",
        "example.com/istio",
        "not-argoproj.io/a",
        "reloader.stakater.com/match",
        "velero.io/exclude-from-backup",
    ] {
        assert_eq!(limits.check(&with_metadata("annotations", name)), Ok(()), "{name}");
    }
}

#[test]
fn a_star_stands_for_any_characters() {
    for (pattern, name, expected) in [
        ("a.b/c", "a.b/c", true),
        ("a.b/c", "a.b/cd", false),
        ("a.b/*", "a.b/", true),
        ("*", "a.b/c", true),
        ("*.b/*", "a.b/c", true),
        ("*.b/*", ".b/", true),
        ("*.b/*", "b/c", false),
        ("*b*b", "b", false),
        ("*b*b", "bb", true),
        ("a*a", "a", false),
        ("a*b*a", "aba", true),
        ("a*b*a", "ab", false),
        ("A/b", "a/B", true),
    ] {
        assert_eq!(NamePattern::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
    }
}

#[test]
fn urls_point_only_where_they_may() {
    let limits = limits(&[], &["minio.minio.svc", "*.Example.com", "[::1]", "*.amazonaws.com"]);
    for endpoint in [
        Some("http://minio.minio.svc:9000"),
        Some("https://MINIO.minio.svc/prefix"),
        Some("https://a.b.example.com"),
        Some("http://[::1]:9000"),
        None,
    ] {
        assert_eq!(limits.check(&at_endpoint(endpoint)), Ok(()), "{endpoint:?}");
    }
    for endpoint in [
        "https://example.com",
        "https://badexample.com",
        "https://minio.minio.svc.evil.com",
        "https://a.minio.minio.svc",
        "http://[::2]",
        "https://amazonaws.com.evil.com",
    ] {
        let refused = limits.check(&at_endpoint(Some(endpoint))).unwrap_err();
        let host = Endpoint::parse(endpoint).unwrap().host;
        assert_eq!(refused, NotPermitted::Endpoint { host }, "{endpoint}");
    }
    let mut china = at_endpoint(None);
    china.connection.region = "cn-north-1".to_owned();
    let refused = limits.check(&china).unwrap_err();
    assert_eq!(refused, NotPermitted::Aws { host: "s3.cn-north-1.amazonaws.com.cn".to_owned() });
    assert!(refused.to_string().contains("--allow-endpoints"));
}

#[test]
fn a_pattern_that_cannot_be_meant_is_refused() {
    for pattern in ["", "a b", "a/b/c", "a=b", "ä"] {
        NamePattern::parse(pattern).unwrap_err();
    }
    for pattern in [
        "",
        "*.",
        "https://a",
        "a:80",
        "a/b",
        "a*",
        "*.*.com",
        "a.*.com",
        "*.10.0.0.1",
        "*.[::1]",
        "[::1]:80",
        "u@a",
    ] {
        HostPattern::parse(pattern).unwrap_err();
    }
}

#[test]
fn the_documentation_names_all_that_is_denied_by_default() {
    let documentation = include_str!("../../../docs/security.md");
    for pattern in DENIED_BY_DEFAULT {
        assert!(documentation.contains(&format!("`{pattern}`")), "{pattern}");
    }
}
