//! Tests of `reading`.

use super::super::url_text::tests::URL;
use super::*;
use crate::plugin::working_time::UrlState;

const TOKEN: &str = "e30.eyJleHAiOjE4OTM1NTM0NDUsInBhcmVudCI6ImEifQ.c2ln";

fn reading(text: &str, now: &str) -> UrlReading {
    UrlReading::of(&UrlText::read(text).unwrap(), now.parse().unwrap()).unwrap()
}

#[test]
fn tells_object_dates_and_scope() {
    let read = reading(URL, "2030-01-02T03:30:00Z");
    assert_eq!((read.bucket.as_deref(), read.key.as_str()), (Some("reports"), "2026/q3 summary.pdf"));
    assert_eq!(read.works.signing_time.to_string(), "2030-01-02T03:04:05Z");
    assert_eq!(read.works.expiration_time.to_string(), "2030-01-02T04:04:05Z");
    assert_eq!((read.region.as_str(), read.service.as_str()), ("us-west-2", "s3"));
    assert_eq!((read.works.state, read.works.session, read.notes.len()), (UrlState::Valid, None, 0));
}

#[test]
fn finds_the_bucket_in_the_host() {
    for (host, bucket, key) in [
        ("reports.s3.us-west-2.amazonaws.com", Some("reports"), "reports/2026/q3 summary.pdf"),
        ("a.b.s3.amazonaws.com", Some("a.b"), "reports/2026/q3 summary.pdf"),
        ("s3-us-west-2.amazonaws.com", Some("reports"), "2026/q3 summary.pdf"),
        ("minio.example:9000", Some("reports"), "2026/q3 summary.pdf"),
    ] {
        let read = reading(&URL.replace("s3.us-west-2.amazonaws.com", host), "2030-01-02T03:30:00Z");
        assert_eq!((read.bucket.as_deref(), read.key.as_str()), (bucket, key), "{host}");
    }
    let one = reading(&URL.replace("/reports/2026/q3%20summary.pdf", "/a.txt"), "2030-01-02T03:30:00Z");
    assert_eq!((one.bucket, one.key.as_str()), (None, "a.txt"));
}

#[test]
fn tells_whether_it_works_now_and_with_which_session() {
    let session = URL.replace("&X-Amz-Signature", &format!("&X-Amz-Security-Token={TOKEN}&X-Amz-Signature"));
    for (text, now, state) in [
        (URL, "2030-01-02T04:04:04Z", UrlState::Valid),
        (URL, "2030-01-02T04:04:05Z", UrlState::Expired),
        (URL, "2030-01-02T02:49:05Z", UrlState::Valid),
        (URL, "2030-01-02T02:49:04Z", UrlState::NotYetValid),
        (&session, "2030-01-02T03:04:04Z", UrlState::Valid),
        (&session, "2030-01-02T03:04:05Z", UrlState::SessionEnded),
    ] {
        assert_eq!(reading(text, now).works.state, state, "{now}");
    }
    let read = reading(&session, "2030-01-02T03:30:00Z").works.session.unwrap();
    assert_eq!(read.expiration_time.unwrap().to_string(), "2030-01-02T03:04:05Z");
    assert_eq!(read.claims, ["exp", "parent"]);
}

#[test]
fn shows_neither_signature_nor_token_nor_key_id_nor_hidden_parameters() {
    let text = URL.replace(
        "&X-Amz-Signature",
        &format!(
            "&X-Amz-Security-Token={TOKEN}&uploadId=hidden&response-content-type=text%2Fplain&X-Amz-Signature"
        ),
    );
    let now = "2030-01-02T03:30:00Z".parse().unwrap();
    let read = reading(&text, "2030-01-02T03:30:00Z");
    let from = FromSecret { method: Some("GET".to_owned()), headers: Vec::new() };
    let shown =
        [read.tree(&from, now, Paint { is_on: false }).render(), serde_json::to_string(&read).unwrap()];
    for shown in shown {
        for hidden in ["0123456789abcdef", "AKIAEXAMPLE", "eyJleHAi", "hidden"] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        assert!(shown.contains("response-content-type=text/plain"), "{shown}");
    }
}

#[test]
fn says_which_value_cannot_be_read() {
    for (from, to, name) in [
        ("T030405Z", "", "X-Amz-Date"),
        ("=3600", "=x", "X-Amz-Expires"),
        ("%2Fus-west-2%2Fs3", "", "X-Amz-Credential"),
    ] {
        let url = UrlText::read(&URL.replace(from, to)).unwrap();
        let error = UrlReading::of(&url, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error, NotPresigned::BadValue(name));
    }
}
