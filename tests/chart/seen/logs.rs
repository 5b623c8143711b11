//! The logs: one line for each URL, one for each failure that is new, and nothing secret.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::scene::scene;
use crate::world::WAIT;

fn lines() -> Vec<Value> {
    let log = scene().leader.program.log();
    // Its last line may not be written to its end yet.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn about<'a>(lines: &'a [Value], level: &str, name: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["level"] == level && line["name"] == name).collect()
}

#[test]
fn each_issued_url_is_one_line_at_info() {
    // Both go on meanwhile, since one URL is renewed again and again.
    let begun = Instant::now();
    let lines = loop {
        // No answer in time is no page; it is asked again.
        let page = scene().leader.page("/metrics").unwrap_or_default();
        let lines = lines();
        let told = lines.iter().filter(|line| line["level"] == "INFO" && line["message"] == "issued").count();
        let issued: usize = page
            .lines()
            .filter_map(|line| line.strip_prefix("presign_issued_total{")?.rsplit_once(' '))
            .map(|(_, value)| value.parse::<usize>().unwrap())
            .sum();
        if told == issued && issued >= 3 {
            break lines;
        }
        assert!(begun.elapsed() < WAIT, "{told} lines for {issued} URLs: {page}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let good = about(&lines, "INFO", "good");
    assert_eq!(good.len(), 1, "{good:?}");
    let fields = good[0];
    assert_eq!((&fields["namespace"], &fields["reason"]), (&"chart-seen".into(), &"Missing".into()));
    assert!(fields["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{fields}");
}

#[test]
fn each_failure_is_one_line_at_warn_when_it_begins() {
    let lines = lines();
    let reasons = |name: &str| -> Vec<String> {
        let warnings = about(&lines, "WARN", name).into_iter();
        warnings.map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(reasons("conflict"), ["SecretConflict"]);
    // While the URL lives its renewal fails; then it is the credentials that are missing.
    assert_eq!(reasons("failing"), ["RenewalFailing", "CredentialsNotFound"]);
    assert!(reasons("good").is_empty());
}

#[test]
fn text_is_one_line_each_and_neither_shows_a_secret() {
    let text = scene().standby.program.log();
    let first = text.lines().next().unwrap();
    assert!(first.contains(" INFO ") && first.contains("started") && first.contains("version="), "{first}");
    for log in [text, scene().leader.program.log()] {
        for secret in ["X-Amz-", "KEYIDOFNOBODY", "very-secret", "session-token", "\u{1b}["] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}
