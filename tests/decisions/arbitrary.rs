//! What may happen: edits of the spec, credentials, other people's writes, faults, and time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use proptest::prelude::*;

use crate::crd::{DeletionPolicy, Method};
use crate::domain::request::Overlap;
use crate::domain::{Credentials, Request};
use crate::model::{self, SecretServer, THEM};

/// A lifetime in seconds: short ones as often as long ones.
pub fn lifetime(shortest: u32) -> impl Strategy<Value = u32> {
    prop_oneof![shortest..=shortest + 60, shortest..=7200, shortest..=604_800]
}

pub fn overlap() -> impl Strategy<Value = Overlap> {
    prop_oneof![
        Just(Overlap::Third),
        (1..=80_u32).prop_map(Overlap::Percentage),
        lifetime(1).prop_map(Overlap::Seconds),
    ]
}

/// An edit of the spec. Numbers stand for values of which there are a few.
#[derive(Clone, Debug)]
pub enum Edit {
    Bucket(u8),
    Key(u8),
    Method(Method),
    /// Another form, if there is one.
    Form(u8),
    Header(u8),
    Query(u8),
    Region(u8),
    ExpiresIn(u32),
    Overlap(Overlap),
    Label(u8),
    Annotation(u8),
    UrlKey(u8),
    DeletionPolicy(DeletionPolicy),
    Renew(Option<u8>),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    let few = || 0..3_u8;
    let methods = [Method::Get, Method::Head, Method::Put, Method::Delete, Method::Post, Method::Post];
    prop_oneof![
        few().prop_map(Edit::Bucket),
        few().prop_map(Edit::Key),
        prop::sample::select(methods.to_vec()).prop_map(Edit::Method),
        few().prop_map(Edit::Form),
        few().prop_map(Edit::Header),
        few().prop_map(Edit::Query),
        few().prop_map(Edit::Region),
        lifetime(60).prop_map(Edit::ExpiresIn),
        overlap().prop_map(Edit::Overlap),
        few().prop_map(Edit::Label),
        few().prop_map(Edit::Annotation),
        few().prop_map(Edit::UrlKey),
        prop_oneof![Just(DeletionPolicy::Delete), Just(DeletionPolicy::Retain)]
            .prop_map(Edit::DeletionPolicy),
        prop::option::of(few()).prop_map(Edit::Renew),
    ]
}

impl Edit {
    pub fn carry_out(&self, request: &mut Request) {
        let pairs = |name: &str, number: u8| match number {
            0 => Vec::new(),
            number => vec![(name.to_owned(), format!("value {number}"))],
        };
        let target = &mut request.target;
        match *self {
            Self::Bucket(number) => request.bucket = format!("bucket-{number}"),
            Self::Key(number) => request.key = format!("a/b c?#%{number}.ü"),
            Self::Method(method) => {
                request.method = method;
                request.form = (method == Method::Post).then(model::form);
                if request.form.is_some() {
                    request.headers.clear();
                    request.query.clear();
                }
            }
            Self::Form(number) => {
                if let Some(form) = &mut request.form {
                    form.max_size = 1000 + u64::from(number);
                    form.is_key_prefix = number == 2;
                }
            }
            // A form has neither.
            Self::Header(_) | Self::Query(_) if request.form.is_some() => {}
            Self::Header(number) => request.headers = pairs("x-header", number),
            Self::Query(number) => request.query = pairs("x-query", number),
            Self::Region(number) => request.connection.region = format!("region-{number}"),
            Self::ExpiresIn(seconds) => request.expires_in = seconds,
            Self::Overlap(overlap) => request.overlap = overlap,
            Self::Label(number) => target.labels = pairs("label", number).into_iter().collect(),
            Self::Annotation(number) => target.annotations = pairs("note", number).into_iter().collect(),
            Self::UrlKey(number) => {
                ["url", "a-link", "z-link"][usize::from(number)].clone_into(&mut target.url_key);
            }
            Self::DeletionPolicy(policy) => target.deletion_policy = policy,
            Self::Renew(token) => request.renew = token.map(|token| format!("token {token}")),
        }
    }
}

/// Credentials by what makes them differ.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    id: u8,
    secret: u8,
    /// Seconds until a session ends; `None` when it does not.
    pub left: Option<i64>,
}

pub fn credentials() -> impl Strategy<Value = Key> {
    let left = prop_oneof![0..70_i64, 0..7200_i64, 0..200_000_i64];
    (0..3_u8, 0..2_u8, prop::option::of(left)).prop_map(|(id, secret, left)| Key { id, secret, left })
}

impl Key {
    /// The credentials as they are found at `now`.
    pub fn at(&self, now: Timestamp) -> Credentials {
        let end = self.left.map(|left| now.checked_add(SignedDuration::from_secs(left)).unwrap());
        let mut credentials = model::credentials(&format!("KEY{}", self.id), end);
        credentials.secret_access_key = crate::domain::Sensitive::new(format!("secret {}", self.secret));
        credentials
    }
}

