//! What must be refused is refused with a word on the field at fault; and whatever is
//! written into a spec, a manifest or a Secret, nothing panics and no secret is repeated.

use std::cell::Cell;
use std::collections::BTreeMap;

use clap::Parser as _;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::cli::{Cli, execute, manifest};
use presign_operator::crd::{Method, PresignedUrlSpec};
use presign_operator::domain::policy::Requester;
use presign_operator::domain::{Credentials, Request, Validity};
use presign_operator::s3::UrlSigner;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
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

/// A spec with anything in one or two of its fields: what an older definition may have let through.
fn arbitrary_spec() -> impl Strategy<Value = PresignedUrlSpec> {
    let methods = prop::sample::select(vec![Method::Get, Method::Head, Method::Put, Method::Delete]);
    let values = (anything(), option::of(anything()), methods, map());
    (spec(), vec((0..8, values), 1..3)).prop_map(|(mut spec, changes)| {
        for (field, (text, maybe, method, map)) in changes {
            match field {
                0 => spec.bucket = text,
                1 => spec.key = text,
                2 => spec.s3.as_mut().unwrap().endpoint = maybe,
                3 => spec.s3.as_mut().unwrap().region = text,
                4 => spec.method = Some(method),
                5 => spec.headers = map,
                6 => spec.query = map,
                _ => spec.version_id = maybe,
            }
        }
        spec
    })
}

/// A good manifest in one of the forms that people write.
fn manifest() -> impl Strategy<Value = String> {
    let yaml = "---\n# a comment\napiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {name: report, namespace: 'team-a'}\nspec:\n  bucket: reports\n  key: \"2026/q3 \\u00e9.pdf\"\n  method: PUT\n  headers: &h\n    If-None-Match: '*'\n    Content-Type: application/pdf\n  expiresIn: 1h30m\n  renewBeforePercentage: 50\n  s3:\n    endpoint: https://store.example\n    region: us-west\n    credentials:\n      secretRef:\n        name: keys\n  secret:\n    name: >-\n      other\n    labels: {a: b}\n  suspend: false\n";
    let json = spec().prop_map(|spec| {
        json!({"apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "report"}, "spec": spec})
            .to_string()
    });
    prop_oneof![Just(yaml.to_owned()), json]
}

/// A manifest with some of its bytes replaced, removed, doubled or put in, and how often that was done.
fn spoilt_manifest() -> impl Strategy<Value = (Vec<u8>, usize)> {
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
    let change = (any::<prop::sample::Index>(), 0..20_usize, piece).boxed();
    let changes = prop_oneof![2 => vec(change.clone(), 0..2), 1 => vec(change, 2..6)];
    (manifest(), changes).prop_map(|(text, changes)| {
        let (mut bytes, count) = (text.into_bytes(), changes.len());
        for (at, removed, piece) in changes {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + removed).min(bytes.len()), piece);
        }
        (bytes, count)
    })
}

/// What `presign-operator sign -f FILE` says to a file that holds no manifest.
fn refusal_of_file(bytes: &[u8]) -> String {
    let file = Scratch::file(bytes);
    let arguments = ["presign-operator", "sign", "-f", file.path()];
    let said = execute(Cli::try_parse_from(arguments).unwrap()).unwrap_err().to_string();
    // What comes after the file, in a process without a key.
    assert!(!said.contains("environment variable"), "the file was accepted: {said}");
    said
}

/// What was drawn, and how much of it was signed.
#[derive(Default)]
struct Tally {
    all: Cell<u32>,
    signed: Cell<u32>,
}

impl Tally {
    fn count(&self, is_signed: bool) {
        self.all.set(self.all.get() + 1);
        self.signed.set(self.signed.get() + u32::from(is_signed));
    }

    /// Fails unless one of four at least was signed, and one of four at least was refused where so many
    /// are to be.
    fn judge(&self, least_refused: u32) {
        let (all, signed) = (self.all.get(), self.signed.get());
        assert!(
            signed * 4 >= all && (all - signed) * 4 >= all * least_refused,
            "{signed} of {all} were signed"
        );
    }
}

/// Tries a property on many inputs.
fn try_all<S: Strategy>(inputs: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    TestRunner::new(profile()).run(inputs, property).unwrap_or_else(|error| panic!("{error}"));
}

/// Fails unless the spec is refused without a word on the key, or signed so that an independent
/// verifier accepts the URL. Returns whether it was signed.
fn check_spec(spec: &PresignedUrlSpec, case: &Case) -> Result<bool, TestCaseError> {
    let Ok(request) = Request::inline(Requester::new("team-a", "report"), spec, None) else {
        return Ok(false);
    };
    let credentials = case.credentials();
    if let Err(refusal) = sign(&request, &credentials, case.signing_time) {
        let text = refusal.to_string();
        prop_assert!(!text.contains(credentials.secret_access_key.expose().as_str()), "{}", text);
        return Ok(false);
    }
    let facts = Facts::issue(spec, &credentials, case.signing_time).unwrap();
    let key = Key {
        id: credentials.access_key_id.expose(),
        secret: credentials.secret_access_key.expose(),
        region: &spec.s3.as_ref().unwrap().region,
    };
    let arrived = Arrived { method: &facts.method, url: &facts.url, headers: &facts.headers() };
    prop_assert_eq!(verify(&arrived, &key), Ok(()));
    Ok(true)
}

