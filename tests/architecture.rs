//! The house keeps its shape: arrows between rooms point one way, the pure rooms stay
//! pure, files stay small and say what belongs in them.
//!
//! Reads the sources as text. What clippy can see (clocks, the environment) is its to
//! forbid as well; what a sentence means is for a reviewer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end here")]

#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use self::source::{Reference, paths};

/// Room → the rooms that it may look into.
const ARROWS: [(&str, &[&str]); 8] = [
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["controller", "runtime", "s3", "domain", "crd"]),
    ("controller", &["crd", "domain", "s3", "runtime"]),
    ("s3", &["domain"]),
    ("domain", &["crd"]),
    ("crd", &[]),
    ("runtime", &[]),
];

/// Room → paths and words that it may not contain.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    (
        "domain",
        &[
            "async",
            "await",
            "tokio",
            "futures",
            "rand",
            "tracing",
            "kube::Client",
            "kube::Api",
            "kube::runtime",
            "kube::client",
            "kube_runtime",
            "std::env",
            "env::var",
            "std::fs",
            "std::process",
            "std::time::Instant",
            "SystemTime",
            "Timestamp::now",
        ],
    ),
    ("s3", &["kube", "kube_runtime", "k8s_openapi", "std::env", "env::var"]),
];

const LONGEST_FILE: usize = 300;

#[test]
fn the_house_keeps_its_shape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["main.rs", "lib.rs", "crd/mod.rs", "domain/decision.rs", "domain/request/mod.rs"] {
        assert!(names.contains(&name), "did not look at {name}");
    }
    let faults: Vec<_> = files.iter().flat_map(|(name, text)| faults(name, text)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Every source file below `folder`: its path from `root` and its text.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What is wrong with the file `name`, a path from `src`.
fn faults(name: &str, text: &str) -> Vec<String> {
    let room = name.split(['/', '.']).next().unwrap();
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == room) else {
        return vec![format!("src/{name}: {room} is no room of the house")];
    };
    let paths = paths(name, text);
    let mut faults = Vec::new();
    for to in rooms(&paths).iter().filter(|to| *to != room && !allowed.contains(&to.as_str())) {
        faults.push(format!("src/{name}: no arrow leads from {room} to {to}"));
    }
    let forbidden = FORBIDDEN.iter().filter(|(from, _)| *from == room).flat_map(|(_, forbidden)| *forbidden);
    for word in forbidden {
        let run: Vec<_> = word.split("::").collect();
        if paths.iter().any(|path| path.names.windows(run.len()).any(|names| names == run)) {
            faults.push(format!("src/{name}: {word} has no place in {room}"));
        }
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("src/{name}: {lines} lines are more than {LONGEST_FILE}"));
    }
    if !text.starts_with("//! ") {
        faults.push(format!("src/{name}: begins without saying what belongs in it"));
    }
    faults
}

/// The rooms that are looked into.
fn rooms(paths: &[Reference]) -> BTreeSet<String> {
    let room = |path: &Reference| {
        let names: Vec<_> =
            path.names.iter().map(String::as_str).skip_while(|name| *name == "self").collect();
        let ups = names.iter().take_while(|name| **name == "super").count();
        match names[..] {
            ["crate" | "presign_operator", room, ..] => Some(room.to_owned()),
            _ if ups > 0 && ups == path.depth => names.get(ups).map(|room| (*room).to_owned()),
            // The root itself reaches every room by its name.
            [room, _, ..] if path.depth == 0 && ARROWS.iter().any(|(known, _)| *known == room) => {
                Some(room.to_owned())
            }
            _ => None,
        }
    };
    paths.iter().filter_map(room).collect()
}

