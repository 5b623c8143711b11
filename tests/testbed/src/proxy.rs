//! A way to the API server on which things can go wrong.
//!
//! Plain HTTP from the client under test to here; from here on through `kubectl proxy`,
//! which knows TLS and tokens. What goes wrong is decided request by request, by the
//! [`Fault`]s that are in force.
//!
//! A request whose sender goes away while it is held goes away too, as one that had not
//! reached the API server; with one exception, [`Fault::Buffer`].

mod asked;
mod chance;
mod events;
mod fault;
mod forward;
mod hold;
mod record;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, bail};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Binary, ControlPlane, Program,
    disk::write,
    locate,
    serving::{self, Caller, Serving},
};
use asked::Asked;
use events::{Events, Paused};
use hold::HoldPoint;

pub use chance::{Chance, Chances};
pub use events::{Awaited, Pause, WatchEvent};
pub use fault::{Fault, Match};
pub use hold::Hold;
pub use record::{Recorded, Sent, Shown};

#[derive(Clone)]
enum Action {
    Fault(Fault),
    Hold { place: HoldPoint, is_after: bool },
}

/// How open watches end.
#[derive(Clone, Copy, Default)]
enum Ending {
    /// In the middle, as a connection that breaks.
    #[default]
    Reset,
    /// With the event that the client comes too late.
    Gone,
}

struct Rule {
    matching: Match,
    action: Action,
    /// How often it still applies.
    left: u64,
}

/// A running proxy; what it forwards ends when it is dropped.
pub struct Proxy {
    serving: Serving,
    kubeconfig: PathBuf,
    shared: Arc<ProxyState>,
    // Last: it has to outlive what goes through it.
    _upstream: Program,
}

struct ProxyState {
    client: Caller,
    upstream: u16,
    rules: Mutex<Vec<Rule>>,
    /// Sent to end every watch that is open.
    endings: watch::Sender<Ending>,
    /// What somebody waits for that a watch is to show.
    events: Arc<Events>,
    paused: Paused,
    /// Sent when everything is well again.
    healings: watch::Sender<()>,
    /// Method and path of every request, in order.
    seen: watch::Sender<Vec<String>>,
    by_chance: chance::ByChance,
}