/// Fails unless a file is refused, by the command line, too, or each of its specs is signed right or
/// refused. Returns how many were signed.
fn check_file(bytes: &[u8], case: &Case) -> Result<u32, TestCaseError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        prop_assert!(refusal_of_file(bytes).contains("is not UTF-8 text"));
        return Ok(0);
    };
    match manifest::read(text) {
        Err(error) => {
            let (said, why) = (refusal_of_file(bytes), format!("{error:#}"));
            prop_assert!(said.ends_with(&why), "{} instead of {}", said, why);
            Ok(0)
        }
        Ok(manifest) => manifest
            .objects
            .iter()
            .try_fold(0, |signed, object| Ok(signed + u32::from(check_spec(&object.spec, case)?))),
    }
}

proptest! {
    #![proptest_config(profile())]

    #[test]
    fn a_fault_is_refused_by_the_name_of_its_field(spec in spec(), fault in fault()) {
        let mut spec = spec;
        fault.apply(&mut spec);
        let refusal = Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap_err();
        prop_assert_eq!(refusal.field, fault.field, "{:?}", fault);
        let begins = format!("spec.{}: ", fault.field);
        prop_assert!(refusal.to_string().starts_with(&begins));
    }

    #[test]
    fn any_bytes_are_no_manifest(bytes in prop_oneof![vec(any::<u8>(), 0..200), any::<String>().prop_map(String::into_bytes)]) {
        let why = match std::str::from_utf8(&bytes) {
            Ok(text) => format!("{:#}", manifest::read(text).unwrap_err()),
            Err(_) => "is not UTF-8 text".to_owned(),
        };
        let said = refusal_of_file(&bytes);
        prop_assert!(!why.is_empty() && said.ends_with(&why), "{} instead of {}", said, why);
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
fn whatever_a_spec_holds_there_is_a_right_url_or_a_refusal() {
    let tally = Tally::default();
    try_all(&(arbitrary_spec(), case()), |(spec, case)| {
        tally.count(check_spec(&spec, &case)?);
        Ok(())
    });
    tally.judge(0);
}

#[test]
fn any_manifest_is_refused_or_signed_right() {
    let tally = Tally::default();
    try_all(&(spoilt_manifest(), case()), |((bytes, changes), case)| {
        let signed = check_file(&bytes, &case)?;
        prop_assert!(changes > 0 || signed == 1, "a good manifest was not signed");
        tally.count(signed > 0);
        Ok(())
    });
    tally.judge(1);
}

/// Every value of a Secret holds this mark, in all that may stand before and after it.
const MARK: &str = "hunter2";

/// The data of a Secret: that of an access key, or anything.
fn marked_data() -> impl Strategy<Value = BTreeMap<String, ByteString>> {
    let keys = vec![
        "access-key-id",
        "secret-access-key",
        "session-token",
        "expiration",
        "rootUser",
        "AWS_SESSION_TOKEN",
        "BucketInfo",
        "credentials",
    ];
    let marked = |key: &str, before: Vec<u8>, after: Vec<u8>| {
        (key.to_owned(), ByteString([before, MARK.into(), after].concat()))
    };
    let bytes = || vec(any::<u8>(), 0..20);
    let random = vec((prop::sample::select(keys), bytes(), bytes()), 0..5).prop_map(move |values| {
        values.into_iter().map(|(key, before, after)| marked(key, before, after)).collect()
    });
    // A key id takes only some characters; these are no text of a template and no base64 of a key.
    let id = || "[A-Z0-9_]{0,12}".prop_map(String::into_bytes);
    let text = || "[!-~]{0,12}".prop_map(String::into_bytes);
    let token = option::of((text(), text()));
    let good = (id(), id(), text(), text(), token).prop_map(move |(first, last, before, after, token)| {
        let key = [marked("access-key-id", first, last), marked("secret-access-key", before, after)];
        let token = token.map(|(before, after)| marked("session-token", before, after));
        key.into_iter().chain(token).collect()
    });
    prop_oneof![random, good]
}

#[test]
fn no_bytes_of_a_secret_are_ever_repeated() {
    let tally = Tally::default();
    try_all(&(spec(), marked_data(), 60..604_800_u32), |(spec, data, lifetime)| {
        let credentials = Credentials::parse(&reference(), &data);
        let request = Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap();
        let validity = Validity { signing_time: Timestamp::UNIX_EPOCH, lifetime };
        let signed =
            credentials.as_ref().ok().map(|key| UrlSigner::default().presign(&request, key, validity));
        tally.count(matches!(signed, Some(Ok(_))));
        let shown = match signed {
            None => format!("{credentials:?} {}", credentials.as_ref().unwrap_err()),
            Some(Err(refusal)) => format!("{refusal} {refusal:?} {credentials:?}"),
            Some(Ok(signed)) => format!("{} {signed:?} {credentials:?}", signed.location()),
        };
        prop_assert!(!shown.contains(MARK), "{}", shown);
        Ok(())
    });
    tally.judge(1);
}

#[test]
fn a_manifest_cannot_eat_the_stack_or_the_memory() {
    let bomb = |width: usize| {
        let level = |n: u32| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); width].join(", "));
        (1..12).map(level).fold("l0: &l0 [x, x, x]\n".to_owned(), |text, level| text + &level)
    };
    let nested = |open: &str, close: &str| format!("spec: {}{}", open.repeat(100_000), close.repeat(100_000));
    for (text, said) in [
        (nested("[", "]"), "recursion limit exceeded"),
        (nested("{a: ", "}"), "budget breached: Depth"),
        (format!("spec:\n{}", "- ".repeat(100_000)), "budget breached: Depth"),
        (bomb(10), "budget breached: Nodes"),
        ("? ".repeat(100_000), "budget breached: Depth"),
    ] {
        let refusal = refusal_of_file(text.as_bytes());
        assert!(refusal.contains(said), "{refusal}");
    }
}
