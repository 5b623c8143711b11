//! Keys that are meant to leave the attacker's prefix: by what they say, or by what a store, a client or a
//! person may make of them.

use serde_json::{Value, json};

use super::attack::{Attack, Must};
use super::ledger::Ledger;
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use Must::{BeHarmless, BeRefused};

/// It is not below the prefix.
const OUTSIDE: Must = BeRefused("must begin with");
/// It has an empty segment, a backslash or something encoded.
const AMBIGUOUS: Must = BeRefused("some stores take such a key for another one");
/// It has a segment that HTTP clients collapse.
const DOTS: Must = BeRefused("must not contain '.' or '..' between slashes");
const CONTROL: Must = BeRefused("must not contain control characters");

/// What each is called, the key, and what must become of a download of it.
fn rows(team: &str, victim: &str) -> Vec<(&'static str, String, Must)> {
    let own = |rest: &str| format!("tenants/{team}/{rest}");
    let (cyrillic, upper) = (team.replacen('a', "\u{430}", 1), team.to_ascii_uppercase());
    assert!(cyrillic != team && upper != team, "the look-alikes differ");
    vec![
        (
            "the prefix of a team whose name begins as this one's",
            format!("tenants/{victim}/secret.txt"),
            OUTSIDE,
        ),
        ("no prefix", "secret.txt".to_owned(), OUTSIDE),
        ("the prefix without its slash", format!("tenants/{team}"), OUTSIDE),
        ("the prefix alone", own(""), AMBIGUOUS),
        ("upper case", format!("TENANTS/{team}/report.txt"), OUTSIDE),
        ("the namespace in upper case", format!("tenants/{upper}/report.txt"), OUTSIDE),
        ("a variable as it stands in the policy", "tenants/{namespace}/report.txt".to_owned(), OUTSIDE),
        (
            "what another object of the namespace is called",
            format!("people/{team}/theirs/secret.txt"),
            OUTSIDE,
        ),
        ("a variable for the name", format!("people/{team}/{{name}}/secret.txt"), OUTSIDE),
        ("a leading slash", format!("/tenants/{victim}/secret.txt"), AMBIGUOUS),
        ("a leading slash before the own prefix", format!("/tenants/{team}/report.txt"), AMBIGUOUS),
        ("an empty segment before the namespace", format!("tenants//{victim}/secret.txt"), AMBIGUOUS),
        ("an empty segment", own(&format!("/{victim}/secret.txt")), AMBIGUOUS),
        ("a slash at the end", own("report.txt/"), AMBIGUOUS),
        ("two dots", own(&format!("../{victim}/secret.txt")), DOTS),
        ("two dots at the end", own(".."), DOTS),
        ("one dot", format!("tenants/./{victim}/secret.txt"), DOTS),
        ("encoded dots", own(&format!("%2e%2e/{victim}/secret.txt")), AMBIGUOUS),
        ("encoded dots in upper case", own(&format!("%2E%2E/{victim}/secret.txt")), AMBIGUOUS),
        ("one of two dots encoded", own(&format!(".%2e/{victim}/secret.txt")), AMBIGUOUS),
        ("an encoded slash", own(&format!("..%2f{victim}%2fsecret.txt")), AMBIGUOUS),
        ("an encoded backslash", own(&format!("..%5c{victim}%5csecret.txt")), AMBIGUOUS),
        ("backslashes", own(&format!("..\\{victim}\\secret.txt")), AMBIGUOUS),
        ("dots that are encoded twice", own(&format!("%252e%252e/{victim}/secret.txt")), BeHarmless),
        ("dots in an overlong encoding", own(&format!("%c0%ae%c0%ae/{victim}/secret.txt")), BeHarmless),
        ("dots with a path parameter", own(&format!("..;/{victim}/secret.txt")), BeHarmless),
        ("dots with a space after them", own(&format!(".. /{victim}/secret.txt")), BeHarmless),
        ("dots with a space before them", own(&format!(" ../{victim}/secret.txt")), BeHarmless),
        ("three dots", own(&format!(".../{victim}/secret.txt")), BeHarmless),
        ("full-width dots", own(&format!("\u{ff0e}\u{ff0e}/{victim}/secret.txt")), BeHarmless),
        ("one dot leaders", own(&format!("\u{2024}\u{2024}/{victim}/secret.txt")), BeHarmless),
        ("a two dot leader", own(&format!("\u{2025}/{victim}/secret.txt")), BeHarmless),
        ("full-width slashes", own(&format!("..\u{ff0f}{victim}\u{ff0f}secret.txt")), BeHarmless),
        ("division slashes", own(&format!("..\u{2215}{victim}\u{2215}secret.txt")), BeHarmless),
        ("full-width backslashes", own(&format!("..\u{ff3c}{victim}\u{ff3c}secret.txt")), BeHarmless),
        ("a Cyrillic letter in the prefix", format!("t\u{435}nants/{team}/report.txt"), OUTSIDE),
        ("a Cyrillic letter in the namespace", format!("tenants/{cyrillic}/report.txt"), OUTSIDE),
        ("a zero-width space after the namespace", format!("tenants/{team}\u{200b}/report.txt"), OUTSIDE),
        ("a zero-width joiner before the namespace", format!("tenants/\u{200d}{team}/report.txt"), OUTSIDE),
        ("a byte order mark", format!("\u{feff}tenants/{team}/report.txt"), OUTSIDE),
        ("a zero-width space between dots", own(&format!(".\u{200b}./{victim}/secret.txt")), BeHarmless),
        ("a direction override", own(&format!("\u{202e}../{victim}/secret.txt")), BeHarmless),
        ("a combining mark", own(&format!("..\u{338}/{victim}/secret.txt")), BeHarmless),
        ("a line separator", own(&format!("\u{2028}../{victim}/secret.txt")), BeHarmless),
        ("CR and LF", own(&format!("a\r\nx-amz-copy-source: {team}/secret.txt")), CONTROL),
        ("a tab", own("a\tb"), CONTROL),
        ("a zero byte", own("report.txt\0"), CONTROL),
        ("a control character of Latin-1", own("a\u{85}b"), CONTROL),
        ("a query", own(&format!("report.txt?prefix=tenants/{victim}")), BeHarmless),
        ("a fragment", own(&format!("#/../../{victim}/secret.txt")), DOTS),
        (
            "another address",
            format!("s3://{team}/tenants/{victim}/secret.txt"),
            BeRefused("must be the key alone"),
        ),
    ]
}

