//! What must be refused is refused with a word on the field at fault; and whatever is
//! written into a spec, a manifest or a Secret, nothing panics and no secret is repeated.

use std::collections::BTreeMap;

use clap::Parser as _;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::cli::{Cli, execute, manifest};
use presign_operator::crd::{Method, PresignedUrlSpec};
use presign_operator::domain::policy::Asker;
use presign_operator::domain::{Credentials, Request, Validity};
use presign_operator::s3::UrlSigner;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use crate::facts::{Facts, sign};
use crate::faults::fault;
use crate::scratch::Scratch;
use crate::sigv4::{Arrived, Key, verify};
use crate::specs::{Case, case, profile, reference, spec};
use crate::texts::token;

/// Any text at all, often one that means something.
fn anything() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "*",
        ".",
        "..",
        "/",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/abc",
        "arn:",
        "us-east-1",
        "aws-global",
        "https://",
        "http://[::1",
        "https://a:99999",
        "reports",
        "x-tag",
        "x-amz-",
        "partNumber",
        "uploadId",
        "1h",
        "999999h",
        "Content-Length",
        "host",
        "a--x-s3",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>(), "[ -~]{0,40}", "[a-z0-9.-]{3,20}"]
}

fn map() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    option::of(btree_map(anything(), anything(), 0..3))
}

/// A spec with anything in it: what an older definition may have let through.
fn arbitrary_spec() -> impl Strategy<Value = PresignedUrlSpec> {
    let methods = prop::sample::select(vec![Method::Get, Method::Head, Method::Put, Method::Delete]);
    let first = (spec(), option::of(anything()), option::of(anything()), option::of(option::of(anything())));
    let second = (option::of(anything()), option::of(methods), map(), map(), option::of(anything()));
    (first, second).prop_map(
        |((mut spec, bucket, key, endpoint), (region, method, headers, query, version))| {
            spec.bucket = bucket.unwrap_or(spec.bucket);
            spec.key = key.unwrap_or(spec.key);
            let s3 = spec.s3.as_mut().unwrap();
            s3.endpoint = endpoint.unwrap_or(s3.endpoint.take());
            s3.region = region.unwrap_or(std::mem::take(&mut s3.region));
            spec.method = method.or(spec.method);
            spec.headers = headers.or(spec.headers);
            spec.query = query.or(spec.query);
            spec.version_id = version.or(spec.version_id);
            spec
        },
    )
}

/// A good manifest in one of the forms that people write.
fn manifest() -> impl Strategy<Value = String> {
    let yaml = "---\n# a comment\napiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {name: report, namespace: 'team-a'}\nspec:\n  bucket: reports\n  key: \"2026/q3 \\u00e9.pdf\"\n  method: PUT\n  headers: &h\n    If-None-Match: '*'\n    Content-Type: application/pdf\n  expiresIn: 1h30m\n  renewBeforePercentage: 50\n  s3:\n    endpoint: https://store.example\n    region: us-west\n    credentials:\n      secretRef:\n        name: keys\n  secret: {name: >-\n    other, labels: {a: b}}\n  suspend: false\n";
    let json = spec().prop_map(|spec| {
        json!({"apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "report"}, "spec": spec})
            .to_string()
    });
    prop_oneof![Just(yaml.to_owned()), json]
}

/// A manifest with some of its bytes replaced, removed, doubled or put in.
fn spoilt_manifest() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "&h ",
            "*h",
            "<<: *h\n",
            "!!binary ",
            "!x ",
            "? ",
            "- ",
            "\n---\n",
            "\t",
            "{",
            "[",
            "'",
            "\"",
            "|\n",
            "%YAML 9\n",
            "~",
            "0x1",
            "1e400",
            ": "
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let change = (any::<prop::sample::Index>(), 0..20_usize, piece);
    (manifest(), vec(change, 0..6)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, removed, piece) in changes {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + removed).min(bytes.len()), piece);
        }
        bytes
    })
}

/// What `presign-operator sign -f FILE` says to a file that holds no manifest.
fn refusal_of_file(bytes: &[u8]) -> String {
    let file = Scratch::file(bytes);
    let arguments = ["presign-operator", "sign", "-f", file.path()];
    execute(Cli::try_parse_from(arguments).unwrap()).unwrap_err().to_string()
}

/// Fails unless the spec is refused without a word on the key, or signed so that an independent
/// verifier accepts the URL.
fn check_spec(spec: &PresignedUrlSpec, case: &Case) -> Result<(), TestCaseError> {
    let Ok(request) = Request::inline(Asker::new("team-a", "report"), spec, None) else { return Ok(()) };
    let credentials = case.credentials();
    if let Err(refusal) = sign(&request, &credentials, case.signing_time) {
        let text = refusal.to_string();
        prop_assert!(!text.contains(credentials.secret_access_key.expose().as_str()), "{}", text);
        return Ok(());
    }
    let facts = Facts::issue(spec, &credentials, case.signing_time).unwrap();
    let key = Key {
        id: credentials.access_key_id.expose(),
        secret: credentials.secret_access_key.expose(),
        region: &spec.s3.as_ref().unwrap().region,
    };
    let arrived = Arrived { method: &facts.method, url: &facts.url, headers: &facts.headers() };
    prop_assert_eq!(verify(&arrived, &key), Ok(()));
    Ok(())
}

