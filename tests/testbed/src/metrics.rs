//! What a page of metrics says.

use std::str::FromStr;

/// The value of a series, such as `name{label="value"}`; `None` if the page has none, or no number of this type.
pub fn sample<T: FromStr>(page: &str, series: &str) -> Option<T> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}
