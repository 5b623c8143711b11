//! The command `check`: what is wrong with an installation.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

mod judge;
mod requests;

use clap::Args;
use serde::Serialize;

use super::console::Paint;
use super::tree::Tree;
use super::{PluginEnd, PluginSession};
use crate::cli::ExitFailure;
pub(super) use requests::is_allowed;

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The namespace of the operator and of its Lease.
    #[arg(long, value_name = "NAME", default_value = "presign-system")]
    operator_namespace: String,
    /// The name of the operator's Lease.
    #[arg(long, value_name = "NAME", default_value = "presign-operator")]
    lease_name: String,
}

/// What was looked at, and how it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckedItem {
    what: String,
    state: ItemState,
    message: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum ItemState {
    Good,
    Bad,
    /// Optional, and not there.
    Absent,
    /// You may not look at it.
    Unknown,
}

impl CheckedItem {
    fn new(what: impl Into<String>, state: ItemState, message: impl Into<String>) -> Self {
        Self { what: what.into(), state, message: message.into() }
    }

    fn tree(&self, paint: Paint) -> Tree {
        let mark = match self.state {
            ItemState::Good => paint.good("ok"),
            ItemState::Bad => paint.bad("wrong"),
            ItemState::Absent => paint.faint("not there"),
            ItemState::Unknown => paint.warn("unknown"),
        };
        Tree::leaf(format!("{}: {mark}: {}", self.what, self.message))
    }
}

pub(super) async fn check(session: &PluginSession<'_>, args: &CheckArgs) -> Result<PluginEnd, ExitFailure> {
    let client = session.cluster.client().await?;
    let namespace = session.cluster.namespace(&client);
    let (items, now) = requests::server(&client, &session.clock).await?;
    let mut items = vec![items];
    items.extend(requests::definitions(&client).await?);
    items.push(requests::leader(&client, &args.operator_namespace, &args.lease_name, now).await?);
    items.extend(requests::rights(&client, &namespace).await?);
    items.extend(requests::policies(&client).await?);
    items.push(requests::driver(&client).await?);
    items.extend(requests::signers(&client, &namespace).await?);
    let is_good = !items.iter().any(|item| item.state == ItemState::Bad);
    session.console.print(&items, |paint| {
        let first = if is_good { paint.good("nothing is wrong") } else { paint.bad("something is wrong") };
        Tree::leaf(first).with_all(items.iter().map(|item| item.tree(paint))).render()
    })?;
    Ok(PluginEnd::of(is_good))
}
