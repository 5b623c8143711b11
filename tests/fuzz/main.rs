//! The targets of `fuzz/` on a stable compiler: their seeds, and mutations of these, a hundred at least,
//! for a time each (`FUZZ_SECONDS`, 2 by default; `FUZZ_SEED` begins elsewhere). `make fuzz` runs them
//! for longer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;
mod mutation;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bodies::{Body, TARGETS};
use mutation::Mutations;
use presign_operator::domain::{SignedForm, UrlParts};
use testbed::number;

/// The fewest inputs of a target, however slow the machine is.
const FEWEST: u32 = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Keeps an input that fails where it can be found, and tried again as a seed.
fn run(target: &str, body: Body, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| body(input))).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        std::fs::write(&file, input).unwrap();
        panic!("{target} fails with the input in {}: copy it into fuzz/seeds/{target}", file.display());
    }
}

/// Runs a target on its seeds and what becomes of them.
fn fuzz(target: &str) {
    let (_, body) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    assert!(seeds.len() > 1, "{target} has no seeds");
    for seed in &seeds {
        run(target, body, seed);
    }
    let seed = number("FUZZ_SEED", 7);
    println!("{target}: FUZZ_SEED={seed}");
    let mut mutations = Mutations::new(seeds, seed);
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS", 2));
    let mut count = 0_u32;
    while Instant::now() < end || count < FEWEST {
        run(target, body, &mutations.next());
        count += 1;
    }
    eprintln!("{target}: {count} inputs");
}

#[test]
fn manifests() {
    fuzz("manifest");
}

#[test]
fn objects() {
    fuzz("object");
}

#[test]
fn secrets() {
    fuzz("secret");
}

#[test]
fn signatures() {
    fuzz("sign");
}

#[test]
fn stored_urls() {
    fuzz("stored");
}

#[test]
fn every_folder_of_seeds_has_its_target_and_its_binary() {
    let mut folders: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

/// What the seeds are there for: most of them get past the first check.
#[test]
fn the_seeds_are_not_refused_at_the_door() {
    let is_read = |seed: &Vec<u8>| {
        let text = str::from_utf8(seed).unwrap();
        let form = || SignedForm::read(text).and_then(|(url, _)| UrlParts::read_form(&url, text));
        UrlParts::read(text).or_else(form).is_some()
    };
    assert!(seeds("stored").iter().all(is_read));
    let is_object =
        |seed: &&Vec<u8>| serde_json::from_slice::<presign_operator::crd::PresignedUrl>(seed).is_ok();
    assert!(seeds("object").iter().filter(is_object).count() >= 4);
    // What is refused at the first line leads mutations nowhere.
    for target in ["manifest", "sign"] {
        // After a zero byte come the values of the Secret.
        let manifest = |seed: &[u8]| signed(seed.split(|byte| *byte == 0).next().unwrap()) > 0;
        assert!(seeds(target).iter().all(|seed| manifest(seed)), "{target}");
    }
    let of_sign = seeds("sign");
    let has_values = |seed: &&Vec<u8>| seed.split(|byte| *byte == 0).count() >= 3;
    assert!(of_sign.iter().filter(has_values).count() * 2 >= of_sign.len(), "too few seeds have a Secret");
}

/// How many URLs the command signs for a manifest, which it must take as a whole.
fn signed(manifest: &[u8]) -> usize {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presign-operator"));
    command.args(["sign", "-f", "-"]).env_clear();
    command.envs([("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
    let manifest = str::from_utf8(manifest).unwrap();
    let output = testbed::feed(&mut command, manifest).unwrap();
    assert!(output.status.success(), "{}\n{manifest}", String::from_utf8_lossy(&output.stderr));
    let urls = String::from_utf8(output.stdout).unwrap();
    // Of a form, only the address that it is sent to is printed.
    let is_of_form = |url: &str| manifest.contains("method: POST") && !url.contains('?');
    assert!(urls.lines().all(|url| UrlParts::read(url).is_some() || is_of_form(url)), "{urls}");
    urls.lines().count()
}
