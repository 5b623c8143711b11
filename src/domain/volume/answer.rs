//! Reads what the signing service answered, and checks it before it is written to a volume.
//!
//! The answer comes from the network, and a driver writes as root: only what the driver itself could have
//! written is accepted.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    SignedVolume, SigningAnswer, SigningRefusal, VolumeFailure, VolumeFile, VolumeReason, VolumeTimes,
};
use crate::crd::names::{DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD, DATA_URL};

/// The names that files can have.
const FILES: [&str; 6] = [DATA_URL, DATA_METHOD, DATA_HEADERS, DATA_FIELDS, DATA_FORM, DATA_EXPIRES_AT];
/// The longest file, in bytes. A header has at most 2 KiB, and a URL at most 32 of them.
const MAX_FILE: usize = 256 * 1024;
/// The longest lifetime of a URL.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How much the clock of the operator may differ from that of the node.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(300);
/// How much of a message is shown, in characters.
const MAX_MESSAGE: usize = 1024;

/// The URLs in the body of an answer with status 200. `names` are the names of the URLs that were asked for.
///
/// # Errors
/// When the answer is not one that the driver could have given.
pub fn answered(body: &[u8], names: &[&str], now: Timestamp) -> Result<SignedVolume, VolumeFailure> {
    let answer: SigningAnswer =
        serde_json::from_slice(body).map_err(|_| unexpected("it is not the JSON of signed URLs"))?;
    let mut signed = SignedVolume::from(answer);
    check_files(&signed.files, names)?;
    signed.times = times(signed.times, now)?;
    Ok(signed)
}

/// Why the URLs were not signed, by the status and the body of an answer.
#[must_use]
pub fn refused(status: u16, body: &[u8]) -> VolumeFailure {
    let is_overload = matches!(status, 429 | 503);
    let Ok(refusal) = serde_json::from_slice::<SigningRefusal>(body) else {
        let message = format!(
            "--signing-service answers with HTTP {status} and not as the signing service of the operator: correct the address, or look at what is in between"
        );
        return if is_overload || status == 408 || status >= 500 {
            VolumeFailure::temporary(VolumeReason::SigningServiceUnavailable, message)
        } else {
            VolumeFailure::lasting(VolumeReason::InternalError, message)
        };
    };
    let mut failure = VolumeFailure::from(refusal);
    failure.message = shown(&failure.message);
    if failure.message.is_empty() {
        failure.message = format!("the signing service refuses without a reason (HTTP {status})");
    }
    failure.is_temporary |= is_overload;
    failure
}

/// A message that can be shown in an event: one line of bounded length.
fn shown(message: &str) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let all: String = message.chars().map(plain).take(MAX_MESSAGE).collect();
    all.trim().to_owned()
}

fn check_files(files: &[VolumeFile], names: &[&str]) -> Result<(), VolumeFailure> {
    let mut seen = BTreeSet::new();
    for VolumeFile { folder, name, content } in files {
        let url = match folder.as_deref() {
            None => "",
            Some("") => return Err(unexpected("a folder has no name")),
            Some(folder) => folder,
        };
        if !names.contains(&url) {
            return Err(unexpected("it has a URL that was not asked for"));
        }
        if !FILES.contains(&name.as_str()) {
            return Err(unexpected("it has a file with another name"));
        }
        if !seen.insert((url, name.as_str())) {
            return Err(unexpected("it has a file twice"));
        }
        let content = content.expose();
        if content.len() > MAX_FILE {
            return Err(unexpected("a file is too long"));
        }
        if name == DATA_URL && !is_url(content) {
            return Err(unexpected("the content of a file is not a URL"));
        }
    }
    let has_all = names
        .iter()
        .all(|name| [DATA_URL, DATA_EXPIRES_AT].into_iter().all(|file| seen.contains(&(*name, file))));
    if has_all { Ok(()) } else { Err(unexpected("a URL, or when it expires, is missing")) }
}