#[test]
fn sees_an_arrow_however_it_is_drawn() {
    let cases: [(&str, &str, &[&str]); 20] = [
        ("domain/decision.rs", "use crate::controller::Context;", &["controller"]),
        (
            "domain/decision.rs",
            "use crate::{crd::{self, Method}, s3 as signer, runtime::*};",
            &["crd", "runtime", "s3"],
        ),
        ("domain/decision.rs", "use {crate::s3, crate::runtime};", &["runtime", "s3"]),
        ("domain/decision.rs", "pub(crate) use crate :: s3\n:: Signer ;", &["s3"]),
        ("domain/decision.rs", "fn f() -> Vec<crate::s3::Signer> {}", &["s3"]),
        ("domain/decision.rs", "fn f<'a>(x: &'a crate::s3::Signer) {}", &["s3"]),
        ("domain/decision.rs", "let x = crate::s3::get::<u8>();", &["s3"]),
        ("domain/decision.rs", "macro_rules! m { () => { $crate::s3::x() } }", &["s3"]),
        ("domain/decision.rs", "use super::super::s3::Signer;", &["s3"]),
        ("domain/decision.rs", "use super::{super::{s3, runtime}, Request};", &["runtime", "s3"]),
        ("domain/decision.rs", "use super::Request; use super::owner::Owner;", &[]),
        ("domain/mod.rs", "use super::s3;", &["s3"]),
        ("domain/request/mod.rs", "use super::super::s3;", &["s3"]),
        (
            "domain/decision.rs",
            "mod tests { use super::super::super::s3; } use super::super::runtime;",
            &["runtime", "s3"],
        ),
        ("domain/decision.rs", "mod tests { use super::super::Request; }", &[]),
        ("main.rs", "fn main() { presign_operator::s3::x() }", &["s3"]),
        ("lib.rs", "pub mod crd; pub use self::crd::Method; use domain::Request;", &["crd", "domain"]),
        ("domain/decision.rs", "// use crate::s3;\n/* crate::s3 /* */ crate::s3 */ //! crate::s3", &[]),
        (
            "domain/decision.rs",
            r##"f("crate::s3 \" crate::s3", r#"crate::s3 " crate::s3"#, b"crate::s3")"##,
            &[],
        ),
        ("domain/decision.rs", r#"f('"', '\'', 'c', b'"'); use crate::crd;"#, &["crd"]),
    ];
    for (name, text, expected) in cases {
        let expected: BTreeSet<_> = expected.iter().map(|room| (*room).to_owned()).collect();
        assert_eq!(rooms(&paths(name, text)), expected, "{text}");
    }
}

#[test]
fn finds_every_fault() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LONGEST_FILE));
    for (name, text, fault) in [
        ("domain/a.rs", "//! A.\nuse crate::s3::Signer;", "no arrow leads from domain to s3"),
        ("crd/a.rs", "//! A.\nuse crate::domain;", "no arrow leads from crd to domain"),
        ("runtime/a.rs", "//! A.\nuse crate::crd;", "no arrow leads from runtime to crd"),
        ("s3/a.rs", "//! A.\nuse crate::crd;", "no arrow leads from s3 to crd"),
        ("controller/a.rs", "//! A.\nuse crate::cli;", "no arrow leads from controller to cli"),
        ("main.rs", "//! A.\nuse presign_operator::runtime;", "no arrow leads from main to runtime"),
        ("cellar/a.rs", "//! A.", "cellar is no room"),
        ("domain/a.rs", "//! A.\nasync fn f() {}", "async has no place"),
        ("domain/a.rs", "//! A.\nfn f() { g().await }", "await has no place"),
        ("domain/a.rs", "//! A.\nuse kube::{Api, Client};", "kube::Client has no place"),
        ("domain/a.rs", "//! A.\nuse std::{env, fmt};", "std::env has no place"),
        ("domain/a.rs", "//! A.\nfn f() { tokio::spawn(g()) }", "tokio has no place"),
        ("domain/a.rs", "//! A.\nlet now = Timestamp::now();", "Timestamp::now has no place"),
        ("s3/a.rs", "//! A.\nuse kube::Resource;", "kube has no place"),
        ("domain/a.rs", &long, "301 lines are more than 300"),
        ("domain/a.rs", "use std::fmt;", "begins without saying"),
    ] {
        let faults = faults(name, text);
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault}: {faults:?}");
    }
    let good = "//! A.\nuse std::env_logger; use kube::Resource; fn awaiting() { tokio_free() }\nuse crate::crd::Method;";
    assert_eq!(faults("domain/a.rs", good), Vec::<String>::new());
}
