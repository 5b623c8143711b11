//! Each reason alone and with every other, and what silences them all. The other files
//! hold the single cases; the helpers are here.

mod beside;
mod once;
mod reasons;
mod sessions;
mod waiting;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::*;
use crate::domain::model::{THEM, World, at, credentials};

/// Ten minutes after an hour's URL was issued: nothing is due for half an hour.
fn settled() -> World {
    issued(|_| {})
}

/// The same with another request or other credentials.
fn issued(edit: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    edit(&mut world);
    world.act(world.decide());
    world.now = at(600);
    world
}

fn reason(world: &World) -> Option<IssueReason> {
    match world.decide() {
        Decision::Issue { reason, .. } => Some(reason),
        Decision::Keep { .. } | Decision::Repair | Decision::End | Decision::Wait { .. } => None,
    }
}

fn wait_reason(world: &World) -> Option<WaitReason> {
    match world.decide() {
        Decision::Wait { reason } => Some(reason),
        Decision::Keep { .. } | Decision::Repair | Decision::End | Decision::Issue { .. } => None,
    }
}

fn keep(second: i64) -> Decision {
    Decision::Keep { until: at(second) }
}

fn them(world: &mut World, edit: impl FnOnce(&mut Secret)) {
    let now = world.now;
    world.server.update(THEM, now, edit);
}

fn put(secret: &mut Secret, key: &str, value: &[u8]) {
    secret.data.get_or_insert_default().insert(key.to_owned(), ByteString(value.to_vec()));
}

fn take(secret: &mut Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_mut().unwrap().remove(key).unwrap().0).unwrap()
}

/// What is stored as `key`.
fn text(world: &World, key: &str) -> String {
    take(&mut world.server.get().unwrap(), key)
}

/// Replaces the URL by what somebody makes of it.
fn replace_url(world: &mut World, edit: impl FnOnce(String) -> String) {
    them(world, |secret| {
        let url = edit(take(secret, "url"));
        put(secret, "url", url.as_bytes());
    });
}

/// What a test does to the world.
type Act = fn(&mut World);

/// In the order of precedence.
const REASONS: [IssueReason; 7] = [
    IssueReason::Missing,
    IssueReason::Expired,
    IssueReason::SpecChanged,
    IssueReason::CredentialsChanged,
    IssueReason::Drifted,
    IssueReason::Requested,
    IssueReason::RenewalDue,
];

fn bring_about(reason: IssueReason, world: &mut World) {
    match reason {
        IssueReason::Missing => world.server.delete(),
        IssueReason::Expired => world.now = at(3600),
        IssueReason::SpecChanged => world.request.key.push('x'),
        IssueReason::CredentialsChanged => world.credentials = Some(credentials("OTHER", None)),
        IssueReason::Drifted => replace_url(world, |url| format!("{url}0")),
        IssueReason::Requested => world.request.renew = Some("please".to_owned()),
        IssueReason::RenewalDue => world.now = at(2400),
    }
}

/// A world with each of the reasons for which `chosen` has a bit, and those reasons.
fn beset(chosen: usize) -> (World, Vec<IssueReason>) {
    let reasons: Vec<_> =
        REASONS.into_iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, r)| r).collect();
    let mut world = settled();
    reasons.iter().rev().for_each(|reason| bring_about(*reason, &mut world));
    (world, reasons)
}

#[test]
fn the_first_of_several_reasons_wins() {
    for chosen in 0..1 << REASONS.len() {
        let (world, reasons) = beset(chosen);
        let first = reasons.first().copied();
        // Of a URL that is not ours, nothing tells whether ours would have differed too.
        let hidden = [IssueReason::SpecChanged, IssueReason::CredentialsChanged];
        let is_hidden = first.is_some_and(|first| hidden.contains(&first));
        let expected = if is_hidden && reasons.contains(&IssueReason::Drifted) {
            Some(IssueReason::Drifted)
        } else {
            first
        };
        assert_eq!(reason(&world), expected, "{reasons:?}");
    }
}

#[test]
fn after_any_issue_the_new_url_is_kept() {
    for chosen in 1..1 << REASONS.len() {
        let (mut world, reasons) = beset(chosen);
        world.act(world.decide());
        let renewal = world.now.as_second() - at(0).as_second() + 2400;
        assert_eq!(world.decide(), keep(renewal), "{reasons:?}");
    }
}

#[test]
fn nothing_is_issued_or_written_while_suspended() {
    for chosen in 0..1 << REASONS.len() {
        let (mut world, reasons) = beset(chosen);
        world.request.suspend = true;
        world.request.target.labels.insert("team".to_owned(), "a".to_owned());
        assert_eq!(wait_reason(&world), Some(WaitReason::Suspended), "{reasons:?}");
        world.credentials = None;
        assert_eq!(wait_reason(&world), Some(WaitReason::Suspended), "{reasons:?}");
    }
}

#[test]
fn nothing_is_issued_or_written_without_credentials() {
    for chosen in 0..1 << REASONS.len() {
        let (mut world, reasons) = beset(chosen);
        world.request.target.labels.insert("team".to_owned(), "a".to_owned());
        world.credentials = None;
        assert_eq!(wait_reason(&world), Some(WaitReason::NoCredentials), "{reasons:?}");
    }
}
