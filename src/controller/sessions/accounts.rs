//! The ServiceAccounts whose tokens are exchanged: their UIDs, and the roles that they permit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use tokio::time::Instant;

use super::SessionFailure;
use crate::controller::context::Context;
use crate::crd::names::ANNOTATION_ROLE_ARNS;
use crate::runtime::Key;
use crate::runtime::lock::Lock;

/// How long a ServiceAccount is not read again, so that thousands of URLs cost one read. A session at hand is
/// used for this long after its role is permitted no longer; for another one, the ServiceAccount is read again.
const KEPT: Duration = Duration::from_secs(10);

/// A ServiceAccount as it was read.
#[derive(Debug)]
pub(super) struct KnownAccount {
    /// UID of the ServiceAccount.
    pub(super) uid: String,
    roles: String,
}

impl KnownAccount {
    /// Requires that the ServiceAccount, which has this name, permits a role.
    pub(super) fn require(&self, account: &str, role: Option<&str>) -> Result<(), SessionFailure> {
        if self.permits(role) {
            return Ok(());
        }
        let role = role.map_or("every role (*)".to_owned(), |arn| format!("the role {arn:?}"));
        Err(SessionFailure::NoConsent { account: account.to_owned(), role })
    }

    /// Whether the ServiceAccount permits that its token is exchanged for a session of a role. Without a
    /// role it has to permit every role.
    fn permits(&self, role: Option<&str>) -> bool {
        self.roles.split(',').map(str::trim).any(|permitted| permitted == "*" || Some(permitted) == role)
    }
}

/// The ServiceAccounts that were read lately; `None` for one that does not exist.
#[derive(Default)]
pub(super) struct Accounts(Lock<HashMap<Key, (Instant, Option<Arc<KnownAccount>>)>>);

impl Accounts {
    /// A ServiceAccount; `None` if it does not exist.
    ///
    /// # Errors
    /// The failure of the read.
    pub(super) async fn get(
        &self,
        ctx: &Context,
        key: &Key,
    ) -> Result<Option<Arc<KnownAccount>>, kube::Error> {
        let is_recent = |(read, _): &(Instant, _)| read.elapsed() < KEPT;
        if let Some((_, known)) = self.0.read().get(key).filter(|known| is_recent(known)) {
            return Ok(known.clone());
        }
        self.read(ctx, key).await
    }

    /// Requires that a ServiceAccount is still the one with this UID, and still permits the role: a request
    /// for a session may have waited for minutes.
    pub(super) async fn confirm(
        &self,
        ctx: &Context,
        key: &Key,
        uid: &str,
        role: Option<&str>,
    ) -> Result<(), SessionFailure> {
        let account = key.name();
        let read = self.read(ctx, key).await;
        match read.map_err(|error| SessionFailure::of_account(account, error))? {
            Some(known) if known.uid == uid => known.require(account, role),
            // The objects that wait ask for a session of the one that was created again.
            _ => Err(SessionFailure::NoAccount { account: account.to_owned() }),
        }
    }

    /// Forgets what was read of a ServiceAccount.
    pub(super) fn forget(&self, key: &Key) {
        self.0.write().remove(key);
    }

    /// Reads a ServiceAccount, however lately it was read.
    async fn read(&self, ctx: &Context, key: &Key) -> Result<Option<Arc<KnownAccount>>, kube::Error> {
        let is_recent = |(read, _): &(Instant, _)| read.elapsed() < KEPT;
        let begun = Instant::now();
        let accounts: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), key.namespace());
        let found = accounts.get_metadata_opt(key.name()).await?;
        let known = found.map(|account| {
            let roles = account.metadata.annotations.and_then(|mut all| all.remove(ANNOTATION_ROLE_ARNS));
            Arc::new(KnownAccount {
                uid: account.metadata.uid.unwrap_or_default(),
                roles: roles.unwrap_or_default(),
            })
        });
        let mut all = self.0.write();
        all.retain(|_, known| is_recent(known));
        all.insert(key.clone(), (begun, known.clone()));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_permitted_by_its_name_or_by_a_star() {
        let account = |roles: &str| KnownAccount { uid: String::new(), roles: roles.to_owned() };
        for (roles, role, expected) in [
            ("", Some("arn:a"), false),
            ("", None, false),
            ("*", Some("arn:a"), true),
            ("*", None, true),
            ("arn:a", Some("arn:a"), true),
            ("arn:a", None, false),
            ("arn:b, arn:a", Some("arn:a"), true),
            ("arn:ab", Some("arn:a"), false),
            ("arn:a*", Some("arn:ab"), false),
        ] {
            assert_eq!(account(roles).permits(role), expected, "{roles:?} {role:?}");
        }
    }
}
