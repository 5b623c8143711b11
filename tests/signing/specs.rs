//! Random specs that must be accepted, with credentials and times to sign them with.
//!
//! Valid by construction, never by asking the code under test.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::crd::{
    AddressingStyle, AwsOptions, CredentialsSecretRef, CredentialsSource, Method, PresignedUrlSpec,
    ResponseOverrides, S3Connection,
};
use presign_operator::domain::Credentials;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::json;

use crate::sessions::credentials;
use crate::texts::{header_value, key, text, token};

/// As many cases as `PROPTEST_CASES` says, others in each run. A failure prints its input, and is
/// kept in a file to be tried first from then on.
pub(crate) fn profile() -> ProptestConfig {
    let failures = FileFailurePersistence::Direct("tests/regressions/signing.txt");
    let failure_persistence = Some(Box::new(failures) as _);
    ProptestConfig { failure_persistence, max_local_rejects: u32::MAX, ..ProptestConfig::default() }
}

/// A spec and all else that its URL depends on.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) spec: PresignedUrlSpec,
    pub(crate) data: BTreeMap<String, String>,
    pub(crate) signing_time: Timestamp,
}

impl Case {
    pub(crate) fn credentials(&self) -> Credentials {
        let data = self.data.iter().map(|(key, text)| (key.clone(), ByteString(text.clone().into_bytes())));
        Credentials::parse(&reference(), &data.collect()).unwrap()
    }
}

/// The reference to the Secret that holds the credentials.
pub(crate) fn reference() -> CredentialsSecretRef {
    serde_json::from_value(json!({"name": "keys"})).unwrap()
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let second = Timestamp::UNIX_EPOCH.as_second()..=253_402_207_200_i64;
    (spec(), data(), second).prop_map(|(spec, data, second)| Case {
        spec,
        data,
        signing_time: Timestamp::from_second(second).unwrap(),
    })
}

pub(crate) fn spec() -> impl Strategy<Value = PresignedUrlSpec> {
    let method = prop_oneof![Just(Method::Get), Just(Method::Head), Just(Method::Put), Just(Method::Delete)];
    let place =
        place().boxed().prop_filter("an endpoint that names the bucket too is refused", |(bucket, s3)| {
            let host = s3.endpoint.as_deref().and_then(|endpoint| endpoint.split_once("://"));
            !host.is_some_and(|(_, host)| {
                host.to_ascii_lowercase().starts_with(&format!("{}.", bucket.to_ascii_lowercase()))
            })
        });
    let key = key().prop_filter("refused", |key| !key.bytes().all(|byte| byte == b'/'));
    (place, key, method).prop_flat_map(|(place, key, method)| {
        let version =
            if method == Method::Put { Just(None).boxed() } else { option::of(text(1..20)).boxed() };
        let is_read = matches!(method, Method::Get | Method::Head);
        let response = if is_read { option::of(response()).boxed() } else { Just(None).boxed() };
        let parts = (headers(), query(method), version, response, option::of(lifetime()));
        parts.prop_map(move |(headers, query, version_id, response, expires_in)| PresignedUrlSpec {
            bucket: place.0.clone(),
            key: key.clone(),
            method: Some(method),
            version_id,
            headers: (!headers.is_empty()).then_some(headers),
            response,
            query: (!query.is_empty()).then_some(query),
            expires_in: expires_in.map(|text| text.as_str().into()),
            renew_before: None,
            renew_before_percentage: None,
            s3: Some(place.1.clone()),
            signer_ref: None,
            renew_policy: None,
            ttl_after_expired: None,
            secret: None,
            pod_refresh: None,
            suspend: None,
            form: None,
        })
    })
}

fn data() -> impl Strategy<Value = BTreeMap<String, String>> {
    let id = prop_oneof![4 => "[A-Z0-9]{16,19}", 1 => "[A-Za-z0-9_.-]{1,40}x_"];
    (id, token(1..80), option::of(token(1..400))).prop_map(|(id, secret, session)| {
        let entries =
            [("access-key-id", Some(id)), ("secret-access-key", Some(secret)), ("session-token", session)];
        let entry = |(key, value): (&str, Option<String>)| Some((key.to_owned(), value?));
        entries.into_iter().filter_map(entry).collect()
    })
}