/// Fails unless a file is refused, by the command line, too, or each of its specs is signed right or
/// refused.
fn check_file(bytes: &[u8], case: &Case) -> Result<(), TestCaseError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        prop_assert!(refusal_of_file(bytes).contains("is not UTF-8 text"));
        return Ok(());
    };
    match manifest::read(text) {
        Err(error) => {
            let (said, why) = (refusal_of_file(bytes), format!("{error:#}"));
            prop_assert!(said.ends_with(&why), "{} instead of {}", said, why);
            Ok(())
        }
        Ok(manifest) => manifest.objects.iter().try_for_each(|object| check_spec(&object.spec, case)),
    }
}

proptest! {
    #![proptest_config(profile())]

    #[test]
    fn a_fault_is_refused_by_the_name_of_its_field(spec in spec(), fault in fault()) {
        let mut spec = spec;
        fault.apply(&mut spec);
        let refusal = Request::inline(Asker::new("team-a", "report"), &spec, None).unwrap_err();
        prop_assert_eq!(refusal.field, fault.field, "{:?}", fault);
        let begins = format!("spec.{}: ", fault.field);
        prop_assert!(refusal.to_string().starts_with(&begins));
    }

    #[test]
    fn whatever_a_spec_holds_there_is_a_right_url_or_a_refusal(spec in arbitrary_spec(), case in case()) {
        check_spec(&spec, &case)?;
    }

    #[test]
    fn any_manifest_is_refused_or_signed_right(bytes in spoilt_manifest(), case in case()) {
        check_file(&bytes, &case)?;
    }

    #[test]
    fn any_bytes_are_no_manifest(bytes in prop_oneof![vec(any::<u8>(), 0..200), any::<String>().prop_map(String::into_bytes)]) {
        prop_assert!(!refusal_of_file(&bytes).is_empty());
    }

    #[test]
    fn no_bytes_of_a_secret_are_ever_repeated(
        spec in spec(),
        values in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..20)), 0..5),
        lifetime in 0..700_000_u32,
    ) {
        // Every value holds this mark, in all that may stand before and after it.
        const MARK: &str = "hunter2";
        let keys = [
            "access-key-id", "secret-access-key", "session-token", "expiration", "rootUser", "AWS_SESSION_TOKEN",
            "BucketInfo", "credentials",
        ];
        let data: BTreeMap<String, ByteString> = values
            .into_iter()
            .map(|(key, before, after)| {
                let key = keys[key.index(keys.len())].to_owned();
                (key, ByteString([before, MARK.into(), after].concat()))
            })
            .collect();
        let shown = match Credentials::parse(&reference(), &data) {
            Err(refusal) => format!("{refusal} {refusal:?}"),
            Ok(credentials) => {
                let request = Request::inline(Asker::new("team-a", "report"), &spec, None).unwrap();
                let validity = Validity { signing_time: Timestamp::UNIX_EPOCH, lifetime };
                match UrlSigner::default().presign(&request, &credentials, validity) {
                    Err(refusal) => format!("{refusal} {refusal:?} {credentials:?}"),
                    Ok(signed) => format!("{} {signed:?} {credentials:?}", signed.location()),
                }
            }
        };
        prop_assert!(!shown.contains(MARK), "{}", shown);
    }

    #[test]
    fn a_secret_is_read_whatever_white_space_is_around_it(value in token(1..40), around in "[ \t\r\n]{0,5}") {
        let data = |text: &str| ByteString(format!("{around}{text}{around}").into_bytes());
        let data = [("access-key-id", data("AKIA")), ("secret-access-key", data(&value))];
        let data = data.map(|(key, value)| (key.to_owned(), value)).into();
        let reference = serde_json::from_value(json!({"name": "keys"})).unwrap();
        let credentials = Credentials::parse(&reference, &data).unwrap();
        prop_assert_eq!(credentials.secret_access_key.expose(), &value);
    }
}

#[test]
fn a_manifest_cannot_eat_the_stack_or_the_memory() {
    let bomb = |width: usize| {
        let level = |n: u32| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); width].join(", "));
        (1..12).map(level).fold("l0: &l0 [x, x, x]\n".to_owned(), |text, level| text + &level)
    };
    let nested = |open: &str, close: &str| format!("spec: {}{}", open.repeat(100_000), close.repeat(100_000));
    for text in [nested("[", "]"), nested("{a: ", "}"), nested("- ", ""), bomb(10), "a: ".repeat(100_000)] {
        assert!(!refusal_of_file(text.as_bytes()).is_empty());
    }
}
