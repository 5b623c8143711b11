//! Rows about lifetimes and renewal.

use presign_operator::crd::rules::{BEFORE_FORM, BEFORE_SHORTER, EXPIRES_FORM, EXPIRES_RANGE, RENEWAL_ONE};
use serde_json::{Value, json};

use super::{Row, at, each, limit, rule};

/// More than 292 years, where CEL's durations end.
const AGES: &str = "999999h999999h999999h";

pub fn rows() -> Vec<Row> {
    let before = |before: &str, lifetime: &str| json!({"expiresIn": lifetime, "renewal": {"before": before}});
    let share = |percentage: Value| json!({"renewal": {"beforePercentage": percentage}});
    [
        rule(
            EXPIRES_FORM,
            &each("expiresIn", ["1h30m", "90m", "30m1h", "1m1m1m", "000090m"]),
            &each(
                "expiresIn",
                [
                    "3600", "+3600", "1.5h", "1d", "-1h", "1H", " 1h", "1h ", "1 h", "h1", "1h30", "1hm",
                    "１h", "1000000s", "1h\n", "PT1H", "1ms", "1us",
                ],
            ),
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
        rule(
            BEFORE_FORM,
            &each("renewal.before", ["20m", "1s", "000001s"]),
            &each("renewal.before", ["0s", "0h0m0s", "20", "-5m", "1.5m", "20m ", "20M"]),
        ),
        rule(
            BEFORE_SHORTER,
            &[
                at("renewal.before", json!("59m59s")),
                before("59s", "1m"),
                before("119m", "2h"),
                before("60s", "61s"),
            ],
            &[
                at("renewal.before", json!("1h")),
                before("1m", "1m"),
                before("60s", "1m"),
                before("120m", "2h"),
                before("168h", "168h"),
                before("1000h", "168h"),
                before(AGES, "2h"),
                at("renewal.before", json!(AGES)),
            ],
        ),
        limit(
            &[],
            &[each("renewal.before", ["", "m"]), vec![at("renewal.before", json!("0s".repeat(17)))]].concat(),
        ),
        rule(
            RENEWAL_ONE,
            &[json!({"renewal": {}}), json!({"renewal": {"before": "20m"}}), share(json!(50))],
            &[json!({"renewal": {"before": "20m", "beforePercentage": 50}})],
        ),
        limit(
            &[share(json!(1)), share(json!(80))],
            &[json!(0), json!(81), json!(-1), json!(1.5), json!("50"), json!(4_294_967_297_i64)].map(share),
        ),
    ]
    .concat()
}
