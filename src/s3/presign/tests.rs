//! Where the bucket and the key are in a signed URL, what is refused, and that nothing secret is shown.

use crate::domain::policy::Requester;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn request(fields: &Value) -> Request {
    let mut spec = json!({
        "bucket": "reports",
        "key": "q3 summary.pdf",
        "s3": {"region": "us-west", "endpoint": "https://h.example/pre", "credentials": {"secretRef": {"name": "k"}}},
    });
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    Request::inline(Requester::new("team-a", "name"), &serde_json::from_value(spec).unwrap(), None).unwrap()
}

fn credentials(token: Option<&str>) -> Credentials {
    let sensitive = |text: &str| Sensitive::new(text.to_owned());
    Credentials {
        access_key_id: sensitive("AKIDKEY"),
        secret_access_key: sensitive("hidden"),
        session_token: token.map(sensitive),
        expiration: Some(Timestamp::UNIX_EPOCH),
    }
}

fn at(signing_time: &str, lifetime: u32) -> Validity {
    Validity { signing_time: signing_time.parse().unwrap(), lifetime }
}

fn presign(fields: &Value, token: Option<&str>, validity: Validity) -> Result<String, PresignError> {
    let signed = UrlSigner::default().presign(&request(fields), &credentials(token), validity)?;
    Ok(signed.url.expose().clone())
}

#[test]
fn the_time_of_day_plays_no_part() {
    for time in ["1970-01-01T00:00:00Z", "2001-02-03T04:05:06Z", "9999-01-01T00:00:00Z"] {
        let url = presign(&json!({}), Some("token"), at(time, 60)).unwrap();
        assert_eq!(presign(&json!({}), Some("token"), at(time, 60)).unwrap(), url);
        assert!(url.starts_with("https://h.example/pre/reports/q3%20summary.pdf?X-Amz-Algorithm="), "{url}");
    }
}

#[test]
fn signs_every_parameter_and_header() {
    let fields = json!({
        "method": "PUT",
        "headers": {"Content-Length": "5", "x-amz-meta-a": "two  spaces"},
        "query": {"partNumber": "7", "uploadId": "a+b/c=", "x-tag": ""},
    });
    let url = presign(&fields, Some("t/é+="), at("2030-01-02T03:04:05Z", 604_800)).unwrap();
    for part in [
        "?partNumber=7&uploadId=a%2Bb%2Fc%3D&x-tag=&",
        "&X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-meta-a&",
        "&X-Amz-Security-Token=t%2F%C3%A9%2B%3D",
        "&X-Amz-Expires=604800&",
    ] {
        assert!(url.contains(part), "{url}");
    }
    assert!(!url.contains("x-id"));
}

#[test]
fn a_key_of_white_space_is_a_key() {
    for (key, encoded) in [(" ", "%20"), ("\u{a0}\u{2003}", "%C2%A0%E2%80%83")] {
        let url = presign(&json!({"key": key}), None, at("2030-01-02T03:04:05Z", 60)).unwrap();
        assert!(url.starts_with(&format!("https://h.example/pre/reports/{encoded}?X-Amz-")), "{url}");
    }
}

#[test]
fn the_bucket_stands_where_it_was_asked_for() {
    let aws = |bucket: &str, style: &str| {
        json!({"bucket": bucket, "s3": {"region": "eu-central-1", "addressingStyle": style,
            "credentials": {"secretRef": {"name": "k"}}}})
    };
    let point = "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-point";
    for (bucket, style, expected) in [
        ("reports", "Auto", "https://reports.s3.eu-central-1.amazonaws.com/q3"),
        ("reports", "Path", "https://s3.eu-central-1.amazonaws.com/reports/q3"),
        ("re.ports", "Auto", "https://s3.eu-central-1.amazonaws.com/re.ports/q3"),
        (point, "Auto", "https://my-point-123456789012.s3-accesspoint.eu-central-1.amazonaws.com/q3"),
    ] {
        let url = presign(&aws(bucket, style), None, at("2030-01-02T03:04:05Z", 60)).unwrap();
        assert!(url.starts_with(expected), "{url}");
    }
}

#[test]
fn a_bucket_endpoint_is_signed_as_the_host_of_a_bucket() {
    let spec = |endpoint: &str, style: &str, key: &str| {
        json!({"key": key, "s3": {"region": "us-west", "endpoint": endpoint, "addressingStyle": style,
            "credentials": {"secretRef": {"name": "k"}}}})
    };
    let now = at("2030-01-02T03:04:05Z", 60);
    for key in ["q3 summary.pdf", "reports/a", " "] {
        let own = presign(&spec("https://reports.h.example", "BucketEndpoint", key), None, now).unwrap();
        let host = presign(&spec("https://h.example", "VirtualHosted", key), None, now).unwrap();
        assert_eq!(own, host);
        let below = spec("http://[::1]:9000/pre/reports", "BucketEndpoint", key);
        let below = presign(&below, None, now).unwrap();
        let expected = format!("http://[::1]:9000/pre/reports/{}?", super::super::encode::path(key));
        assert!(below.starts_with(&expected), "{below}");
    }
}

