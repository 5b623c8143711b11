//! The parts of the benchmark `fleet`.

pub(crate) mod account;
pub(crate) mod bulk;
pub(crate) mod calls;
pub(crate) mod ceiling;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod latency;
pub(crate) mod neighbours;
pub(crate) mod operator;
pub(crate) mod output;
pub(crate) mod plain;
pub(crate) mod plot;
pub(crate) mod renewals;
pub(crate) mod result;
pub(crate) mod scene;
pub(crate) mod sessions;
pub(crate) mod signers;
pub(crate) mod stages;
pub(crate) mod table;
pub(crate) mod turns;
pub(crate) mod watches;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/rbac/chart.rs"]
mod chart;
