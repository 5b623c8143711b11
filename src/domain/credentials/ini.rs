//! Parses the `credentials` file of the AWS tools, stored under one data key.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::layouts::Present;
use super::{DataValue, FoundValues, InvalidCredentials, Reader};

/// The data keys that such files are stored under: the names that AWS and Velero use.
const KEYS: [&str; 5] = ["credentials", "config", "cloud", "aws-credentials", "aws_credentials"];
const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";
const EXPIRATION: &str = "x_security_token_expires";
const SETTINGS: [&str; 4] = [ID, SECRET, TOKEN, EXPIRATION];
const DEFAULT: &str = "default";

/// The settings of a profile that belong to its access key.
type Profile<'a> = BTreeMap<&'static str, &'a str>;

/// The access keys in the files of a Secret. A file of another format, or without an access key, is
/// skipped. If a profile is named, only its access key counts.
pub(super) fn profiles<'a>(reader: &Reader<'a>, name: Option<&'a str>) -> impl Iterator<Item = Present<'a>> {
    let reader = *reader;
    KEYS.into_iter().filter_map(move |key| {
        let text = std::str::from_utf8(&reader.data.get(key)?.0).ok()?;
        let lines: Vec<IniLine<'a>> = text.lines().map(IniLine::read).collect::<Option<_>>()?;
        let lines = match name {
            Some(name) => of_profile(lines, name),
            None => lines,
        };
        let is_key = |line: &IniLine<'_>| matches!(line, IniLine::Setting(ID | SECRET, _));
        lines.iter().any(is_key).then(|| Present { key, found: found(&reader, key, lines) })
    })
}

/// One line of a file.
enum IniLine<'a> {
    Profile(&'a str),
    Setting(&'static str, &'a str),
    Other,
}

impl<'a> IniLine<'a> {
    /// Parses a line; `None` when it cannot be part of such a file.
    fn read(line: &'a str) -> Option<Self> {
        // Some editors put a byte order mark before the first line.
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Some(Self::Other);
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.split_once(']')?.0.trim();
            return Some(Self::Profile(without_prefix(name)));
        }
        let (name, value) = line.split_once('=')?;
        let is_name = |known: &&str| known.eq_ignore_ascii_case(name.trim());
        let setting = SETTINGS.into_iter().find(is_name);
        Some(setting.map_or(Self::Other, |setting| Self::Setting(setting, without_comment(value))))
    }
}

/// Removes a comment, which begins with white space and a comment sign.
fn without_comment(value: &str) -> &str {
    let ends = [" #", " ;", "\t#", "\t;"].into_iter().filter_map(|sign| value.find(sign));
    value[..ends.min().unwrap_or(value.len())].trim()
}

fn found<'a>(
    reader: &Reader<'a>,
    key: &'static str,
    lines: Vec<IniLine<'a>>,
) -> Result<FoundValues<'a>, InvalidCredentials> {
    let value = |field, text: &'a str| DataValue { key, field, bytes: Cow::Borrowed(text.as_bytes()) };
    let profile = choose(lines).map_err(|problem| reader.bad(&value(None, ""), problem))?;
    let setting = |name| profile.get(name).map(|text| value(Some(name), text));
    let missing = |name| reader.bad(&value(Some(name), ""), "is missing in the profile: add it");
    Ok(FoundValues {
        id: setting(ID).ok_or_else(|| missing(ID))?,
        secret: setting(SECRET).ok_or_else(|| missing(SECRET))?,
        token: setting(TOKEN),
        expiration: setting(EXPIRATION),
    })
}

/// The lines of one profile.
fn of_profile<'a>(lines: Vec<IniLine<'a>>, name: &str) -> Vec<IniLine<'a>> {
    let name = without_prefix(name);
    let mut is_inside = false;
    let is_of_it = |line: &IniLine<'_>| {
        if let IniLine::Profile(found) = line {
            is_inside = *found == name;
        }
        is_inside
    };
    lines.into_iter().filter(is_of_it).collect()
}

/// The name of a profile without the word that `config` files put before it.
fn without_prefix(name: &str) -> &str {
    name.strip_prefix("profile ").map_or(name, str::trim)
}

/// Chooses the profile `default`, or else the only one with an access key.
fn choose(lines: Vec<IniLine<'_>>) -> Result<Profile<'_>, &'static str> {
    let mut profiles: BTreeMap<&str, Profile<'_>> = BTreeMap::new();
    let mut current = None;
    for line in lines {
        match (line, current) {
            (IniLine::Other, _) => {}
            (IniLine::Profile(name), _) => current = Some(name),
            (IniLine::Setting(..), None) => {
                return Err("has an access key above the first profile: write [default] above it");
            }
            (IniLine::Setting(setting, value), Some(name)) => {
                if profiles.entry(name).or_default().insert(setting, value).is_some() {
                    return Err("has a setting twice in one profile: keep one");
                }
            }
        }
    }
    profiles.retain(|_, profile| profile.contains_key(ID) || profile.contains_key(SECRET));
    if let Some(profile) = profiles.remove(DEFAULT) {
        return Ok(profile);
    }
    let count = profiles.len();
    profiles
        .into_values()
        .next()
        .filter(|_| count == 1)
        .ok_or("has several profiles, and none is named default: choose one with spec.s3.credentials.secretRef.profile")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Profile<'_>, &'static str> {
        choose(text.lines().map(|line| IniLine::read(line).unwrap()).collect())
    }

    #[test]
    fn takes_the_default_or_the_only_profile() {
        let key =
            |name: &str| format!("[{name}]\naws_access_key_id={name}\naws_secret_access_key = s = #x # c\n");
        for (text, expected) in [
            (key("default"), Ok("default")),
            (key("other"), Ok("other")),
            (key("profile other"), Ok("profile other")),
            (key("a") + &key("default"), Ok("default")),
            (key("a") + "[default]\nregion = us-east-1\ns3 =\n  max_queue_size = 3\n; end", Ok("a")),
            (key("a") + &key("b"), Err("has several profiles")),
            (key("a") + &key("a"), Err("has a setting twice")),
            ("aws_access_key_id = x\n".to_owned(), Err("has an access key above")),
        ] {
            match (chosen(&text), expected) {
                (Ok(profile), Ok(id)) => assert_eq!((profile[ID], profile[SECRET]), (id, "s =")),
                (Err(problem), Err(expected)) => assert!(problem.starts_with(expected), "{problem}"),
                (chosen, expected) => panic!("{text}: {chosen:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn names_are_taken_in_either_case_and_other_files_are_none() {
        let profile =
            chosen("\u{feff}[ default ]\r\n AWS_Access_Key_ID = x\r\nAWS_SESSION_TOKEN=t;u\r\n").unwrap();
        assert_eq!((profile[ID], profile[TOKEN]), ("x", "t;u"));
        for line in ["storage:", "aws_access_key_id: x", "{", "[default"] {
            assert!(IniLine::read(line).is_none(), "{line}");
        }
    }
}
