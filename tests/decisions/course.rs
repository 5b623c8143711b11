//! One `PresignedUrl` whose signer changes its mind, or whose URL is signed only once: the operator
//! plans, writes and waits, and a judge (`claims`) who knows what happened (`past`) looks at all of it.
//!
//! Writes do not fail here, and the clock is right: `life` has these. The properties are in `walks`.

#[path = "course/claims.rs"]
mod claims;
#[path = "course/happenings.rs"]
mod happenings;
#[path = "course/mended.rs"]
mod mended;
#[path = "course/past.rs"]
mod past;
#[path = "course/walks.rs"]
mod walks;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use self::happenings::{Happening, Word};
use self::past::Past;
use crate::arbitrary::{Edit, Idle};
use crate::crd::{PresignedUrlStatus, SignerKind, SignerRef};
use crate::domain::ended::end_patch;
use crate::domain::finish::{Done, Next, Outcome, ReportContext, finish};
use crate::domain::history::{History, Inputs};
use crate::domain::plan::{self, Action, Plan};
use crate::domain::policy::Requester;
use crate::domain::resolve::{ConnectionSettings, ResolveContext, resolve};
use crate::domain::status::{ReportedUrl, next_status};
use crate::domain::{Ownership, Request};
use crate::model::{self, OUR_UPDATE, World, at, owner};

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// Whether the operator may write the Secret.
fn is_writable(world: &World) -> bool {
    let stored = world.stored();
    stored.is_none_or(|it| Ownership::of(&it, &owner()) == Ownership::Ours && !it.is_fixed)
}

/// The request of a namespace that its signer does not serve: nothing of the signer is in it.
fn unserved(request: &Request) -> Request {
    let mut spec = model::spec();
    let reference = SignerRef { kind: Some(SignerKind::ClusterSigner), name: "media".to_owned() };
    (spec.s3, spec.signer_ref) = (None, Some(reference));
    let settings = ConnectionSettings::default();
    let nobody = ResolveContext { settings: &settings, signer: None, labels: None };
    let stranger = resolve(Requester::new("team-a", "report"), &spec, None, &nobody).unwrap().request;
    Request { connection: stranger.connection, credentials: stranger.credentials, ..request.clone() }
}

/// How a course begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub seed: u32,
    pub expires_in: u32,
    /// Whether the URL is signed only once.
    pub is_once: bool,
    /// How long after its URL has expired the object is deleted, in seconds.
    pub ttl: Option<u32>,
    /// Whether a signer provides the credentials.
    pub has_signer: bool,
}

/// See the head of the file.
pub struct Course {
    world: World,
    /// What the signer says.
    word: Word,
    history: History,
    status: PresignedUrlStatus,
    generation: i64,
    credentials_version: u64,
    /// When to reconcile next; `None` once the object is deleted.
    next: Option<Timestamp>,
    past: Past,
}

impl Course {
    /// A `PresignedUrl` is created, with an access key that does not expire.
    pub fn begin(start: Start) -> Self {
        let mut world = World { seed: start.seed, ..World::new() };
        world.request.expires_in = start.expires_in;
        world.request.is_signed_once = start.is_once;
        world.request.ttl_after_expired = start.ttl.filter(|_| start.is_once);
        let word = if start.has_signer {
            world.request.credentials =
                model::signer().credentials(Requester::new("team-a", "report")).unwrap();
            Word::Allowed(None)
        } else {
            Word::NoSigner
        };
        world.permission = word.permission();
        let mut course = Self {
            world,
            word,
            history: History::default(),
            status: PresignedUrlStatus::default(),
            generation: 1,
            credentials_version: 1,
            next: Some(at(0)),
            past: Past::default(),
        };
        course.reconcile();
        course
    }

