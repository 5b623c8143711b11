//! The ServiceAccounts whose tokens are exchanged: their UIDs, and the roles that they permit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::SessionFailure;
use crate::controller::context::Context;
use crate::crd::names::ANNOTATION_ROLE_ARNS;
use crate::runtime::Key;
use crate::runtime::lock::Lock;

/// How long a ServiceAccount is not read again, so that thousands of URLs cost one read. A session at hand is
/// used for this long after its role is permitted no longer; for another one, the ServiceAccount is read again.
const ACCOUNT_TTL: Duration = Duration::from_secs(10);

/// A ServiceAccount as it was read.
#[derive(Debug)]
pub(super) struct CachedAccount {
    /// UID of the ServiceAccount.
    pub(super) uid: String,
    roles: String,
}

impl CachedAccount {
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

/// What a read finds; `None` if there is no such ServiceAccount.
type FoundAccount = Option<Arc<CachedAccount>>;

/// The ServiceAccounts that were read lately.
#[derive(Default)]
pub(super) struct Accounts {
    read: Lock<HashMap<Key, LastRead>>,
    /// Locked by the first that reads a ServiceAccount.
    readers: Lock<HashMap<Key, Arc<Mutex<()>>>>,
}

/// What the last read of a ServiceAccount found. Answers to reads that began earlier do not count.
enum LastRead {
    /// The read began then.
    Found(Instant, FoundAccount),
    /// What had been found was forgotten then.
    Forgotten(Instant),
}

impl LastRead {
    fn at(&self) -> Instant {
        match self {
            Self::Found(at, _) | Self::Forgotten(at) => *at,
        }
    }

    fn is_recent(&self) -> bool {
        self.at().elapsed() < ACCOUNT_TTL
    }
}

impl Accounts {
    /// A ServiceAccount. Those that ask at the same time share one read.
    ///
    /// # Errors
    /// The failure of the read.
    pub(super) async fn get(&self, ctx: &Context, key: &Key) -> Result<FoundAccount, kube::Error> {
        if let Some(cached) = self.cached(key) {
            return Ok(cached);
        }
        let reader = self.reader(key);
        let turn = reader.try_lock();
        if turn.is_err() {
            // If the read fails or ends early, each reads for itself, so that nobody waits for several failures.
            drop(reader.lock().await);
            if let Some(cached) = self.cached(key) {
                return Ok(cached);
            }
        }
        self.read(ctx, key).await
    }

    /// What was read lately; `None` if it has to be read.
    fn cached(&self, key: &Key) -> Option<FoundAccount> {
        match self.read.read().get(key).filter(|last| last.is_recent())? {
            LastRead::Found(_, cached) => Some(cached.clone()),
            LastRead::Forgotten(_) => None,
        }
    }

    fn reader(&self, key: &Key) -> Arc<Mutex<()>> {
        let mut readers = self.readers.write();
        readers.retain(|_, reader| Arc::strong_count(reader) > 1);
        readers.entry(key.clone()).or_default().clone()
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
            Some(cached) if cached.uid == uid => cached.require(account, role),
            // The objects that wait ask for a session of the one that was created again.
            _ => Err(SessionFailure::NoAccount { account: account.to_owned() }),
        }
    }

    /// Forgets what was read of a ServiceAccount, also by the reads that are under way.
    pub(super) fn forget(&self, key: &Key) {
        self.read.write().insert(key.clone(), LastRead::Forgotten(Instant::now()));
    }

    /// Reads a ServiceAccount, however lately it was read.
    async fn read(&self, ctx: &Context, key: &Key) -> Result<FoundAccount, kube::Error> {
        let begun = Instant::now();
        let accounts: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), key.namespace());
        let found = accounts.get_metadata_opt(key.name()).await?;
        let cached = found.map(|account| {
            let roles = account.metadata.annotations.and_then(|mut all| all.remove(ANNOTATION_ROLE_ARNS));
            Arc::new(CachedAccount {
                uid: account.metadata.uid.unwrap_or_default(),
                roles: roles.unwrap_or_default(),
            })
        });
        let mut all = self.read.write();
        all.retain(|_, last| last.is_recent());
        if all.get(key).is_none_or(|last| last.at() < begun) {
            all.insert(key.clone(), LastRead::Found(begun, cached.clone()));
        }
        Ok(cached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_permitted_by_its_name_or_by_a_star() {
        let account = |roles: &str| CachedAccount { uid: String::new(), roles: roles.to_owned() };
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