fn is_url(text: &str) -> bool {
    let has_scheme = ["https://", "http://"].into_iter().any(|scheme| text.starts_with(scheme));
    has_scheme && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The times of an answer, by the clock of the node. The next renewal is always later than now, so that a
/// difference of the clocks never makes the driver ask again at once.
fn times(times: VolumeTimes, now: Timestamp) -> Result<VolumeTimes, VolumeFailure> {
    let VolumeTimes { signing_time, renewal_time, expiration_time } = times;
    if !(signing_time <= renewal_time && renewal_time <= expiration_time) {
        return Err(unexpected("its times are not in order"));
    }
    if expiration_time.duration_since(signing_time) > MAX_LIFETIME {
        return Err(unexpected("a URL lives longer than 7 days"));
    }
    if signing_time.duration_since(now).abs() > MAX_SKEW {
        return Err(VolumeFailure::temporary(
            VolumeReason::InternalError,
            "the clocks of the node and of the operator differ by more than 5 minutes: synchronize them (NTP)",
        ));
    }
    let left = expiration_time.duration_since(now);
    if left <= SignedDuration::ZERO {
        return Err(unexpected("its URLs have expired"));
    }
    let renewal_time =
        if renewal_time > now { renewal_time } else { now.checked_add(left / 2).unwrap_or(expiration_time) };
    Ok(VolumeTimes { renewal_time, ..times })
}

fn unexpected(problem: &str) -> VolumeFailure {
    VolumeFailure::lasting(
        VolumeReason::InternalError,
        format!(
            "the answer of the signing service cannot be used ({problem}): check that the operator and the driver have the same version"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::model::at;

    /// An answer with two files for each URL, signed at 1000 for 900 seconds.
    fn answer(names: &[&str]) -> Value {
        let file = |name: &&str, file: &str, content: &str| {
            let folder = Some(*name).filter(|name| !name.is_empty());
            json!({"folder": folder, "name": file, "content": content})
        };
        let each = |name: &&str| {
            [
                file(name, "url", "https://store.example/a?b=c"),
                file(name, "expires-at", "1970-01-01T00:31:40Z"),
            ]
        };
        json!({
            "files": names.iter().flat_map(each).collect::<Vec<_>>(),
            "signingTime": at(1000), "renewalTime": at(1600), "expirationTime": at(1900),
        })
    }

    fn read(value: &Value, names: &[&str], now: i64) -> Result<SignedVolume, VolumeFailure> {
        answered(value.to_string().as_bytes(), names, at(now))
    }

    #[test]
    fn an_answer_that_fits_the_question_is_taken() {
        let signed = read(&answer(&[""]), &[""], 1001).unwrap();
        assert_eq!((signed.files.len(), &signed.files[0].folder), (2, &None));
        let expected =
            VolumeTimes { signing_time: at(1000), renewal_time: at(1600), expiration_time: at(1900) };
        assert_eq!(signed.times, expected);
        let mut longest = answer(&[""]);
        longest["files"][0]["content"] = json!(format!("https://{}", "x".repeat(MAX_FILE - 8)));
        longest["expirationTime"] = json!(at(1000 + 7 * 86400));
        assert!(read(&longest, &[""], 1001).is_ok());
        let signed = read(&answer(&["in", "out"]), &["in", "out"], 1001).unwrap();
        let folders: Vec<_> = signed.files.iter().map(|file| file.folder.as_deref().unwrap()).collect();
        assert_eq!(folders, ["in", "in", "out", "out"]);
    }

    #[test]
    fn an_answer_that_the_driver_could_not_have_given_is_refused() {
        let changes: [(&str, fn(&mut Value), &str); 16] = [
            ("/files/0/name", |value| *value = json!("../url"), "another name"),
            ("/files/0/name", |value| *value = json!("..data"), "another name"),
            ("/files/0/name", |value| *value = json!("shadow"), "another name"),
            ("/files/0/name", |value| *value = json!("method"), "is missing"),
            ("/files/1/name", |value| *value = json!("method"), "is missing"),
            ("/files/1/name", |value| *value = json!("url"), "twice"),
            ("/files/0/folder", |value| *value = json!("../.."), "not asked for"),
            ("/files/0/folder", |value| *value = json!("in"), "not asked for"),
            ("/files/0/folder", |value| *value = json!(""), "no name"),
            ("/files/0/content", |value| *value = json!(""), "not a URL"),
            ("/files/0/content", |value| *value = json!("https://a\nb"), "not a URL"),
            ("/files/0/content", |value| *value = json!("file:///etc/passwd"), "not a URL"),
            ("/files/0/content", |value| *value = json!("x".repeat(MAX_FILE + 1)), "too long"),
            ("/renewalTime", |value| *value = json!(at(999)), "order"),
            ("/expirationTime", |value| *value = json!(at(1599)), "order"),
            ("/expirationTime", |value| *value = json!(at(1001 + 7 * 86400)), "7 days"),
        ];
        for (place, change, said) in changes {
            let mut value = answer(&[""]);
            change(value.pointer_mut(place).unwrap());
            let failure = read(&value, &[""], 1000).unwrap_err();
            assert_eq!((failure.reason, failure.is_temporary), (VolumeReason::InternalError, false));
            assert!(failure.message.contains(said), "{place}: {failure}");
        }
        let failure = read(&answer(&["in"]), &["in", "out"], 1000).unwrap_err();
        assert!(failure.message.contains("is missing"), "{failure}");
        assert!(read(&answer(&[""]), &["in"], 1000).is_err());
        assert!(read(&json!({"files": []}), &[""], 1000).unwrap_err().message.contains("JSON"));
    }

    #[test]
    fn clocks_that_differ_delay_a_renewal_and_never_repeat_it() {
        let renewal = |now| read(&answer(&[""]), &[""], now).map(|signed| signed.times.renewal_time);
        assert_eq!(renewal(700), Ok(at(1600)), "the operator is ahead");
        assert_eq!(renewal(1300), Ok(at(1600)), "the node is ahead");
        for now in [699, 1301] {
            let failure = renewal(now).unwrap_err();
            assert!(failure.is_temporary && failure.message.contains("clocks"), "{failure:?}");
        }
        let mut brief = answer(&[""]);
        brief["renewalTime"] = json!(at(1060));
        brief["expirationTime"] = json!(at(1100));
        assert_eq!(read(&brief, &[""], 1060).unwrap().times.renewal_time, at(1080));
        assert_eq!(read(&brief, &[""], 1080).unwrap().times.renewal_time, at(1090));
        assert!(read(&brief, &[""], 1100).unwrap_err().message.contains("expired"));
    }

    #[test]
    fn a_refusal_is_shown_in_one_line_of_bounded_length() {
        let body = |reason: &str, message: &str, is_temporary: bool| {
            json!({"reason": reason, "message": message, "isTemporary": is_temporary}).to_string()
        };
        let failure = refused(403, body("NotPermitted", "no\u{1b}[31m\nrule", false).as_bytes());
        assert_eq!((failure.reason, failure.is_temporary), (VolumeReason::NotPermitted, false));
        assert_eq!(failure.message, "no [31m rule");
        let failure = refused(403, body("Unheard", &"é".repeat(5000), true).as_bytes());
        assert_eq!((failure.reason, failure.is_temporary), (VolumeReason::InternalError, true));
        assert_eq!(failure.message.chars().count(), MAX_MESSAGE);
        assert!(refused(403, body("NotPermitted", "\n", false).as_bytes()).message.contains("HTTP 403"));
        for (status, is_temporary) in
            [(301, false), (400, false), (404, false), (408, true), (429, true), (500, true), (503, true)]
        {
            let failure = refused(status, b"<html>");
            assert_eq!(failure.is_temporary, is_temporary, "{status}");
            assert!(failure.message.contains(&format!("HTTP {status}")), "{failure}");
        }
        for status in [429, 503] {
            assert!(refused(status, body("InternalError", "x", false).as_bytes()).is_temporary);
        }
    }
}
