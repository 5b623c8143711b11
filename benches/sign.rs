//! How many URLs one core signs, and how many allocations each takes, beside boto3 and
//! beside the bare cryptography. `make bench-sign` writes the table into
//! `docs/performance.md`.
//!
//! Processor time is measured, not the clock on the wall, so that other work on the machine
//! disturbs little; rounds take turns, and the median of them counts.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod bench_sign;

use bench_sign::boto3::Boto3;
use bench_sign::cases::CASES;
use bench_sign::{measure, table};

/// How often everything is measured.
const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let python =
        arguments.iter().position(|argument| argument == "--python").map(|at| arguments[at + 1].clone());
    let Some(python) = python else {
        println!("sign: needs --python PYTHON, one that has boto3: use make bench-sign");
        return;
    };
    let boto3 = Boto3::new(python);
    let mut rows = Vec::new();
    for case in &CASES {
        case.check_same(&boto3.sample(case));
        let signer = case.signer();
        let mut rounds = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            rounds[0].push(measure::seconds_each(&mut |number| drop(signer.url(number))));
            rounds[1].push(boto3.seconds_each(case));
            rounds[2].push(measure::seconds_each(&mut |number| drop(case.cryptography(number))));
        }
        let [ours, theirs, bare] = rounds.map(measure::median);
        let allocations = measure::allocations_each(&mut |number| drop(signer.url(number)));
        rows.push(table::Row { case: case.name, ours, theirs, bare, allocations });
    }
    let text = table::render(&rows, &boto3.versions());
    println!("{text}");
    if arguments.iter().any(|argument| argument == "--write") {
        table::write(&text);
    }
}
