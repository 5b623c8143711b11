//! The lifetimes that `docs/mounting-and-rotation.md` advises are computed here, with the
//! operator's own arithmetic, and are what the page says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use presign_operator::domain::Validity;
use presign_operator::domain::request::Overlap;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
/// For what nobody thought of.
const MARGIN: u32 = MINUTE;

/// kubelet's sync period, and the longest time from reading a URL to the start of the last
/// request with it, in seconds.
const CASES: [(u32, u32); 7] = [
    (MINUTE, 30),
    (MINUTE, 5 * MINUTE),
    (MINUTE, HOUR),
    (MINUTE, 6 * HOUR),
    (10, 30),
    (5 * MINUTE, 30),
    (5 * MINUTE, HOUR),
];

/// kubelet looks at a pod again after its sync period and up to half of that more.
fn lag(sync: u32) -> u32 {
    sync + sync / 2
}

/// The overlap that a case needs, in whole minutes.
fn overlap(sync: u32, longest_use: u32) -> u32 {
    (lag(sync) + longest_use + MARGIN).next_multiple_of(MINUTE).max(3 * MINUTE)
}

/// How long a URL works that a pod reads at the worst moment: just before kubelet replaces
/// it, and with a renewal as late as the operator ever is.
fn left(sync: u32, expires_in: u32, before: u32) -> i64 {
    let validity = Validity::new(Timestamp::UNIX_EPOCH, expires_in, None).unwrap();
    assert_eq!(validity.overlap(Overlap::Seconds(before)), (before, false), "the overlap fits");
    assert!(validity.is_overlap_safe(Overlap::Seconds(before)));
    let renewal = validity.renewal_time(Overlap::Seconds(before), 0);
    validity.expiration_time().as_second() - renewal.as_second() - i64::from(lag(sync))
}

fn duration(seconds: u32) -> String {
    let parts = [(seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "m"), (seconds % MINUTE, "s")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

fn row(sync: u32, longest_use: u32) -> String {
    let before = overlap(sync, longest_use);
    let (best, least) = (before * 3, (before * 6).div_ceil(5).next_multiple_of(MINUTE));
    for expires_in in [best, least] {
        assert!(left(sync, expires_in, before) >= i64::from(longest_use));
    }
    format!(
        "| {} | {} | {} | `{}` | `{}` (`{}`) |",
        duration(sync),
        duration(lag(sync)),
        duration(longest_use),
        duration(before),
        duration(best),
        duration(least),
    )
}

#[test]
fn the_advised_lifetimes_are_computed() {
    let rows: Vec<String> = CASES.iter().map(|(sync, longest_use)| row(*sync, *longest_use)).collect();
    let table = rows.join("\n");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mounting-and-rotation.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&table), "docs/mounting-and-rotation.md should hold these rows:\n{table}");
}