impl Proxy {
    /// Starts a proxy in front of a control plane.
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        let (upstream, program) = upstream(plane)?;
        let shared = Arc::new(ProxyState {
            client: serving::caller(),
            upstream,
            rules: Mutex::default(),
            endings: watch::Sender::default(),
            events: Arc::default(),
            paused: Arc::default(),
            healings: watch::Sender::default(),
            seen: watch::Sender::default(),
            by_chance: chance::ByChance::default(),
        });
        let answering = shared.clone();
        let serving = Serving::start(move |request| forward::answer(answering.clone(), request))?;
        let kubeconfig = program.folder().join("proxy.kubeconfig");
        write(&kubeconfig, kubeconfig_text(serving.port(), ""))?;
        Ok(Self { serving, kubeconfig, shared, _upstream: program })
    }

    /// The kubeconfig of whoever goes through the proxy, with all rights.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the proxy: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.serving.port())
    }

    /// A kubeconfig for whoever goes through the proxy with a token of their own, such as
    /// that of a service account. Not for kubectl, which sends no token over plain HTTP.
    pub fn kubeconfig_for(&self, name: &str, token: &str) -> Result<PathBuf> {
        let path = self.kubeconfig.with_file_name(format!("{name}.kubeconfig"));
        write(&path, kubeconfig_text(self.serving.port(), &format!("token: '{token}'")))?;
        Ok(path)
    }

    /// Lets a fault happen to the next `times` requests that match.
    pub fn fault(&self, matching: Match, times: u64, fault: Fault) {
        self.add(matching, times, Action::Fault(fault));
    }

    /// Holds the next request that matches before it reaches the API server.
    pub fn hold(&self, matching: Match) -> Hold {
        self.add_hold(matching, false)
    }

    /// Holds the answer to the next request that matches, which the API server has carried
    /// out by then.
    pub fn hold_answer(&self, matching: Match) -> Hold {
        self.add_hold(matching, true)
    }

    /// A handle on the next event of this kind that a watch delivers through the proxy.
    pub fn expect(&self, event: WatchEvent) -> Awaited {
        self.shared.events.expect(event)
    }

    /// How many requests the faults and holds in force still wait for.
    pub fn unmet(&self) -> usize {
        let left = self.shared.rules.lock().iter().map(|rule| rule.left).fold(0_u64, u64::saturating_add);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Ends all faults; what is held stays held, what hangs until then goes on.
    pub fn heal(&self) {
        self.shared.rules.lock().clear();
        self.shared.healings.send_replace(());
    }

    /// Breaks every watch that is open.
    pub fn cut_watches(&self) {
        self.shared.endings.send_replace(Ending::Reset);
    }

    /// Ends every watch that is open by telling it that it comes too late (410 Gone).
    pub fn expire_watches(&self) {
        self.shared.endings.send_replace(Ending::Gone);
    }

    /// Lets the watches of a resource, which is called by its plural, deliver nothing for as
    /// long as this lives.
    pub fn pause_watches(&self, resource: impl Into<String>) -> Pause {
        Pause::begin(self.shared.paused.clone(), resource.into())
    }

    /// Makes the API server one that cannot stream lists.
    pub fn refuse_streaming_lists(&self) {
        let streaming = Match::new("GET", "watch=").and("sendInitialEvents=true");
        self.fault(streaming, u64::MAX, Fault::NoStreamingLists);
    }

    /// Lets things go wrong by chance from now on, where no fault or hold is for a request;
    /// nothing more of that with `None`. Events of watches come late only where a record is
    /// kept.
    pub fn set_chances(&self, chances: Option<Chances>) {
        self.shared.by_chance.set(chances);
    }

    /// Keeps a record of what is sent, and of what watches that begin later deliver.
    pub fn keep_record(&self) {
        self.shared.by_chance.record.keep();
    }

    /// Takes what was recorded since the last time, in order. A write that is under way then
    /// stays without its answer.
    pub fn take_record(&self) -> Vec<Recorded> {
        self.shared.by_chance.record.take()
    }

    /// Method and path of every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until `count` requests whose "METHOD path" contains `text` have come, or gives
    /// up at the deadline and says `false`.
    pub async fn wait_for(&self, text: &str, count: usize, deadline: Duration) -> bool {
        let mut seen = self.shared.seen.subscribe();
        let enough = |seen: &Vec<String>| seen.iter().filter(|line| line.contains(text)).count() >= count;
        tokio::time::timeout(deadline, seen.wait_for(enough)).await.is_ok_and(|seen| seen.is_ok())
    }

    fn add_hold(&self, matching: Match, is_after: bool) -> Hold {
        let (place, hold) = HoldPoint::new();
        self.add(matching, 1, Action::Hold { place, is_after });
        hold
    }

    fn add(&self, matching: Match, times: u64, action: Action) {
        self.shared.rules.lock().push(Rule { matching, action, left: times });
    }
}

impl ProxyState {
    /// What is to happen to a request: the first rule that matches and still applies. A
    /// rule that spares it leaves it to the next one.
    fn action(&self, asked: &Asked<'_>) -> Option<Action> {
        self.seen.send_modify(|seen| seen.push(format!("{} {}", asked.method, asked.path)));
        let mut rules = self.rules.lock();
        let rule = rules
            .iter_mut()
            .filter(|rule| rule.left > 0 && rule.matching.is_met(asked))
            .find_map(|rule| (!rule.matching.spares()).then_some(rule))?;
        rule.left -= 1;
        Some(rule.action.clone())
    }
}

/// Starts `kubectl proxy` and waits until it says on which port it listens.
fn upstream(plane: &ControlPlane) -> Result<(u16, Program)> {
    let kubeconfig = plane.kubeconfig().display().to_string();
    let arguments = ["proxy", "--port=0", "--accept-paths=.*", "--kubeconfig", &kubeconfig];
    let program = Program::start("kubectl-proxy", locate(Binary::Kubectl)?, arguments, [])?;
    let Some(port) = program.port_after(&["Starting to serve on "]) else {
        program.check()?;
        bail!("kubectl-proxy does not say where it listens:\n{}", program.log());
    };
    Ok((port, program))
}

fn kubeconfig_text(port: u16, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
         clusters: [{{name: proxy, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: proxy, user: {{{user}}}}}]\n\
         contexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}]\n"
    )
}
