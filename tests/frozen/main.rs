//! The contract is frozen: what a manifest or a client relies on may only grow. Stricter limits and rules,
//! and fields that go, are refused here, unless somebody writes the stored contract again on purpose.
//!
//! What is new is not frozen before the stored contract is written again: do that for every release.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod changes;
mod contract;

use std::path::Path;

use contract::Contract;

const FILE: &str = "tests/frozen/contract.json";
const RENEW: &str = "RENEW_CONTRACT=1 cargo test --test frozen";

#[test]
#[expect(clippy::disallowed_methods, reason = "a person asks through the environment")]
fn the_contract_only_grows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let definitions = presign_operator::crd::definitions().unwrap();
    let now = Contract::of(definitions.iter().map(|definition| serde_json::to_value(definition).unwrap()));
    if std::env::var("RENEW_CONTRACT").is_ok_and(|value| value == "1") {
        std::fs::write(&path, now.print()).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{FILE}: {error}: run {RENEW}"));
    let frozen = Contract::read(&text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    let breaks = frozen.breaks(&now);
    assert!(
        breaks.is_empty(),
        "these changes can break manifests and clients that exist:\n  {}\n\
         Make them compatible. If a break is intended, write it into CHANGELOG.md, and run\n  {RENEW}",
        breaks.join("\n  ")
    );
}