/// A bucket and the connection that it is reached by.
fn place() -> impl Strategy<Value = (String, S3Connection)> {
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    let aws = flags.prop_map(|(dual_stack, fips)| AwsOptions { dual_stack, fips });
    let parts = (store().boxed(), option::weighted(0.3, aws), credentials().boxed());
    parts.prop_map(|((bucket, mut s3), aws, credentials)| {
        let is_refused = |aws: &AwsOptions| aws.fips == Some(true) && s3.region.starts_with("cn-");
        s3.aws = aws.filter(|aws| s3.endpoint.is_none() && !is_refused(aws));
        s3.credentials = credentials;
        (bucket, s3)
    })
}

/// A bucket and where it is.
fn store() -> impl Strategy<Value = (String, S3Connection)> {
    let plain = "[a-z0-9][a-z0-9-]{1,40}[a-z0-9]"
        .prop_filter("AWS keeps these", |b| !b.starts_with("xn--") && !b.ends_with("--x-s3"));
    let dotted = "[a-z][a-z0-9]{1,10}\\.[a-z0-9]{1,10}";
    let loose = "([A-Za-z0-9_]{1,8}:)?[A-Za-z0-9][A-Za-z0-9_-]{1,30}[A-Za-z0-9]";
    let (auto, path, virtual_hosted) =
        (Just(None), Just(Some(AddressingStyle::Path)), Just(Some(AddressingStyle::VirtualHosted)));
    prop_oneof![
        (plain.clone(), region(), prop_oneof![auto, path, virtual_hosted])
            .prop_map(|(bucket, region, style)| (bucket, connection(None, region, style))),
        (dotted, region(), prop_oneof![auto, path])
            .prop_map(|(bucket, region, style)| (bucket, connection(None, region, style))),
        access_point(),
        (
            prop_oneof![plain.boxed(), dotted.boxed(), loose.boxed()],
            endpoint(),
            any_region(),
            prop_oneof![auto, path, Just(Some(AddressingStyle::BucketEndpoint))]
        )
            .prop_map(|(bucket, endpoint, region, style)| (
                bucket,
                connection(Some(endpoint), region, style)
            )),
        ("[a-z0-9][a-z0-9-]{1,40}[a-z0-9]", domain_endpoint(), any_region(), virtual_hosted)
            .prop_filter("punycode", |(bucket, ..)| !bucket.starts_with("xn--")
                && !bucket.ends_with("--x-s3"))
            .prop_map(|(bucket, endpoint, region, style)| (
                bucket,
                connection(Some(endpoint), region, style)
            )),
    ]
}

fn access_point() -> impl Strategy<Value = (String, S3Connection)> {
    let name = "[a-z][a-z0-9-]{1,20}[a-z0-9]".prop_filter("punycode", |name| !name.starts_with("xn--"));
    let parts = (region(), "[0-9]{12}", name, prop_oneof![Just('/'), Just(':')]);
    parts.prop_map(|(region, account, name, separator)| {
        let partition = match &region[..3] {
            "cn-" => "aws-cn",
            "us-" if region.contains("gov") => "aws-us-gov",
            _ => "aws",
        };
        let bucket = format!("arn:{partition}:s3:{region}:{account}:accesspoint{separator}{name}");
        (bucket, connection(None, region, None))
    })
}

fn connection(endpoint: Option<String>, region: String, style: Option<AddressingStyle>) -> S3Connection {
    let credentials = CredentialsSource { secret_ref: Some(reference()), ..CredentialsSource::default() };
    let (aws, ca_bundle, unsigned_headers) = (None, None, None);
    S3Connection { endpoint, region, addressing_style: style, aws, ca_bundle, unsigned_headers, credentials }
}

/// A region of AWS.
fn region() -> impl Strategy<Value = String> {
    let names =
        ["us-east-1", "eu-central-1", "ap-southeast-5", "cn-north-1", "us-gov-west-1", "mx-central-1"];
    prop::sample::select(names.map(str::to_owned).to_vec())
}

fn any_region() -> impl Strategy<Value = String> {
    prop_oneof![region(), "[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?"]
}

fn endpoint() -> impl Strategy<Value = String> {
    let address =
        prop::sample::select(vec!["10.1.2.3", "127.0.0.1", "[::1]", "[2001:DB8::7]", "[0:0:0:0:0:0:0:1]"]);
    prop_oneof![3 => named_endpoint().boxed(), 1 => around(address.prop_map(str::to_owned)).boxed()]
}

