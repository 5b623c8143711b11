//! Which entries of a kubeconfig the flags choose. Pure.
//!
//! kube reports an unknown context or cluster in its own words, and takes an unknown user for nobody.

use kube::config::{KubeConfigOptions, Kubeconfig, NamedContext};

/// The most names that a message lists.
const MAX_NAMED: usize = 5;

/// A wrong name in the flags, or a kubeconfig that chooses nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum WrongName {
    #[error("the kubeconfig has no {kind} {name:?}: {}", known(.names, .kind))]
    Unknown { kind: &'static str, name: String, names: Vec<String> },
    #[error("the kubeconfig has no current-context: name one with --context")]
    NoContext,
}

fn known(names: &[String], kind: &str) -> String {
    if names.is_empty() {
        return format!("it has no {kind}s");
    }
    let more = if names.len() > MAX_NAMED { ", ..." } else { "" };
    let named: Vec<_> = names.iter().take(MAX_NAMED).map(|name| format!("{name:?}")).collect();
    format!("name one of {}{more}", named.join(", "))
}

/// The proxy of the cluster that the flags, or else the kubeconfig, choose.
///
/// # Errors
/// When the kubeconfig does not have what the flags name.
pub(super) fn proxy_url<'a>(
    file: &'a Kubeconfig,
    flags: &KubeConfigOptions,
) -> Result<Option<&'a str>, WrongName> {
    let context = chosen_context(file, flags)?;
    if let Some(user) = &flags.user
        && !file.auth_infos.iter().any(|known| known.name == *user)
    {
        return Err(unknown("user", user, file.auth_infos.iter().map(|user| &user.name).collect()));
    }
    let of_context = context.context.as_ref().map(|context| &context.cluster);
    let Some(name) = flags.cluster.as_ref().or(of_context) else { return Ok(None) };
    let cluster = file.clusters.iter().find(|cluster| cluster.name == *name);
    let cluster = cluster.ok_or_else(|| {
        unknown("cluster", name, file.clusters.iter().map(|cluster| &cluster.name).collect())
    })?;
    let proxy = cluster.cluster.as_ref().and_then(|cluster| cluster.proxy_url.as_deref());
    Ok(proxy.filter(|proxy| !proxy.is_empty()))
}

/// The namespace of the context that the flags, or else the kubeconfig, choose.
///
/// # Errors
/// When the kubeconfig does not have the context.
pub(super) fn namespace<'a>(
    file: &'a Kubeconfig,
    flags: &KubeConfigOptions,
) -> Result<Option<&'a str>, WrongName> {
    let context = match chosen_context(file, flags) {
        // As for kubectl, it is the namespace default.
        Err(WrongName::NoContext) => return Ok(None),
        found => found?,
    };
    let namespace = context.context.as_ref().and_then(|context| context.namespace.as_deref());
    Ok(namespace.filter(|namespace| !namespace.is_empty()))
}

fn chosen_context<'a>(
    file: &'a Kubeconfig,
    flags: &KubeConfigOptions,
) -> Result<&'a NamedContext, WrongName> {
    let named = flags.context.as_ref().or(file.current_context.as_ref()).filter(|name| !name.is_empty());
    let named = named.ok_or(WrongName::NoContext)?;
    let context = file.contexts.iter().find(|context| context.name == *named);
    context
        .ok_or_else(|| unknown("context", named, file.contexts.iter().map(|context| &context.name).collect()))
}

fn unknown(kind: &'static str, name: &str, names: Vec<&String>) -> WrongName {
    WrongName::Unknown { kind, name: name.to_owned(), names: names.into_iter().cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
current-context: one
contexts:
- {name: one, context: {cluster: here, user: jane}}
- {name: two, context: {cluster: gone, user: jane}}
- {name: three, context: {cluster: behind}}
clusters:
- {name: here, cluster: {server: "https://here"}}
- {name: behind, cluster: {server: "https://behind", proxy-url: "socks5://localhost:1080"}}
users:
- {name: jane, user: {token: hidden}}
"#;

    fn chosen(context: Option<&str>, cluster: Option<&str>, user: Option<&str>) -> Result<String, String> {
        let file = Kubeconfig::from_yaml(FILE).unwrap();
        let flags = KubeConfigOptions {
            context: context.map(str::to_owned),
            cluster: cluster.map(str::to_owned),
            user: user.map(str::to_owned),
        };
        let proxy = proxy_url(&file, &flags).map_err(|error| error.to_string())?;
        Ok(proxy.unwrap_or("none").to_owned())
    }

    #[test]
    fn finds_the_proxy_of_the_chosen_cluster() {
        let socks = Ok("socks5://localhost:1080".to_owned());
        assert_eq!(chosen(None, None, None), Ok("none".to_owned()));
        assert_eq!(chosen(None, None, Some("jane")), Ok("none".to_owned()));
        assert_eq!(chosen(Some("three"), None, None), socks);
        assert_eq!(chosen(None, Some("behind"), None), socks);
        assert_eq!(chosen(Some("two"), Some("here"), None), Ok("none".to_owned()));
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_known_ones() {
        for (context, cluster, user, expected) in [
            (
                Some("four"),
                None,
                None,
                r#"the kubeconfig has no context "four": name one of "one", "two", "three""#,
            ),
            (
                Some("two"),
                None,
                None,
                r#"the kubeconfig has no cluster "gone": name one of "here", "behind""#,
            ),
            (
                None,
                Some("there"),
                None,
                r#"the kubeconfig has no cluster "there": name one of "here", "behind""#,
            ),
            (None, None, Some("joe"), r#"the kubeconfig has no user "joe": name one of "jane""#),
            (Some(""), None, None, "the kubeconfig has no current-context: name one with --context"),
        ] {
            assert_eq!(chosen(context, cluster, user).unwrap_err(), expected);
        }
        let empty = Kubeconfig::default();
        let flags = KubeConfigOptions { context: Some("a".to_owned()), ..KubeConfigOptions::default() };
        let error = proxy_url(&empty, &flags).unwrap_err();
        assert_eq!(error.to_string(), r#"the kubeconfig has no context "a": it has no contexts"#);
    }
}
