//! Random texts of the kinds that specs and Secrets are made of.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

/// Pieces of keys that have broken clients or signers.
const WEIRD: [&str; 36] = [
    " ", "  ", "+", "%", "%20", "%2F", "%25", "//", "/", "~", "-_.~", "*'()!", ";", ":", "@", "&", "=", "?",
    "#", "\"", "`", "\\", "^", "|", "[]", "{}", "<>", ",", "$", "é", "e\u{301}", "ß", "日本", "😀",
    "\u{200b}", "\u{a0}",
];

/// 1 to 1024 bytes, no control character, no `.` or `..` between slashes.
pub(crate) fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[A-Za-z0-9._-]{1,8}",
        3 => prop::sample::select(WEIRD.to_vec()).prop_map(str::to_owned),
        1 => printable().prop_map(String::from),
    ];
    let long = prop_oneof![9 => 1..12_usize, 1 => 200..400_usize];
    long.prop_flat_map(move |count| vec(piece.clone(), 1..=count)).prop_map(|pieces| {
        let mut key = pieces.concat();
        let end = (0..=1024.min(key.len())).rev().find(|end| key.is_char_boundary(*end));
        key.truncate(end.unwrap_or_default());
        let segment = |segment: &str| if matches!(segment, "." | "..") { "..." } else { segment }.to_owned();
        let key = key.split('/').map(segment).collect::<Vec<_>>().join("/");
        if key.len() > 1024 { "k".repeat(1024) } else { key }
    })
}

/// Any text without control characters.
pub(crate) fn text(length: Range<usize>) -> impl Strategy<Value = String> {
    let character =
        prop_oneof![2 => "[ -~]".prop_map(|text| text.chars().next().unwrap_or('a')), 1 => printable()];
    vec(character, length).prop_map(|characters| characters.into_iter().collect())
}

/// A text that survives the trimming of Secrets, without the characters that are refused there.
pub(crate) fn token(length: Range<usize>) -> impl Strategy<Value = String> {
    // Hangul fillers are letters that nobody sees.
    let is_visible =
        |c: &char| c.is_ascii() || (c.is_alphanumeric() && !"\u{115f}\u{1160}\u{3164}\u{ffa0}".contains(*c));
    text(length)
        .prop_map(move |text| format!("T{}+/=", text.trim().chars().filter(is_visible).collect::<String>()))
}

/// Visible ASCII, with any number of spaces inside.
pub(crate) fn header_value() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), "[!-~]{1,20}", "[!-~]([ -~]{0,30}[!-~])?", "[!-~]{1,3} {2,4}[!-~]{1,3}"]
}

fn printable() -> impl Strategy<Value = char> {
    any::<char>().prop_map(|c| if c.is_control() { 'ß' } else { c })
}
