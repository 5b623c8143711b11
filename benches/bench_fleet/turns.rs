//! The operator and the plain client in turns of seconds, since the speed of a machine drifts
//! within minutes: first issues of a fleet, interrupted by the same writes of the plain client.

use std::process::Command;
use std::time::{Duration, Instant};

use super::operator::Operator;
use super::scene::{FLEET, Scene};
use super::watches::Watch;
use super::{bulk, ceiling, plain, stages};

const TURNS: usize = 16;
/// How long a turn of the operator takes.
const TURN: Duration = Duration::from_secs(12);
/// How many objects the plain client writes in its turn: some three seconds, far less than
/// the operator's lease.
const WRITES: usize = 600;
const WIDTHS: [usize; 2] = [16, 32];

/// Prints both rates of each turn, and the ratio of all.
pub(crate) async fn run(objects: usize) {
    let scene = Scene::set().await;
    let operator = Operator::start(&scene);
    operator.ready().await;
    let sample = scene.sample(&operator).await;
    operator.stop();
    bulk::create(&scene.client, FLEET, objects, stages::fleet_object).await;
    let written = ceiling::Written::prepare(&scene, &sample, TURNS * WRITES).await;
    println!("{objects} objects exist, and {} of the plain client", TURNS * WRITES);

    let _held = Watch::like_the_operators(&scene.client, ceiling::NAMESPACE).await;
    let path = format!("{}/{FLEET}/presignedurls", plain::GROUP);
    let observer = Watch::open(&scene.client, &path, "", false).await;
    let operator = Operator::start(&scene);
    while observer.events() < 100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut issued, mut seconds, mut plain) = (0, 0.0, [Vec::new(), Vec::new()]);
    for turn in 0..TURNS {
        let (before, begun) = (observer.events(), Instant::now());
        tokio::time::sleep(TURN).await;
        signal(&operator, "-STOP");
        let (count, time) = (observer.events() - before, begun.elapsed().as_secs_f64());
        (issued, seconds) = (issued + count, seconds + time);
        // What was on its way arrives, and is nobody's.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let width = WIDTHS[turn % WIDTHS.len()];
        let rate = written.write(&scene.client, turn * WRITES..(turn + 1) * WRITES, width).await;
        plain[turn % WIDTHS.len()].push(rate);
        signal(&operator, "-CONT");
        println!("operator {:.0}/s, plain client ({width} at a time) {rate:.0}/s", count as f64 / time);
    }
    operator.stop();
    let mean = |rates: &Vec<f64>| rates.iter().sum::<f64>() / rates.len() as f64;
    let best = plain.iter().map(mean).fold(0.0, f64::max);
    let rate = issued as f64 / seconds;
    println!(
        "{objects} objects, {TURNS} turns: operator {rate:.0}/s, plain client {best:.0}/s: {:.2}",
        rate / best
    );
}

fn signal(operator: &Operator, signal: &str) {
    assert!(Command::new("kill").args([signal, &operator.pid().to_string()]).status().unwrap().success());
}