fn named_endpoint() -> impl Strategy<Value = String> {
    prop_oneof![named("{0,3}"), named("{1,3}")]
}

/// With a dot in the host.
fn domain_endpoint() -> impl Strategy<Value = String> {
    named("{1,3}")
}

fn named(labels: &str) -> impl Strategy<Value = String> + use<> {
    let name =
        format!("[A-Za-z0-9]([A-Za-z0-9_-]{{0,10}}[A-Za-z0-9])?(\\.[a-z]([a-z0-9]{{0,10}}[a-z])?){labels}");
    let name = proptest::string::string_regex(&name).unwrap();
    around(name.prop_filter(
        "one label that is a number is an address, and punycode has rules of its own",
        |host| {
            let host = host.to_ascii_lowercase();
            let is_number = host.bytes().all(|b| b.is_ascii_digit()) || host.starts_with("0x");
            !is_number && !host.split('.').any(|label| label.starts_with("xn--"))
        },
    ))
}

fn around(host: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["http://", "https://", "HTTPS://"]);
    let port = prop_oneof![
        3 => Just(String::new()),
        1 => Just(":80".to_owned()),
        1 => Just(":443".to_owned()),
        2 => (1..=65_535_u16).prop_map(|port| format!(":{port}")),
    ];
    (scheme, host, port, "(/[A-Za-z0-9_~-]{1,8}){0,3}", "/{0,2}")
        .prop_map(|(scheme, host, port, prefix, slashes)| format!("{scheme}{host}{port}{prefix}{slashes}"))
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    let known = prop::sample::select(vec![
        "Content-Type",
        "content-disposition",
        "Cache-Control",
        "IF-NONE-MATCH",
        "If-Match",
        "Range",
        "Expires",
        "x-amz-acl",
        "X-Amz-Tagging",
        "x-amz-checksum-sha256",
        "x-amz-server-side-encryption",
    ]);
    let name = prop_oneof![
        known.prop_map(str::to_owned),
        "[Xx]-[Aa]mz-meta-[a-zA-Z0-9_.~!#$%&*+^|-]{1,12}",
        "[A-Z]{3,5}[0-9]"
    ];
    btree_map(name, header_value(), 0..6).prop_map(|headers| {
        // The same name in another case is another spelling of the same header.
        let unique: BTreeMap<String, (String, String)> =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), (name, value))).collect();
        unique.into_values().collect()
    })
}

fn query(method: Method) -> impl Strategy<Value = BTreeMap<String, String>> {
    let tags = btree_map("x-[b-hj-zB-HJ-Z0-9._~][A-Za-z0-9._~-]{0,20}", text(0..30), 0..4);
    let number = || 1..=10_000_u32;
    let part = match method {
        Method::Put => option::of((number(), token(1..40).prop_map(Some))).boxed(),
        Method::Get | Method::Head => option::of((number(), Just(None))).boxed(),
        Method::Delete | Method::Post => Just(None).boxed(),
    };
    (tags, part).prop_map(|(mut query, part)| {
        if let Some((number, upload)) = part {
            query.insert("partNumber".to_owned(), number.to_string());
            query.extend(upload.map(|upload| ("uploadId".to_owned(), upload)));
        }
        query
    })
}

fn response() -> impl Strategy<Value = ResponseOverrides> {
    vec(option::of(text(1..30)), 6).prop_map(|mut values| ResponseOverrides {
        content_type: values.remove(0),
        content_disposition: values.remove(0),
        content_language: values.remove(0),
        content_encoding: values.remove(0),
        cache_control: values.remove(0),
        expires: values.remove(0),
    })
}

fn lifetime() -> impl Strategy<Value = String> {
    prop_oneof![
        (60..=604_800_u32).prop_map(|seconds| format!("{seconds}s")),
        (1..=10_080_u32).prop_map(|minutes| format!("{minutes}m")),
        (1..=167_u32, 0..=59_u32).prop_map(|(hours, minutes)| format!("{hours}h{minutes}m")),
    ]
}

/// The connection of a spec.
pub fn s3(spec: &mut PresignedUrlSpec) -> &mut S3Connection {
    spec.s3.as_mut().unwrap()
}
