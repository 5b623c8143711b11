//! Tests of the decision, with real certificates.

use std::convert::Infallible;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;

const DAY: i64 = 24 * 3600;
const START: i64 = 1_900_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn names() -> Vec<String> {
    vec!["a.b.svc".to_owned()]
}

/// A pair for these names, made at this time.
fn pair(names: Vec<String>, now: Timestamp) -> ServingPair {
    let time = |time: Timestamp| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_second().try_into().unwrap())
    };
    let expires_at = later(now, LIFETIME);
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let issuer = Issuer::new(ca.clone(), KeyPair::generate().unwrap());
    let ca = ca.self_signed(issuer.key()).unwrap().pem();
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (time(now), time(expires_at));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    ServingPair { certificate, key: Sensitive::new(key.serialize_pem()), ca, expires_at }
}

/// What is stored, published, remembered, and at which time.
struct CertificateCase {
    stored: Option<StoredCertificates>,
    remembered: Option<StoredCertificates>,
    published: String,
    names: Vec<String>,
    now: Timestamp,
    made: u32,
}

impl CertificateCase {
    /// A certificate that was made at the start and is published.
    fn begun() -> Self {
        let (stored, remembered, published) = (None, None, String::new());
        let mut case = Self { stored, remembered, published, names: names(), now: at(START), made: 0 };
        case.step();
        case.publish();
        case
    }

    fn step(&mut self) -> StoredCertificates {
        let seen = CertificateObservation {
            stored: self.stored.as_ref(),
            remembered: self.remembered.as_ref(),
            published: &self.published,
            names: &self.names,
            now: self.now,
        };
        let made = &mut self.made;
        let make = || {
            *made += 1;
            Ok::<_, Infallible>(pair(self.names.clone(), self.now))
        };
        let Ok(state) = StoredCertificates::advance(&seen, make);
        // What is stored is read again, as by the next process.
        let read = StoredCertificates::read(&state.data()).unwrap();
        assert_eq!(read, state);
        self.stored = Some(state.clone());
        state
    }

    fn publish(&mut self) {
        self.published = self.stored.as_ref().unwrap().bundle();
    }

    fn advance_by(&mut self, seconds: i64) -> StoredCertificates {
        self.now = at(self.now.as_second() + seconds);
        self.step()
    }
}

#[test]
fn a_good_certificate_stays_for_sixty_days() {
    let mut case = CertificateCase::begun();
    let first = case.stored.clone().unwrap();
    assert!(first.is_usable(&case.names, case.now));
    assert_eq!((first.next.as_ref(), first.previous.as_ref()), (None, None));
    assert_eq!(case.advance_by(60 * DAY - 1), first);
    assert_eq!(case.made, 1);
}

#[test]
fn the_next_certificate_is_served_a_day_after_its_ca_was_published() {
    let mut case = CertificateCase::begun();
    let first = case.stored.clone().unwrap();
    let renewing = case.advance_by(60 * DAY);
    let next = renewing.next.clone().unwrap();
    assert_eq!((&renewing.current, next.served_from), (&first.current, None));
    assert_eq!(case.advance_by(2 * DAY), renewing, "nothing is served that is not published");

    case.publish();
    let planned = case.step();
    assert_eq!(planned.next.unwrap().served_from, Some(at(case.now.as_second() + DAY)));
    assert!(case.published.contains(first.current.ca.trim()) && case.published.contains(next.pair.ca.trim()));
    assert_eq!(case.advance_by(DAY - 1).current, first.current);
    let changed = case.advance_by(1);
    assert_eq!((&changed.current, &changed.next), (&next.pair, &None));
    assert!(changed.bundle().contains(first.current.ca.trim()), "other replicas may still serve the first");
    case.publish();
    let ended = case.advance_by(DAY);
    assert_eq!((ended.previous.as_ref(), ended.bundle()), (None, format!("{}\n", next.pair.ca.trim())));
    assert_eq!(case.made, 2);
}