    /// Lets all of this happen, with time in between, and returns the claims that were put to the test.
    pub fn run(mut self, happenings: &[(Happening, Idle)]) -> BTreeSet<&'static str> {
        for (happening, idle) in happenings {
            self.idle(*idle);
            self.happen(happening);
        }
        // Whatever was begun comes to its end.
        self.idle(Idle::Expiration(10_000));
        self.past.tried
    }

    /// Something happens, and the operator is told.
    pub fn happen(&mut self, happening: &Happening) {
        let now = self.world.now;
        match happening {
            // The region of a signer is no part of the spec.
            Happening::Edit(Edit::Region(_)) if self.word != Word::NoSigner => {}
            Happening::Edit(edit) => {
                edit.carry_out(&mut self.world.request);
                self.generation += 1;
            }
            Happening::Suspend(suspend) => {
                self.world.request.suspend = *suspend;
                self.generation += 1;
            }
            Happening::Rotate(keys) => {
                self.world.credentials = keys.at(now);
                self.credentials_version += 1;
            }
            Happening::Touch(touch) => {
                self.past.note_touch(*touch);
                touch.carry_out(&mut self.world.server, now);
            }
            Happening::Restart => self.history = History::default(),
            Happening::Say(_) if self.word == Word::NoSigner => {}
            Happening::Say(word) => self.say(*word),
        }
        self.past.note_inputs(&self.world);
        if self.next.is_some() {
            self.reconcile();
        }
    }

    fn say(&mut self, word: Word) {
        self.word = word;
        self.world.permission = word.permission();
        self.world.request.cap = match word {
            Word::Allowed(cap) => cap,
            Word::NoSigner | Word::Audited | Word::Denied { .. } | Word::Unserved { .. } => None,
        };
    }

    /// Time goes by, with all the reconciles that fall due.
    pub fn idle(&mut self, idle: Idle) {
        let (now, lifetime) = (self.world.now, i64::from(self.world.request.lifetime()));
        let end = self.world.credentials.as_ref().and_then(|credentials| credentials.expiration);
        let until = |time: Option<Timestamp>, seconds| {
            time.map_or(0, |time| time.as_second() - now.as_second() + seconds)
        };
        let seconds = match idle {
            Idle::Seconds(seconds) => seconds,
            Idle::Lifetimes(percentage) => lifetime * percentage / 100,
            Idle::Reconcile(seconds) => until(self.next, seconds),
            Idle::Expiration(seconds) => until(self.past.expiration(), seconds),
            Idle::Credentials(seconds) => until(end, seconds),
        };
        // More of the same renewals would say nothing new.
        let end = after(now, seconds.clamp(0, lifetime * 10));
        let mut at_once = 0;
        while let Some(next) = self.next.filter(|next| *next <= end) {
            at_once = if next <= self.world.now { at_once + 1 } else { 0 };
            assert!(at_once <= 3, "reconciles again and again at once");
            self.world.now = next.max(self.world.now);
            self.reconcile();
        }
        self.world.now = end;
    }

    /// One reconcile, in the order of the shell: the plan, the Secret, the object itself, the report.
    fn reconcile(&mut self) {
        let plan = self.plan();
        let before = self.past.before(&self.world, self.word);
        self.past.judge_plan(&self.world, &before, &plan);
        let done = self.carry_out(&plan);
        let now = self.world.now;
        let outcome = Outcome { ended_at: now, result: Ok(done), prune_at: None };
        let context = ReportContext { generation: Some(self.generation), ..ReportContext::default() };
        let finish = finish(&plan, &outcome, &self.history, context);
        self.status = next_status(&self.status, finish.report.as_ref().unwrap(), now);
        self.history = finish.history;
        let is_deleted = plan.delete_at.is_some_and(|time| time <= now);
        self.next = (!is_deleted).then_some(match finish.next {
            Next::At(time) => time,
            // Every change is told here, so the safety net finds nothing.
            Next::OnChange(time) => time.unwrap_or(Timestamp::MAX),
        });
        self.past.judge_result(&self.world, &before, &plan, self.next);
    }

    /// The plan of the shell, which looks at no credentials if the request is denied, and renders nothing
    /// for a namespace that the signer does not serve.
    fn plan(&self) -> Plan {
        let mut seen = self.world.clone();
        if !self.word.is_granted() {
            seen.credentials = None;
        }
        let is_unserved = matches!(self.word, Word::Unserved { .. });
        if is_unserved {
            seen.request = unserved(&seen.request);
        }
        let inputs = Inputs {
            generation: Some(self.generation),
            renew: seen.request.renew.as_deref().map(Into::into),
            credentials: if self.word.is_granted() { self.credentials_version } else { 0 },
            sessions: 0,
            signer: None,
        };
        let was_issued = self.status.signing_time.is_some();
        seen.observe(&self.history, &inputs, was_issued, |mut observation| {
            if is_unserved {
                observation.rendered = Ok(None);
            }
            plan::plan(&observation)
        })
    }

    fn carry_out(&mut self, plan: &Plan) -> Done {
        let before = self.world.server.get();
        let done = match plan.action {
            Action::Nothing | Action::GetSession { .. } => return Done::Nothing,
            Action::End { why, request } => {
                let was_ours = self.world.stored().is_some_and(|stored| stored.is_url_ours);
                let patch = end_patch(before.as_ref().unwrap(), why, request).unwrap();
                self.world.server.patch(OUR_UPDATE, &patch, self.world.now).unwrap();
                self.past.note_ended(why, was_ours);
                Done::Ended
            }
            Action::Repair => {
                let rendered = self.world.rendered().unwrap();
                self.world.write(rendered, plan.reads_first).unwrap();
                self.past.note_repaired(&self.world);
                Done::Repaired
            }
            Action::Create { validity, .. } | Action::Replace { validity, .. } => {
                let fresh = self.world.fresh(validity);
                self.past.note_signed(&self.world, validity);
                self.world.write(fresh, plan.reads_first).unwrap();
                let World { request, credentials, seed, .. } = &self.world;
                Done::Issued(ReportedUrl::new(request, validity, credentials.as_ref(), *seed))
            }
        };
        assert_ne!(before, self.world.server.get(), "writes what is there already");
        done
    }
}
