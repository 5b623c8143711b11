//! Settings of tests and benchmarks, from the environment.

use std::{any::type_name, str::FromStr};

/// The number in an environment variable, or a default if it is not set.
///
/// # Panics
/// When the variable holds something else.
pub fn number<T: FromStr>(variable: &str, default: T) -> T {
    let Ok(text) = std::env::var(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable}={text}: must be a number ({})", type_name::<T>()))
}
