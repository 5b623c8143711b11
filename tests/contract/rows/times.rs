//! Rows about lifetimes and renewal.

use crate::crd::rules::{
    BEFORE_DAYS, BEFORE_FITS, BEFORE_FORM, BEFORE_NEVER, BEFORE_NUMBER, BEFORE_ONE, EXPIRES_DAYS,
    EXPIRES_FORM, EXPIRES_NUMBER, EXPIRES_RANGE, TTL_FORM, TTL_NEVER,
};
use serde_json::{Value, json};

use super::{Row, at, each, limit, rule};

/// More than 292 years, where CEL's durations end.
const AGES: &str = "999999h999999h999999h";

pub fn rows() -> Vec<Row> {
    [lifetimes(), overlaps(), ends()].concat()
}

fn lifetimes() -> Vec<Row> {
    [
        rule(
            EXPIRES_FORM,
            &each("expiresIn", ["1h30m", "90m", "30m1h", "1m1m1m", "000090m"]),
            &each(
                "expiresIn",
                [
                    "++3600", "-3600", "1.5h", "1D", "-1h", "1H", " 1h", "1h ", "1 h", "h1", "1h30", "1hm",
                    "１h", "1000000s", "1h\n", "PT1H", "1ms", "1us", "+1d", "dd", "1dd", "1day", "1d ",
                    "3600\n",
                ],
            ),
        ),
        rule(
            EXPIRES_NUMBER,
            &each("expiresIn", ["3600s"]),
            &each("expiresIn", ["3600", "+3600", "00", "+1"]),
        ),
        rule(
            EXPIRES_DAYS,
            &each("expiresIn", ["24h"]),
            &each("expiresIn", ["1d", "8d", "0d", "1w", "1d12h", "1h2d3m", "9999999d", "h1d", "1d1d", "1d2"]),
        ),
        rule(
            EXPIRES_RANGE,
            &each("expiresIn", ["1m", "60s", "168h", "604800s", "167h60m", "0h1m", "10080m", "000168h"]),
            &each(
                "expiresIn",
                [
                    "59s",
                    "0s",
                    "0h0m0s",
                    "169h",
                    "604801s",
                    "168h1s",
                    "999h",
                    "1000h",
                    "000000h",
                    "999999h",
                    "999999h999999h",
                    AGES,
                ],
            ),
        ),
        limit(
            &[at("expiresIn", json!(format!("1h{}", "0s".repeat(15))))],
            &[
                each("expiresIn", ["", "1", "h"]),
                vec![at("expiresIn", json!(format!("1h{}", "0s".repeat(16))))],
            ]
            .concat(),
        ),
    ]
    .concat()
}

fn overlaps() -> Vec<Row> {
    let before = |before: &str, lifetime: &str| json!({"expiresIn": lifetime, "renewBefore": before});
    let share = |percentage: Value| json!({"renewBeforePercentage": percentage});
    [
        rule(
            BEFORE_FORM,
            &each("renewBefore", ["20m", "1s", "000001s"]),
            &each("renewBefore", ["0s", "0h0m0s", "-5m", "1.5m", "20m ", "20M", "1D"]),
        ),
        rule(BEFORE_NUMBER, &each("renewBefore", ["20s"]), &each("renewBefore", ["20", "+600", "00"])),
        rule(
            BEFORE_DAYS,
            &[before("24h", "168h")],
            &each("renewBefore", ["1d", "0d", "1w", "1d12h", "1h2d"]),
        ),
        rule(
            BEFORE_FITS,
            &[
                at("renewBefore", json!("50m")),
                before("50s", "1m"),
                before("100m", "2h"),
                before("140h", "168h"),
                before("51s", "62s"),
                before("52s", "63s"),
            ],
            &[
                at("renewBefore", json!("50m1s")),
                at("renewBefore", json!("59m59s")),
                at("renewBefore", json!("1h")),
                before("51s", "1m"),
                before("51s", "61s"),
                before("52s", "62s"),
                before("60s", "1m"),
                before("101m", "2h"),
                before("140h1s", "168h"),
                before("168h", "168h"),
                before("1000h", "168h"),
                before(AGES, "2h"),
                at("renewBefore", json!(AGES)),
            ],
        ),
        limit(
            &[],
            &[each("renewBefore", ["", "m"]), vec![at("renewBefore", json!("0s".repeat(17)))]].concat(),
        ),
        rule(
            BEFORE_ONE,
            &[json!({}), json!({"renewBefore": "20m"}), share(json!(50))],
            &[json!({"renewBefore": "20m", "renewBeforePercentage": 50})],
        ),
        limit(
            &[share(json!(1)), share(json!(80))],
            &[json!(0), json!(81), json!(-1), json!(1.5), json!("50"), json!(4_294_967_297_i64)].map(share),
        ),
    ]
    .concat()
}

/// Rows about URLs that are signed once.
fn ends() -> Vec<Row> {
    let policy = "renewPolicy";
    let deleted_after = |ttl: &str| json!({"renewPolicy": "Never", "ttlAfterExpired": ttl});
    let unread = |ttl: Value| json!({"renewPolicy": "Never", "ttlAfterExpired": ttl});
    [
        rule(
            BEFORE_NEVER,
            &[
                json!({"renewPolicy": "Never"}),
                json!({"renewPolicy": "Always", "renewBefore": "20m"}),
                json!({"renewPolicy": "Always", "renewBeforePercentage": 50}),
            ],
            &[
                json!({"renewPolicy": "Never", "renewBefore": "20m"}),
                json!({"renewPolicy": "Never", "renewBeforePercentage": 50}),
            ],
        ),
        rule(
            TTL_NEVER,
            &[deleted_after("24h")],
            &[json!({"ttlAfterExpired": "24h"}), json!({"renewPolicy": "Always", "ttlAfterExpired": "24h"})],
        ),
        rule(
            TTL_FORM,
            &["0s", "90m", "1h30m", "000168h", "720h", AGES].map(deleted_after),
            &["1d", "24", "+24", "-1h", "1.5h", "24H", "24h ", " 24h", "24h\n", "1000000s", "1hm"]
                .map(deleted_after),
        ),
        limit(
            &[each(policy, ["Always", "Never"]), vec![deleted_after(&"0s".repeat(16))]].concat(),
            &[
                each(policy, ["always", "Once", ""]),
                ["", "h", &"0s".repeat(17)].map(deleted_after).to_vec(),
                [json!(86_400), json!({"hours": 24})].map(unread).to_vec(),
            ]
            .concat(),
        ),
    ]
    .concat()
}
