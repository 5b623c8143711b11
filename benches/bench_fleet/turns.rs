//! The issuance, in turns with the plain client at the same writes: the speed of a machine
//! drifts within minutes, so a ceiling of before or after would be that of another machine.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testbed::Binary;

use super::calls::Calls;
use super::ceiling::{NAMESPACE, Sample, Written};
use super::follow::Follower;
use super::latency::{self, Spread};
use super::operator::Operator;
use super::result::{Turns, Writing};
use super::scene::{FLEET, Scene};
use super::watches::Watch;
use super::{plain, processor};

/// How many turns each side has: one for so many objects, an even number, at most twelve.
const OBJECTS_A_TURN: usize = 2_500;
const MOST_TURNS: usize = 12;
/// How many objects the plain client writes in a turn at most, and for how long: nothing
/// of the operator that it interrupts may run into a deadline.
const WRITES: usize = 1_500;
pub(crate) const LONGEST: Duration = Duration::from_secs(8);
/// How many objects the plain client has under way at a time, in turn.
const WIDTHS: [usize; 2] = [16, 32];

/// Starts an operator that finds everything to do, and lets it finish. Also returns how
/// long somebody else's writes took meanwhile.
pub(crate) async fn issue(
    scene: &Scene,
    sample: &Sample,
    objects: usize,
) -> (Operator, Writing, Vec<Turns>, Spread) {
    let turns = (objects / OBJECTS_A_TURN).clamp(WIDTHS.len(), MOST_TURNS) & !1;
    let writes = WRITES.min(objects / turns);
    let written = Written::prepare(scene, sample, turns * writes).await;
    let _held = Watch::like_the_operators(&scene.client, NAMESPACE).await;
    let observe = |namespace: &str| format!("{}/{namespace}/presignedurls", plain::GROUP);
    // Each side is observed.
    let _observer = Watch::open(&scene.client, &observe(NAMESPACE), "", false).await;
    let observer = Watch::open(&scene.client, &observe(FLEET), "", false).await;

    let operator = Operator::start(scene);
    let mut follower = Follower::new(&observer, &operator, objects as u64);
    let mut sides = vec![Turns::default(); 1 + WIDTHS.len()];
    let done = AtomicBool::new(false);
    let taken = async {
        follower.until(1).await;
        for turn in 0..turns {
            let begun = Begun::now(scene, &operator);
            let before = follower.done();
            follower.until((objects * (turn + 1) / turns) as u64).await;
            signal(&operator, "-STOP");
            begun.end(&mut sides[0], follower.done() - before, scene, &operator);
            let side = turn % WIDTHS.len();
            let part = turn * writes..(turn + 1) * writes;
            let plain = async {
                // What was on its way arrives, and is nobody's.
                tokio::time::sleep(Duration::from_millis(300)).await;
                let begun = Begun::now(scene, &operator);
                let count = written.write(&scene.client, part, WIDTHS[side], LONGEST).await;
                begun.end(&mut sides[1 + side], count as u64, scene, &operator);
                signal(&operator, "-CONT");
            };
            follower.pause(plain).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let others = latency::of_others(&scene.client, || done.load(Ordering::Relaxed));
    let ((), others) = tokio::join!(taken, others);
    for (side, width) in sides[1..].iter_mut().zip(WIDTHS) {
        side.width = width;
    }
    let mut writing = follower.end();
    operator.quiet().await;
    writing.calls = operator.calls().await.since(&Calls::default());
    (operator, writing, sides, others)
}

fn signal(operator: &Operator, signal: &str) {
    assert!(Command::new("kill").args([signal, &operator.pid().to_string()]).status().unwrap().success());
}

/// A turn that has begun: when, and what each process had used by then.
struct Begun(Instant, Vec<(&'static str, f64)>);

impl Begun {
    fn now(scene: &Scene, operator: &Operator) -> Self {
        let component = |binary| scene.plane.pid(binary).expect("it runs");
        let processes = [
            ("etcd", component(Binary::Etcd)),
            ("kube-apiserver", component(Binary::KubeApiserver)),
            ("kube-controller-manager", component(Binary::KubeControllerManager)),
            ("presign-operator", operator.pid()),
            ("benchmark", std::process::id()),
        ];
        Self(Instant::now(), processes.map(|(name, pid)| (name, processor::seconds(pid))).to_vec())
    }

    /// Adds the turn, in which so many objects were written.
    fn end(self, turns: &mut Turns, objects: u64, scene: &Scene, operator: &Operator) {
        let seconds = self.0.elapsed().as_secs_f64();
        turns.objects += objects;
        turns.seconds += seconds;
        turns.rates.push(objects as f64 / seconds);
        let Self(_, after) = Self::now(scene, operator);
        for ((name, before), (_, after)) in self.1.into_iter().zip(after) {
            *turns.processor_seconds.entry(name).or_default() += after - before;
        }
    }
}
