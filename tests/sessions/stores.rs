//! The stores with an STS, which the stories share.

use std::sync::LazyLock;
use std::time::Duration;

use testbed::{Role, SessionStore, SessionStoreBuilder, allow};

use crate::harness::{World, everything};

/// The name of every `ServiceAccount` that the roles trust, in whichever namespace.
pub const ACCOUNT: &str = "urls";
/// A role that trusts them, and may do everything.
pub const ROLE: &str = "all";
/// Another role with the same trust and the same permissions.
pub const OTHER_ROLE: &str = "other";
/// A role that trusts the two access keys.
pub const KEYED_ROLE: &str = "keyed";
/// A role that trusts the sessions of [`ROLE`].
pub const CHAINED_ROLE: &str = "chained";
/// Id and secret of an access key that may do nothing but assume a role.
pub const BASE_KEY: (&str, &str) = ("BASEKEYOFSESSIONS", "a-secret-that-assumes-roles");
/// The key that it is rotated to.
pub const SECOND_BASE_KEY: (&str, &str) = ("SECONDBASEKEYOFSESSIONS", "another-secret-that-assumes-roles");
/// Namespaces that have a role each, `urls-NAMESPACE`.
pub const WITH_ROLES: [&str; 2] = ["with-role-a", "with-role-b"];
/// How many further roles there are that are as [`ROLE`], so that each can have a fault.
pub const NUMBERED: usize = 10;
/// The longest session of the store whose sessions end soon.
pub const SHORT: Duration = Duration::from_secs(120);

/// Sessions live as long as the spec says.
static USUAL: LazyLock<SessionStore> = LazyLock::new(|| builder().start().unwrap());

/// Sessions live for two minutes, whatever the spec says.
static BRIEF: LazyLock<SessionStore> = LazyLock::new(|| builder().longest_session(SHORT).start().unwrap());

/// A store, started by whoever comes first.
pub async fn usual() -> &'static SessionStore {
    tokio::task::spawn_blocking(|| &*USUAL).await.expect("the testbed starts")
}

/// The store whose sessions end soon.
pub async fn brief() -> &'static SessionStore {
    tokio::task::spawn_blocking(|| &*BRIEF).await.expect("the testbed starts")
}

/// The name of a further role.
pub fn numbered(number: usize) -> String {
    format!("role-{number}")
}

fn builder() -> SessionStoreBuilder {
    let plane = &World::get_blocking().plane;
    let mut builder = SessionStore::builder()
        .issuer(plane)
        .unwrap()
        .identity(BASE_KEY.0, BASE_KEY.1, &[])
        .identity(SECOND_BASE_KEY.0, SECOND_BASE_KEY.1, &[])
        .role(role(ROLE))
        .role(role(OTHER_ROLE))
        .role(Role::new(KEYED_ROLE, everything()).identity(BASE_KEY.0).identity(SECOND_BASE_KEY.0))
        .role(Role::new(CHAINED_ROLE, everything()).role(ROLE));
    for number in 0..NUMBERED {
        builder = builder.role(role(&numbered(number)));
    }
    for namespace in WITH_ROLES {
        let own = allow(&["s3:GetObject"], &[&format!("arn:aws:s3:::*/tenants/{namespace}/*")]);
        builder =
            builder.role(Role::new(format!("urls-{namespace}"), own).service_account(namespace, ACCOUNT));
    }
    builder
}

fn role(name: &str) -> Role {
    Role::new(name, everything()).service_account("*", ACCOUNT)
}