#[test]
fn a_bundle_that_somebody_took_away_begins_the_day_again() {
    let mut case = CertificateCase::begun();
    case.advance_by(60 * DAY);
    case.publish();
    case.step();
    case.published.clear();
    assert_eq!(case.advance_by(DAY).next.unwrap().served_from, None);
    case.publish();
    assert_eq!(case.step().next.unwrap().served_from, Some(at(case.now.as_second() + DAY)));
}

#[test]
fn an_expired_certificate_is_replaced_at_once_by_the_next_one_or_by_a_new_one() {
    let mut case = CertificateCase::begun();
    let next = case.advance_by(60 * DAY).next.unwrap();
    let replaced = case.advance_by(30 * DAY);
    assert_eq!(replaced.current, next.pair);
    assert!(replaced.next.is_none() && replaced.previous.is_some());

    let mut case = CertificateCase::begun();
    let replaced = case.advance_by(200 * DAY);
    assert!(replaced.is_usable(&case.names, case.now));
    assert_eq!(case.made, 2);
}

#[test]
fn a_lost_certificate_is_stored_again_while_it_is_remembered_and_a_renewal_begins() {
    let mut case = CertificateCase::begun();
    let first = case.stored.take();
    case.remembered.clone_from(&first);
    let restored = case.step();
    assert_eq!(restored.current, first.unwrap().current);
    assert!(restored.next.is_some());
    assert_eq!(case.step(), restored);
    case.stored = None;
    case.remembered = None;
    let published = case.published.clone();
    assert!(!case.step().bundle().contains(published.trim()), "nobody knows the key of the published CA");
}

#[test]
fn what_does_not_fit_together_is_replaced() {
    let good = CertificateCase::begun().stored.unwrap();
    let other = pair(names(), at(START));
    let spoil: [fn(&mut ServingPair, &ServingPair); 5] = [
        |pair, other| pair.key = other.key.clone(),
        |pair, other| pair.ca.clone_from(&other.ca),
        |pair, _| pair.certificate = "garbage".to_owned(),
        |pair, _| pair.expires_at = later(pair.expires_at, SignedDuration::from_secs(1)),
        |pair, _| pair.expires_at = at(START),
    ];
    for (number, spoil) in spoil.into_iter().enumerate() {
        let mut case = CertificateCase::begun();
        let mut spoiled = good.clone();
        spoil(&mut spoiled.current, &other);
        case.stored = Some(spoiled);
        assert!(case.step().is_usable(&case.names, case.now), "{number}");
        assert_eq!(case.made, 2, "{number}");

        // A successor that cannot be used is made again when it is due.
        let mut spoiled = good.clone();
        let mut next = Successor { pair: good.current.clone(), served_from: Some(at(START)) };
        spoil(&mut next.pair, &other);
        spoiled.next = Some(next);
        case.stored = Some(spoiled);
        assert_eq!(case.step(), good, "{number}");
    }
}

#[test]
fn other_names_need_another_certificate() {
    let mut case = CertificateCase::begun();
    case.names.push("other.b.svc".to_owned());
    let first = case.stored.clone();
    case.remembered = first.clone();
    assert!(case.step().is_usable(&case.names, case.now));
    assert_ne!(case.stored, first);
}

#[test]
fn a_clock_that_was_ahead_plans_nothing_for_later_than_a_day() {
    let mut case = CertificateCase::begun();
    case.advance_by(60 * DAY);
    case.publish();
    let mut state = case.step();
    state.next.as_mut().unwrap().served_from = Some(at(START + 900 * DAY));
    state.previous = Some(Predecessor { ca: "ca".to_owned(), until: at(START + 900 * DAY) });
    case.stored = Some(state);
    let state = case.step();
    let latest = at(case.now.as_second() + DAY);
    assert_eq!((state.next.unwrap().served_from, state.previous.unwrap().until), (Some(latest), latest));
    // One that is not valid yet is not served.
    case.now = at(START - 2 * DAY);
    assert!(case.step().is_usable(&case.names, case.now));
}

#[test]
fn data_that_is_not_complete_is_no_certificate() {
    let state = CertificateCase::begun().stored.unwrap();
    let data = state.data();
    for key in data.keys() {
        let mut data = data.clone();
        data.remove(key);
        assert_eq!(StoredCertificates::read(&data), None, "{key}");
    }
}
