//! The operator and the plain client in turns at the same writes: the speed of a machine
//! drifts within minutes, so a ceiling of before or after would be that of another machine.

use std::time::{Duration, Instant};

use testbed::{Binary, processor_seconds};

use super::ceiling::{NAMESPACE, Sample, Written};
use super::follow::Follower;
use super::operator::Operator;
use super::plain;
use super::result::Turns;
use super::scene::Scene;
use super::watches::Watch;

/// How many turns each side has: one for so many objects, an even number, at most twenty.
const OBJECTS_A_TURN: usize = 1_000;
const MOST_TURNS: usize = 20;
/// How many objects the plain client writes in a turn at most, and for how long: nothing
/// of the operator that it interrupts may run into a deadline.
const WRITES: usize = 1_000;
const LONGEST: Duration = Duration::from_secs(8);
/// How many objects the plain client has under way at a time, in turn.
const WIDTHS: [usize; 2] = [16, 32];

/// How many turns, and how many objects of the plain client in each.
fn plan(objects: usize) -> (usize, usize) {
    let turns = (objects / OBJECTS_A_TURN).clamp(WIDTHS.len(), MOST_TURNS) & !1;
    (turns, WRITES.min(objects / turns))
}

/// Makes what the plain client writes beside so many objects of the operator.
pub(crate) async fn prepare(scene: &Scene, sample: &Sample, objects: usize) -> Written {
    let (turns, writes) = plan(objects);
    Written::prepare(scene, sample, turns * writes).await
}

/// Writes what the plain client has not yet written of what it will write beside so many
/// objects, and has it write all that again.
pub(crate) async fn prepare_again(scene: &Scene, sample: &Sample, objects: usize, written: &mut Written) {
    let (turns, writes) = plan(objects);
    written.write(&scene.client, 0..turns * writes, WIDTHS[0], Duration::MAX).await;
    written.sign_again(&scene.client, sample).await;
}

/// Follows the operator through so many objects in turns with the plain client, and returns
/// the operator's turns and the plain client's at each width.
pub(crate) async fn take(
    scene: &Scene,
    operator: &Operator,
    follower: &mut Follower<'_>,
    objects: usize,
    written: &Written,
) -> Vec<Turns> {
    let _held = Watch::like_the_operators(&scene.client, NAMESPACE).await;
    // The operator is observed too.
    let path = plain::presigned_urls(NAMESPACE);
    let _observer = Watch::open(&scene.client, &path, "", false).await;
    let mut sides = vec![Turns::default(); 1 + WIDTHS.len()];
    for (side, width) in sides[1..].iter_mut().zip(WIDTHS) {
        side.width = width;
    }
    let (turns, writes) = plan(objects);
    follower.until(1).await;
    for turn in 0..turns {
        let begun = Begun::now(scene, operator);
        let before = follower.done();
        follower.until((objects * (turn + 1) / turns) as u64).await;
        operator.signal("STOP");
        begun.end(&mut sides[0], follower.done() - before, scene, operator);
        let plain = async {
            // What was on its way arrives, and is nobody's.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let begun = Begun::now(scene, operator);
            let side = &mut sides[1 + turn % WIDTHS.len()];
            let part = turn * writes..(turn + 1) * writes;
            let count = written.write(&scene.client, part, side.width, LONGEST).await;
            begun.end(side, count as u64, scene, operator);
            operator.signal("CONT");
        };
        follower.pause(plain).await;
    }
    sides
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
        Self(
            Instant::now(),
            processes.map(|(name, pid)| (name, processor_seconds(pid).expect("it runs"))).to_vec(),
        )
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
