//! Who asks: the pod in the claims of a token that the API server has confirmed.

use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReviewSpec};

use crate::crd::SignerKind;
use crate::crd::names::GROUP;
use crate::domain::signer::SignerId;
use crate::domain::volume::SIGNING_AUDIENCE;
use crate::runtime::reviews::access_of;

/// A pod that runs, as the API server knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestingPod {
    pub namespace: String,
    pub service_account: String,
    pub name: String,
    pub uid: String,
    pub node: String,
    /// Whom to ask the API server about.
    user: UserInfo,
}

/// Why a valid token does not say which pod asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoPod {
    /// The API server does not confirm the audience.
    #[error("the token is not for the audience presign.dev: request it with this audience")]
    Audience,
    /// It is no token of a ServiceAccount.
    #[error("the token is not that of a ServiceAccount: send the token of the pod")]
    User,
    /// The token is not bound to a pod, or the claims are those of an older Kubernetes.
    #[error(
        "the token does not say which pod it belongs to, and on which node: send a token that the kubelet requested for the pod (Kubernetes 1.32 or later)"
    )]
    Pod,
}

const PREFIX: &str = "authentication.kubernetes.io/";

impl RequestingPod {
    /// The pod that a token belongs to, which the API server says is valid.
    ///
    /// # Errors
    /// What the token lacks.
    pub fn of(status: TokenReviewStatus) -> Result<Self, NoPod> {
        let is_for_us = status.audiences.iter().flatten().any(|audience| audience == SIGNING_AUDIENCE);
        if !is_for_us {
            return Err(NoPod::Audience);
        }
        let user = status.user.ok_or(NoPod::User)?;
        let account = user.username.as_deref().and_then(|name| name.strip_prefix("system:serviceaccount:"));
        let (namespace, account) = account.and_then(|name| name.split_once(':')).ok_or(NoPod::User)?;
        if namespace.is_empty() || account.is_empty() || account.contains(':') {
            return Err(NoPod::User);
        }
        let claim = |name: &str| match user.extra.as_ref()?.get(&format!("{PREFIX}{name}"))?.as_slice() {
            [value] if !value.is_empty() => Some(value.clone()),
            _ => None,
        };
        let (Some(name), Some(uid), Some(node)) = (claim("pod-name"), claim("pod-uid"), claim("node-name"))
        else {
            return Err(NoPod::Pod);
        };
        let (namespace, service_account) = (namespace.to_owned(), account.to_owned());
        Ok(Self { namespace, service_account, name, uid, node, user })
    }

    /// Asks whether the ServiceAccount of the pod may use a signer.
    pub fn use_of(&self, signer: &SignerId) -> SubjectAccessReviewSpec {
        let attributes = ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(resource(signer).to_owned()),
            namespace: (signer.kind == SignerKind::Signer).then(|| signer.namespace.clone()),
            name: Some(signer.name.clone()),
            verb: Some("use".to_owned()),
            ..ResourceAttributes::default()
        };
        SubjectAccessReviewSpec { resource_attributes: Some(attributes), ..access_of(self.user.clone()) }
    }

    /// What to grant, if it may not.
    pub fn missing_use(&self, signer: &SignerId) -> String {
        let (resource, name) = (resource(signer), &signer.name);
        let (role, binding) = match signer.kind {
            SignerKind::Signer => ("Role", "RoleBinding"),
            SignerKind::ClusterSigner => ("ClusterRole", "ClusterRoleBinding"),
        };
        format!(
            "ServiceAccount {:?} of namespace {:?} may not use {signer}: grant it the verb use on {resource}.{GROUP} {name:?} with a {role} and a {binding}",
            self.service_account, self.namespace
        )
    }
}

fn resource(signer: &SignerId) -> &'static str {
    match signer.kind {
        SignerKind::Signer => "signers",
        SignerKind::ClusterSigner => "clustersigners",
    }
}

#[cfg(test)]
impl RequestingPod {
    /// A pod on a node.
    pub fn made_up(namespace: &str, node: &str) -> Self {
        let part = |text: &str| text.to_owned();
        let (service_account, name, uid) = (part("reader"), part("web-0"), part("u"));
        let (namespace, node, user) = (part(namespace), part(node), UserInfo::default());
        Self { namespace, service_account, name, uid, node, user }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status() -> Value {
        json!({
            "authenticated": true, "audiences": ["presign.dev"],
            "user": {
                "username": "system:serviceaccount:team-a:reader", "uid": "u-account", "groups": ["g"],
                "extra": {
                    "authentication.kubernetes.io/pod-name": ["web-0"],
                    "authentication.kubernetes.io/pod-uid": ["u-pod"],
                    "authentication.kubernetes.io/node-name": ["node-1"],
                },
            },
        })
    }

    fn pod(change: impl FnOnce(&mut Value)) -> Result<RequestingPod, NoPod> {
        let mut status = status();
        change(&mut status);
        RequestingPod::of(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn the_token_alone_says_who_asks() {
        let pod = pod(|_| ()).unwrap();
        assert_eq!(
            [pod.namespace, pod.service_account, pod.name, pod.uid, pod.node],
            ["team-a", "reader", "web-0", "u-pod", "node-1"]
        );
    }

    #[test]
    fn a_token_that_lacks_something_says_nothing() {
        let extra = |name: &str| format!("/user/extra/{}", format!("{PREFIX}{name}").replace('/', "~1"));
        for (pointer, value, expected) in [
            ("/audiences".to_owned(), json!(null), NoPod::Audience),
            ("/audiences".to_owned(), json!(["other"]), NoPod::Audience),
            ("/user/username".to_owned(), json!("alice"), NoPod::User),
            ("/user/username".to_owned(), json!("system:serviceaccount:team-a"), NoPod::User),
            ("/user/username".to_owned(), json!("system:serviceaccount::reader"), NoPod::User),
            ("/user/username".to_owned(), json!("system:serviceaccount:a:b:c"), NoPod::User),
            ("/user".to_owned(), json!(null), NoPod::User),
            ("/user/extra".to_owned(), json!(null), NoPod::Pod),
            (extra("pod-name"), json!([]), NoPod::Pod),
            (extra("pod-uid"), json!([""]), NoPod::Pod),
            (extra("node-name"), json!(["a", "b"]), NoPod::Pod),
        ] {
            let found = pod(|status| *status.pointer_mut(&pointer).unwrap() = value.clone());
            assert_eq!(found, Err(expected), "{pointer} {value}");
        }
    }

    #[test]
    fn the_use_of_a_signer_is_asked_for_where_the_signer_is() {
        let pod = pod(|_| ()).unwrap();
        let id = |kind, namespace: &str| SignerId {
            kind,
            namespace: namespace.to_owned(),
            name: "media".to_owned(),
        };
        for (signer, namespace, resource) in [
            (id(SignerKind::Signer, "team-a"), Some("team-a"), "signers"),
            (id(SignerKind::ClusterSigner, ""), None, "clustersigners"),
        ] {
            let asked = pod.use_of(&signer);
            assert_eq!(asked.user.as_deref(), Some("system:serviceaccount:team-a:reader"));
            assert!(asked.extra.is_some_and(|extra| extra.len() == 3));
            let attributes = asked.resource_attributes.unwrap();
            assert_eq!(attributes.namespace.as_deref(), namespace);
            assert_eq!(attributes.resource.as_deref(), Some(resource));
            assert_eq!(
                [attributes.verb, attributes.name, attributes.group].map(Option::unwrap),
                ["use", "media", GROUP]
            );
            assert!(pod.missing_use(&signer).contains(&format!("use on {resource}.presign.dev \"media\"")));
        }
    }
}
