//! Ways to spoil a good spec, each with the field that is then at fault.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use presign_operator::crd::rules::{KEY_HEADERS, REFUSED_HEADERS};
use presign_operator::crd::{AddressingStyle, Method, PresignedUrlSpec, ResponseOverrides};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;

use crate::secret_faults::{references, secrets};
use crate::sessions::faults as sessions;
use crate::specs::s3;

/// One fault: which field has to be named, and what is done to the spec.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) field: &'static str,
    value: String,
    spoil: Arc<dyn Fn(&mut PresignedUrlSpec)>,
}

impl Fault {
    /// Puts the fault into a spec.
    pub(crate) fn apply(&self, spec: &mut PresignedUrlSpec) {
        (self.spoil)(spec);
        // A fault that sets an endpoint must not bring this one, too.
        if self.field != "s3.aws" && s3(spec).endpoint.is_some() {
            s3(spec).aws = None;
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.value)
    }
}

/// Any fault.
pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    let sources = prop_oneof![secrets(), references(), sessions()];
    prop_oneof![names(), headers(), parameters(), times(), connections(), sources]
}

/// The fault in `field` that one of the values makes.
pub(crate) fn at<V: Clone + fmt::Debug + 'static>(
    field: &'static str,
    values: impl Strategy<Value = V> + 'static,
    spoil: fn(&mut PresignedUrlSpec, V),
) -> BoxedStrategy<Fault> {
    let fault = move |value: V| Fault {
        field,
        value: format!("{value:?}"),
        spoil: Arc::new(move |spec| spoil(spec, value.clone())),
    };
    values.prop_map(fault).boxed()
}

pub(crate) fn one_of(texts: &[&str]) -> BoxedStrategy<String> {
    select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).boxed()
}

/// A text that holds a control character, which no field takes.
fn with_control() -> impl Strategy<Value = String> {
    let control = prop_oneof![0..0x20_u32, 0x7f..=0x9f_u32].prop_map(|c| char::from_u32(c).unwrap());
    ("[ -~é]{0,5}", control, "[ -~é]{0,5}").prop_map(|(before, c, after)| format!("{before}{c}{after}"))
}

fn names() -> impl Strategy<Value = Fault> {
    let nowhere = prop_oneof![
        "[a-z]{0,2}",
        "[a-z]{3}[^A-Za-z0-9._:-][a-z]{3}",
        "s3a?://[a-z]{3,9}",
        "[a-z]{1,5}-[a-z]{1,5}:[a-z]{3,9}",
        "[a-z]{256,260}",
        "[a-z]{1,9}\\.\\.[a-z]{1,9}",
        "[a-z]{1,9}--x-s3",
    ];
    let not_on_aws = prop_oneof![
        "[a-z]{3,9}[A-Z_][a-z]{1,9}",
        "-[a-z]{3}",
        "[a-z]{3}[.-]",
        "[a-z]{64,70}",
        "xn--[a-z]{3}",
        "[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}",
        "arn:aws:s3::[0-9]{12}:accesspoint/[a-z]{5}\\.mrap",
        "arn:aws:s3:us-east-1:[0-9]{11}:accesspoint/[a-z]{5}",
        "arn:aws:s3:us-east-1:[0-9]{12}:bucket/[a-z]{5}",
    ];
    let address = "[Ss]3[an]?://[a-z]{0,9}";
    let key =
        prop_oneof![Just(String::new()), "/{1,9}", address, "[a-z]{1025,1030}", "é{513,520}", with_control()];
    let dots = ("([a-zé]{1,5}/)?", "\\.{1,2}", "(/[a-z]{1,5})?");
    let version = prop_oneof![Just(String::new()), with_control()];
    prop_oneof![
        at("bucket", nowhere, |spec, bucket| spec.bucket = bucket),
        at("bucket", not_on_aws, |spec, bucket| {
            spec.bucket = bucket;
            s3(spec).endpoint = None;
        }),
        at("key", key, |spec, key| spec.key = key),
        at("key", dots, |spec, (before, dots, after)| spec.key = format!("{before}{dots}{after}")),
        at("versionID", Just("v".to_owned()), |spec, version| {
            (spec.version_id, spec.response, spec.method) = (Some(version), None, Some(Method::Put));
        }),
        at("versionID", version, |spec, version| {
            (spec.version_id, spec.query, spec.method) = (Some(version), None, Some(Method::Get));
        }),
    ]
}