#[test]
fn refuses_what_cannot_be_signed_and_shows_no_secret() {
    let now = "2030-01-02T03:04:05Z";
    let punycode = json!({"bucket": "xn--a", "s3": {"region": "r", "endpoint": "https://h.example",
        "addressingStyle": "VirtualHosted", "credentials": {"secretRef": {"name": "k"}}}});
    let long = "hidden".repeat(20_000);
    for (fields, token, validity, expected) in [
        (json!({}), None, at(now, 0), "a lifetime of 0 seconds"),
        (json!({}), None, at(now, 604_801), "a lifetime of 604801 seconds"),
        (json!({}), None, at("1969-12-31T23:59:59Z", 60), "before 1970"),
        (json!({}), Some(long.as_str()), at(now, 60), "the URL would have"),
        (punycode, None, at(now, 60), "clients would change the address"),
    ] {
        let message = presign(&fields, token, validity).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("hidden") && !message.contains("AKIDKEY"), "{message}");
    }
}

#[test]
fn a_region_that_the_sdk_takes_for_another_is_noticed() {
    // No valid spec has this region. The test sets it directly, to check the signer alone.
    let mut request = request(&json!({}));
    request.connection.region = "aws-global".to_owned();
    let refused = UrlSigner::default().presign(&request, &credentials(None), at("2030-01-02T03:04:05Z", 60));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("signed another X-Amz-Credential"), "{message}");
}

#[test]
fn an_access_point_is_signed_for_in_its_own_region_alone() {
    // No valid spec has this region. The test sets it directly, to check the signer alone.
    let mut request = request(&json!({"bucket": "arn:aws:s3:us-east-1:123456789012:accesspoint/my-point",
        "s3": {"region": "us-east-1", "credentials": {"secretRef": {"name": "k"}}}}));
    request.connection.region = "us-east-2".to_owned();
    let refused = UrlSigner::default().presign(&request, &credentials(None), at("2030-01-02T03:04:05Z", 60));
    assert!(refused.unwrap_err().to_string().contains("set region to us-east-1"));
}

#[test]
fn a_url_just_short_of_the_limit_is_signed() {
    let token = "é".repeat(9_800);
    assert!(presign(&json!({}), Some(&token), at("2030-01-02T03:04:05Z", 60)).unwrap().len() > 58_000);
}

#[test]
fn a_url_that_differs_is_never_returned() {
    let fields = json!({"query": {"x-tag": "a"}, "headers": {"If-Match": "b"}});
    let (request, credentials) = (request(&fields), credentials(Some("token")));
    let validity = at("2030-01-02T03:04:05Z", 60);
    let expected = Expected::new(&request, &credentials, validity).unwrap();
    let url = presign(&fields, Some("token"), validity).unwrap();
    assert_eq!(expected.check(&request, &url), Ok(()));
    for (from, to, part) in [
        ("https://h.", "http://h.", "address"),
        ("https://h.", "https://reports.h.", "address"),
        ("/pre/", "/", "address"),
        ("/reports/", "/", "address"),
        ("q3%20", "q3+", "address"),
        ("x-tag=a&", "", "x-tag"),
        ("x-tag=a&", "x-tag=a&x-tag=a&", "x-tag"),
        ("x-tag=a&", "x-tag=a&x-id=GetObject&", "x-id"),
        ("us-west%2F", "us-east%2F", "X-Amz-Credential"),
        ("20300102T03", "20300102T04", "X-Amz-Date"),
        ("Expires=60", "Expires=61", "X-Amz-Expires"),
        ("host%3B", "", "X-Amz-SignedHeaders"),
        ("Token=token", "Token=other", "X-Amz-Security-Token"),
        ("X-Amz-Signature=", "X-Amz-Signature=0", "X-Amz-Signature"),
    ] {
        let changed = url.replacen(from, to, 1);
        let differs = PresignError::Differs { part: part.to_owned() };
        assert_eq!(expected.check(&request, &changed), Err(differs), "{from}");
    }
    let unsigned = url.split("&X-Amz-Signature").next().unwrap();
    assert!(expected.check(&request, unsigned).is_err());
}