/// What somebody else does to our Secret.
#[derive(Clone, Copy, Debug)]
pub enum Touch {
    Delete,
    AddLabel,
    AddData,
    EditLabels,
    TakeLabels,
    TakeAnnotations,
    TakeOwner,
    EditSideKeys,
    TakeSideKeys,
    EditUrl,
    SpoilUrl,
    TakeUrl,
    CopyAll,
    /// `metadata.managedFields` is set to `[{}]`.
    ResetRecord,
}

pub fn touch() -> impl Strategy<Value = Touch> {
    prop::sample::select(vec![
        Touch::Delete,
        Touch::AddLabel,
        Touch::AddData,
        Touch::EditLabels,
        Touch::TakeLabels,
        Touch::TakeAnnotations,
        Touch::TakeOwner,
        Touch::EditSideKeys,
        Touch::TakeSideKeys,
        Touch::EditUrl,
        Touch::SpoilUrl,
        Touch::TakeUrl,
        Touch::CopyAll,
        Touch::ResetRecord,
    ])
}

const SIDE: [&str; 4] = ["method", "headers", "expires-at", "fields"];
const URL: [&str; 4] = ["url", "a-link", "z-link", "form.json"];

impl Touch {
    pub fn carry_out(self, server: &mut SecretServer, now: Timestamp) {
        let Some(secret) = server.get() else { return };
        match self {
            Self::Delete => server.delete(),
            Self::CopyAll => drop(server.apply(("backup", "Apply"), &secret, now)),
            Self::ResetRecord => server.reset_managed_fields(),
            _ => server.update(THEM, now, |secret| self.edit(secret)),
        }
    }

    fn edit(self, secret: &mut Secret) {
        let data = secret.data.get_or_insert_default();
        let urls: Vec<String> = data.keys().filter(|key| URL.contains(&key.as_str())).cloned().collect();
        let mut put = |key: &str, bytes: &[u8]| drop(data.insert(key.to_owned(), ByteString(bytes.to_vec())));
        match self {
            Self::Delete | Self::CopyAll | Self::ResetRecord => {}
            Self::AddLabel => drop(secret.labels_mut().insert("their".to_owned(), "x".to_owned())),
            Self::AddData => put("a-file", b"https://example.org"),
            Self::EditLabels => secret.labels_mut().values_mut().for_each(|value| value.push('x')),
            Self::TakeLabels => secret.labels_mut().clear(),
            // The token that was handled is nowhere else: without it, it is asked for again.
            Self::TakeAnnotations => secret.annotations_mut().retain(|name, _| name.ends_with("/renew")),
            Self::TakeOwner => secret.owner_references_mut().clear(),
            Self::EditSideKeys => SIDE.iter().for_each(|key| put(key, b"x")),
            Self::TakeSideKeys => data.retain(|key, _| !SIDE.contains(&key.as_str())),
            Self::EditUrl => {
                data.iter_mut().filter(|(key, _)| urls.contains(key)).for_each(|(_, v)| v.0.push(b'0'));
            }
            Self::SpoilUrl => urls.iter().for_each(|key| put(key, b"\xff")),
            Self::TakeUrl => data.retain(|key, _| !urls.contains(key)),
        }
    }
}

/// What may happen in a life.
#[derive(Clone, Debug)]
pub enum Event {
    Edit(Edit),
    Suspend(bool),
    Rotate(Option<Key>),
    Touch(Touch),
    /// Writes fail, or no longer do.
    Reachable(bool),
    /// The operator stops, or starts with an empty memory.
    Running(bool),
    /// The wall clock is set by so many seconds.
    Clock(i64),
    /// The next reconcile takes so many seconds.
    Slow(i64),
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => edit().prop_map(Event::Edit),
        1 => any::<bool>().prop_map(Event::Suspend),
        4 => credentials().prop_map(|key| Event::Rotate(Some(key))),
        1 => Just(Event::Rotate(None)),
        3 => touch().prop_map(Event::Touch),
        3 => any::<bool>().prop_map(Event::Reachable),
        3 => any::<bool>().prop_map(Event::Running),
        1 => (-900..900_i64).prop_map(Event::Clock),
        1 => (1..90_i64).prop_map(Event::Slow),
    ]
}

/// How time goes by between two events.
#[derive(Clone, Copy, Debug)]
pub enum Idle {
    Seconds(i64),
    /// So many lifetimes, in percent.
    Lifetimes(i64),
    /// Until so many seconds after the next reconcile that is due.
    Reconcile(i64),
    /// Until so many seconds after the stored URL expires.
    Expiration(i64),
    /// Until so many seconds after the credentials expire.
    Credentials(i64),
}

pub fn idle() -> impl Strategy<Value = Idle> {
    let near = || -3..4_i64;
    prop_oneof![
        (0..300_i64).prop_map(Idle::Seconds),
        (0..400_i64).prop_map(Idle::Lifetimes),
        near().prop_map(Idle::Reconcile),
        near().prop_map(Idle::Expiration),
        (-12..4_i64).prop_map(Idle::Credentials),
    ]
}