/// A name in which each letter is upper case whose bit is set.
fn in_case(name: &str, upper: u64) -> String {
    let cased = |(place, letter): (usize, char)| {
        if upper >> (place % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().enumerate().map(cased).collect()
}

fn headers() -> impl Strategy<Value = Fault> {
    let names = REFUSED_HEADERS.iter().map(|name| (*name).to_owned());
    let names = names.chain(KEY_HEADERS.iter().map(|start| format!("{start}key")));
    let refused =
        (select(names.collect::<Vec<_>>()), any::<u64>()).prop_map(|(name, upper)| in_case(&name, upper));
    let odd_name = prop_oneof!["", "[a-z]{1,3}[ :/()é@\\[\\]{}\"\n][a-z]{0,3}", "[a-z]{129,140}"];
    let name = prop_oneof![refused, odd_name];
    let value = prop_oneof![
        "",
        " [a-z]{1,3}",
        "[a-z]{1,3} ",
        "[a-z]{0,3}[\t\r\né\u{7f}][a-z]{0,3}",
        "[a-z]{2049,2060}"
    ];
    prop_oneof![
        at("headers", name, |spec, name| spec.headers = Some([(name, "a".to_owned())].into())),
        at("headers", value, |spec, value| spec.headers = Some([("x-amz-meta-a".to_owned(), value)].into())),
        at("headers", "[a-z]{1,9}", |spec, name| {
            let names = [name.to_ascii_uppercase(), name];
            spec.headers = Some(names.map(|name| (name, "a".to_owned())).into());
        }),
        at("headers", btree_map("x-[a-z0-9]{8}", "[a-z]", 33..40), |spec, all| spec.headers = Some(all)),
    ]
}

fn parameters() -> impl Strategy<Value = Fault> {
    let override_type = |spec: &mut PresignedUrlSpec, (method, value): (Method, String)| {
        (spec.version_id, spec.query, spec.method) = (None, None, Some(method));
        spec.response = Some(ResponseOverrides { content_type: Some(value), ..ResponseOverrides::default() });
    };
    let no_download = (select(vec![Method::Put, Method::Delete]), "[a-z]{1,5}");
    let odd_value = (Just(Method::Get), prop_oneof![Just(String::new()), with_control()]);
    let known = ["acl", "versionId", "uploads", "X-tag", "x-", "x-id", "x-ID", "X-Amz-Expires", "x-AMZ-acl"];
    let odd_name = prop_oneof![one_of(&known), "x-[a-z]{0,3}[^A-Za-z0-9._~-][a-z]{0,3}", "x-[a-z]{127,130}"];
    let parts = select(vec![
        (Method::Put, vec![("partNumber", "1")]),
        (Method::Put, vec![("uploadId", "a")]),
        (Method::Get, vec![("partNumber", "1"), ("uploadId", "a")]),
        (Method::Head, vec![("uploadId", "a")]),
        (Method::Get, vec![("partNumber", "0")]),
        (Method::Delete, vec![("partNumber", "1")]),
        (Method::Put, vec![("partNumber", "0"), ("uploadId", "a")]),
        (Method::Put, vec![("partNumber", "01"), ("uploadId", "a")]),
        (Method::Put, vec![("partNumber", "10001"), ("uploadId", "a")]),
        (Method::Put, vec![("partNumber", "+1"), ("uploadId", "a")]),
        (Method::Put, vec![("partNumber", "1"), ("uploadId", "")]),
    ]);
    prop_oneof![
        at("response", no_download, override_type),
        at("response", odd_value, override_type),
        at("query", odd_name, |spec, name| spec.query = Some([(name, "a".to_owned())].into())),
        at("query", with_control(), |spec, value| spec.query = Some([("x-tag".to_owned(), value)].into())),
        at("query", parts, |spec, (method, pairs)| {
            (spec.version_id, spec.response, spec.method) = (None, None, Some(method));
            let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            spec.query = Some(pairs.collect::<BTreeMap<_, _>>());
        }),
    ]
}

fn times() -> impl Strategy<Value = Fault> {
    let odd = [
        "", "1", "h", "1d", "8d", "1w", "3600", "+3600", "1.5h", "-1h", "1h ", " 1h", "0000000h", "1H",
        "P1D", "é",
    ];
    let out_of_range = ["0s", "59s", "0h0m59s", "168h1s", "604801s", "169h", "999999h"];
    let lifetime = prop_oneof![one_of(&odd), one_of(&out_of_range), with_control()];
    let renew = |spec: &mut PresignedUrlSpec, (before, share): (Option<String>, Option<i32>)| {
        spec.expires_in = Some("1h".into());
        spec.renew_before = before.map(|text| text.as_str().into());
        spec.renew_before_percentage = share;
    };
    let before = one_of(&["0s", "1d", "600", "", "51m", "3001s", "1h", "61m", "3600s"])
        .prop_map(|text| (Some(text), None));
    let share = prop_oneof![i32::MIN..=0, 81..=i32::MAX].prop_map(|share| (None, Some(share)));
    prop_oneof![
        at("expiresIn", lifetime, |spec, text| spec.expires_in = Some(text.as_str().into())),
        at("renewBefore", Just((Some("1m".to_owned()), Some(50))), renew),
        at("renewBefore", before, renew),
        at("renewBeforePercentage", share, renew),
    ]
}

/// Endpoints that no URL can be signed for, or that clients would rewrite.
pub(crate) const ODD_ENDPOINTS: [&str; 24] = [
    "",
    "store.example",
    "ftp://store.example",
    "https://",
    "https:///x",
    "https://a:0",
    "https://a:65536",
    "https://a:",
    "https://a b",
    "https://é.example",
    "https://[::1",
    "https://[zz]",
    "https://a..b",
    "https://a/../b",
    "https://a//b",
    "https://a/%20",
    "https://a\\b",
    "//a",
    "https://a:1:2",
    "https://127.1",
    "https://0x7f.1",
    "https://010.0.0.1",
    "https://store.1",
    "https://[::ffff:10.0.0.1]",
];

fn connections() -> impl Strategy<Value = Fault> {
    let endpoint = prop_oneof![
        one_of(&ODD_ENDPOINTS),
        "https://[a-z]{1,5}(:[a-z]{1,5})?@[a-z]{1,5}",
        "https://[a-z]{1,5}/?[?#][a-z=]{0,5}",
        with_control().prop_map(|text| format!("https://a{text}b")),
    ];
    let region = prop_oneof!["[ \t]{0,5}", "[a-z]{1,5}[ /é:,][a-z]{1,5}", "[a-z]{65,70}", with_control()];
    let (virtual_hosted, name) = (AddressingStyle::VirtualHosted, "http://store.example");
    let style = select(vec![
        (virtual_hosted, "reports", Some("https://10.0.0.1")),
        (virtual_hosted, "reports", Some("http://[::1]:9000")),
        (virtual_hosted, "reports", Some("http://localhost:9000")),
        (virtual_hosted, "reports", Some("https://minio/p")),
        (virtual_hosted, "re.ports", Some("https://store.example")),
        (virtual_hosted, "re.ports", None),
        (virtual_hosted, "Reports", Some(name)),
        (virtual_hosted, "re_ports", Some(name)),
        (AddressingStyle::BucketEndpoint, "reports", None),
        (AddressingStyle::Path, "arn:aws:s3:eu-central-1:123456789012:accesspoint/point", None),
    ]);
    prop_oneof![
        at("s3.endpoint", endpoint, |spec, endpoint| {
            (spec.bucket, s3(spec).endpoint) = ("reports".to_owned(), Some(endpoint));
        }),
        at("s3.region", region, |spec, region| s3(spec).region = region),
        at("s3.region", one_of(&["us-west", "auto", "aws-global", "eu-central-1a"]), |spec, region| {
            (spec.bucket, s3(spec).region, s3(spec).endpoint) = ("reports".to_owned(), region, None);
        }),
        at("s3.endpoint", "[a-z]{3,9}", |spec, bucket| {
            s3(spec).endpoint = Some(format!("https://{bucket}.s3.example"));
            (spec.bucket, s3(spec).addressing_style) = (bucket, None);
        }),
        at("s3.region", "eu-[a-z]{5,9}-[2-9]", |spec, region| {
            "arn:aws:s3:eu-central-1:123456789012:accesspoint/point".clone_into(&mut spec.bucket);
            (s3(spec).region, s3(spec).endpoint) = (region, None);
        }),
        at("s3.addressingStyle", style, |spec, (style, bucket, endpoint)| {
            (s3(spec).addressing_style, s3(spec).endpoint) = (Some(style), endpoint.map(str::to_owned));
            (spec.bucket, s3(spec).region) = (bucket.to_owned(), "eu-central-1".to_owned());
        }),
    ]
}