/// Tries each key in a download, those that may be granted in an upload too, and other methods on a key of
/// the victim.
pub async fn try_all(stage: &AttackSetup, store: &Store, ledger: &mut Ledger) {
    let mut attacks = Vec::new();
    let mut add = |row: String, role: &str, key: &str, changes: Value, must: Must| {
        attacks.push((row, stage.spec(store, role, key, changes), must));
    };
    for (name, key, must) in rows(stage.team(), &stage.victim) {
        add(format!("key with {name}"), "plain", &key, json!({}), must);
        if matches!(must, BeHarmless) {
            add(format!("upload to a key with {name}"), "trusted", &key, json!({"method": "PUT"}), must);
        }
    }
    let (own, of_victim) = (stage.own_key("report.txt"), format!("tenants/{}/secret.txt", stage.victim));
    for method in ["HEAD", "DELETE", "PUT"] {
        let row = format!("{method} of another team's object");
        add(row, "trusted", &of_victim, json!({"method": method}), OUTSIDE);
    }
    for method in ["GET", "HEAD", "DELETE"] {
        let changes = json!({"method": method, "versionID": "null"});
        add(format!("{method} of a version"), "plain", &own, changes, BeRefused("does not allow versions"));
    }
    let (row, changes) = ("a version in the query".to_owned(), json!({"query": {"versionId": "null"}}));
    add(row, "plain", &own, changes, BeRefused("may be added to the query"));
    for (row, spec, must) in attacks {
        Attack { row: &row, store, place: AttackNamespace::Team, spec, added: None, must }
            .try_on(stage, ledger)
            .await;
    }
}
