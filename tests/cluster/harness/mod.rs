//! What every story needs: a control plane, a namespace of its own, an operator that looks
//! after it, and waits that are watches with a deadline.

#[allow(dead_code, reason = "not every test binary signs with sessions")]
mod accounts;
mod audit;
mod leaks;
mod operator;
mod space;
mod world;

#[allow(unused_imports, reason = "the tests of sessions use them")]
pub use accounts::{PERMITTED_STS, await_default_account, everything, write_account};
#[allow(unused_imports, reason = "the tests of the roles use it")]
pub use audit::audit_log;
pub use audit::{audit, operators_log};
#[allow(unused_imports, reason = "the tests of sessions use them")]
pub use leaks::{assert_none as assert_no_leaks, hidden_sessions, hide_sessions};
#[allow(unused_imports, reason = "not every test binary counts reconciles")]
pub use operator::kept;
pub use operator::{Operator, UNOPPOSED};
pub use space::{Space, condition, merge, ready, text};
#[allow(unused_imports, reason = "not every test binary makes further namespaces")]
pub use space::{make_namespace, make_namespace_named};
pub use testbed::curl;
#[allow(unused_imports, reason = "the soak rotates to it")]
pub use world::SECOND_KEY;
pub use world::World;

use std::time::Duration;

/// A part of the requests with which this API server lists: streams or, by default before Kubernetes 1.34, pages.
/// Of a proxy behind which an operator has listed.
#[allow(dead_code, reason = "only stories of lists that break off use it")]
pub fn mark_of_lists(proxy: &testbed::Proxy) -> &'static str {
    let (streams, pages) = ("sendInitialEvents=true", "limit=");
    if proxy.seen().iter().any(|request| request.contains(pages)) { pages } else { streams }
}

/// The longest that anything is waited for. Nothing that was missed is made good by itself before 300 s.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// The same for Kubernetes' garbage collector, which shares the machine with everything else and takes its turn.
#[allow(dead_code, reason = "not every test binary waits for it")]
pub const COLLECTED: Duration = Duration::from_secs(120);
