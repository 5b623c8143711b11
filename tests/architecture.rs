//! The architecture as a test: which module may import which, what the pure modules may not
//! contain, and how each file begins. What a sentence means is for a reviewer.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::Visit;

/// Module → the modules that it may import.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("main", &["cli", "plugin"]),
    ("lib", &[]),
    ("plugin", &["cli", "s3", "runtime", "domain", "crd"]),
    ("cli", &["controller", "csi", "s3", "sts", "verify", "runtime", "domain", "crd"]),
    ("controller", &["crd", "domain", "s3", "sts", "verify", "runtime"]),
    ("csi", &["crd", "domain", "s3", "sts", "runtime"]),
    ("s3", &["domain"]),
    ("sts", &["domain", "runtime"]),
    ("verify", &["domain", "runtime"]),
    ("domain", &["crd"]),
    ("crd", &[]),
    ("runtime", &[]),
];

/// Module → paths and words that it may not contain.
#[rustfmt::skip]
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("domain", &[
        "async", "await", "tokio", "futures", "rand", "tracing", "kube::Client", "kube::Api", "kube::runtime",
        "kube::client", "kube_runtime", "std::env", "env::var", "std::fs", "std::process", "std::time::Instant",
        "SystemTime", "Timestamp::now",
    ]),
    ("s3", &[
        "kube", "kube_runtime", "k8s_openapi", "std::env", "env::var", "std::net", "tokio", "hyper", "aws_sdk_sts",
        "aws_config", "aws_smithy_http_client",
    ]),
    ("sts", &[
        "kube", "kube_runtime", "k8s_openapi", "std::env", "env::var", "SystemTime", "Timestamp::now", "aws_sdk_s3",
    ]),
    ("verify", &[
        "kube", "kube_runtime", "k8s_openapi", "std::env", "env::var", "SystemTime", "Timestamp::now", "TcpStream",
        "aws_sdk_s3", "aws_sdk_sts", "aws_config",
    ]),
    ("csi", &[
        "kube", "kube_runtime", "std::env", "env::var", "SystemTime", "Timestamp::now", "TcpStream", "aws_sdk_s3",
        "aws_sdk_sts", "aws_config", "aws_smithy_http_client",
    ]),
    ("controller", &["TcpStream", "aws_sdk_sts", "aws_config", "aws_smithy_http_client"]),
    ("cli", &["TcpStream", "aws_sdk_sts", "aws_config", "aws_smithy_http_client"]),
    ("plugin", &["TcpStream", "aws_sdk_s3", "aws_sdk_sts", "aws_config", "aws_smithy_http_client"]),
];

/// Type → the only files that may make one, tests aside: nothing but the resolution of a spec may pair a
/// connection with credentials. In its own `impl`, a type is called `Self`.
const MADE_ONLY_IN: [(&str, &[&str]); 4] = [
    ("Connection", &[]),
    ("CredentialsLocation", &["domain/resolve.rs", "domain/signer.rs"]),
    ("Provided", &["domain/resolve.rs"]),
    ("Resolved", &["domain/resolve.rs"]),
];
/// Function → the only files that may call it, tests aside.
const CALLED_ONLY_IN: [(&str, &[&str]); 2] =
    [("Connection::parse", &["domain/request/mod.rs"]), ("Request::parse", &["domain/resolve.rs"])];

const LONGEST_FILE: usize = 300;

#[test]
fn the_sources_keep_to_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    for name in ["main.rs", "lib.rs", "crd/mod.rs", "domain/plan.rs", "runtime/schedule/queue.rs"] {
        assert!(files.iter().any(|(found, _)| found == name), "{name} was not checked");
    }
    let mut faults: Vec<_> = files.iter().flat_map(|(name, text)| faults(name, text)).collect();
    faults.extend(files.iter().flat_map(|(name, text)| makers(name, text)));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_two_types_of_a_crate_share_a_name() {
    let mut crates = BTreeMap::<String, Vec<(String, String)>>::new();
    for folder in ["src", "tests", "benches"] {
        let (root, mut files) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), Vec::new());
        collect(&root, &root, &mut files);
        for (name, text) in files {
            crates.entry(crate_of(folder, &name)).or_default().push((format!("{folder}/{name}"), text));
        }
    }
    for name in ["src", "tests/cluster", "tests/testbed/src", "benches/bench_fleet"] {
        assert!(crates.contains_key(name), "{name} was not checked");
    }
    let faults: Vec<_> = crates.values().flat_map(|files| shared_names(files)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The crate that the file `name` below `folder` belongs to. The testbed is a package of its own, with a
/// library and test programs.
fn crate_of(folder: &str, name: &str) -> String {
    let depth = match (folder, name) {
        ("src", _) => 0,
        (_, name) if name.starts_with("testbed/tests/") => 3,
        (_, name) if name.starts_with("testbed/") => 2,
        _ => 1,
    };
    let parts = name.split('/').take(depth).map(|part| part.trim_end_matches(".rs"));
    [folder].into_iter().chain(parts).collect::<Vec<_>>().join("/")
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
    let module = name.split(['/', '.']).next().unwrap();
    let Some((_, allowed)) = IMPORTS.iter().find(|(from, _)| *from == module) else {
        return vec![format!("src/{name}: {module} is not a module of the architecture")];
    };
    let paths = paths(text);
    let mut faults = Vec::new();
    for to in imports(&paths).iter().filter(|to| *to != module && !allowed.contains(&to.as_str())) {
        faults.push(format!("src/{name}: {module} may not import {to}"));
    }
    for word in FORBIDDEN.iter().filter(|(from, _)| *from == module).flat_map(|(_, words)| *words) {
        let word: Vec<_> = word.split("::").collect();
        if paths.iter().any(|path| path.windows(word.len()).any(|names| names == word)) {
            faults.push(format!("src/{name}: {module} may not contain {}", word.join("::")));
        }
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("src/{name}: {lines} lines are more than {LONGEST_FILE}"));
    }
    if !text.starts_with("//! ") {
        faults.push(format!("src/{name}: does not begin with `//! ` and what belongs in it"));
    }
    faults
}

/// Every path and single word in the code, that of macros included.
fn paths(text: &str) -> Vec<Vec<String>> {
    let (tokens, mut found) = (TokenBuffer::new2(text.parse().unwrap()), Vec::new());
    read(tokens.begin(), &[], &mut found);
    found
}

/// Reads tokens; those of a `use` tree follow a path, its `prefix`.
fn read(mut at: Cursor<'_>, prefix: &[String], found: &mut Vec<Vec<String>>) {
    while !at.eof() {
        if let Some((inside, _, _, rest)) = at.any_group() {
            read(inside, &[], found);
            at = rest;
        } else if let Some((word, rest)) = at.ident() {
            let renamed = rest.ident().filter(|_| word == "as" && !prefix.is_empty());
            at = renamed.map_or_else(|| read_path(at, prefix, found), |(_, rest)| rest);
        } else {
            at = at.token_tree().unwrap().1;
        }
    }
}

/// Reads a path or a tree of paths, and returns what follows it.
fn read_path<'a>(mut at: Cursor<'a>, prefix: &[String], found: &mut Vec<Vec<String>>) -> Cursor<'a> {
    let after =
        |at: Cursor<'a>, c| at.punct().filter(|(punct, _)| punct.as_char() == c).map(|(_, rest)| rest);
    let mut names = prefix.to_vec();
    while let Some((name, rest)) = at.ident() {
        names.push(name.to_string().trim_start_matches("r#").to_owned());
        at = rest;
        let Some(rest) = after(at, ':').and_then(|rest| after(rest, ':')) else { break };
        at = rest;
        if let Some((inside, _, _, rest)) = at.any_group() {
            read(inside, &names, found);
            return rest;
        }
        if after(at, '*').is_some() {
            names.push("*".to_owned());
        }
    }
    found.push(names);
    at
}

/// The modules of the crate that are imported. What `super` reaches is told by its name alone, so a
/// module inside another that has the name of a top-level module counts as an import of that one.
fn imports(paths: &[Vec<String>]) -> BTreeSet<String> {
    let module = |path: &Vec<String>| {
        let is_root = |name: &str| matches!(name, "crate" | "presign_operator");
        let is_up = |name: &&String| is_root(name) || matches!(name.as_str(), "self" | "super");
        let ups = path.iter().take_while(is_up).count();
        let name = path.get(ups)?;
        let is_known = IMPORTS.iter().any(|(known, _)| known == name) && path.len() > 1;
        (is_known || is_root(&path[0])).then(|| name.clone())
    };
    paths.iter().filter_map(module).collect()
}

/// The names that several types have.
fn shared_names(files: &[(String, String)]) -> Vec<String> {
    let mut places = BTreeMap::<String, Vec<&str>>::new();
    for (name, text) in files {
        let mut types = Types::default();
        types.visit_file(&syn::parse_file(text).unwrap());
        types.0.into_iter().for_each(|found| places.entry(found).or_default().push(name));
    }
    places.retain(|_, places| places.len() > 1);
    places.iter().map(|(name, files)| format!("{name} is a type in {}", files.join(", "))).collect()
}

/// What the file `name` makes or calls that only others may.
fn makers(name: &str, text: &str) -> Vec<String> {
    if name.split('/').any(|part| ["tests", "tests.rs"].contains(&part)) {
        return Vec::new();
    }
    let mut made = Makers::default();
    made.visit_file(&syn::parse_file(text).unwrap());
    let of = |what: &str, made: &[String], table: &[(&str, &[&str])]| -> Vec<String> {
        let is_wrong = |(item, files): &&(&str, &[&str])| {
            made.iter().any(|found| found == item) && !files.contains(&name)
        };
        table.iter().filter(is_wrong).map(|(item, _)| format!("src/{name}: may not {what} {item}")).collect()
    };
    [of("make a", &made.structs, &MADE_ONLY_IN), of("call", &made.calls, &CALLED_ONLY_IN)].concat()
}

/// What a file makes and calls: the last part of each type, and the last two of each function.
#[derive(Default)]
struct Makers {
    structs: Vec<String>,
    calls: Vec<String>,
}

impl Visit<'_> for Makers {
    fn visit_item_mod(&mut self, module: &syn::ItemMod) {
        if module.ident != "tests" {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_struct(&mut self, made: &syn::ExprStruct) {
        self.structs.extend(made.path.segments.last().map(|last| last.ident.to_string()));
        syn::visit::visit_expr_struct(self, made);
    }

    fn visit_expr_path(&mut self, path: &syn::ExprPath) {
        let names: Vec<_> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let [.., of, name] = &names[..] {
            self.calls.push(format!("{of}::{name}"));
        }
        syn::visit::visit_expr_path(self, path);
    }
}

#[derive(Default)]
struct Types(Vec<String>);

impl Visit<'_> for Types {
    fn visit_item(&mut self, item: &syn::Item) {
        let name = match item {
            syn::Item::Struct(item) => &item.ident,
            syn::Item::Enum(item) => &item.ident,
            syn::Item::Trait(item) => &item.ident,
            syn::Item::Type(item) => &item.ident,
            _ => return syn::visit::visit_item(self, item),
        };
        self.0.push(name.to_string());
    }
}

#[test]
fn finds_an_import_in_every_form() {
    for (text, expected) in [
        ("use crate::controller::Context;", "controller"),
        ("use crate::{crd::{self, Method}, s3 as signer, runtime::*};", "crd runtime s3"),
        ("use {crate::s3, crate::runtime}; use crate::*;", "* runtime s3"),
        ("fn f<'a>(x: &'a Vec<crate::s3::UrlSigner>) { crate::runtime::get::<u8>() }", "runtime s3"),
        ("macro_rules! m { () => { $crate::s3::x() } }", "s3"),
        ("use super::{super::{s3, runtime}, Request}; use super::owner::Owner;", "runtime s3"),
        ("fn main() { presign_operator::s3::x() }", "s3"),
        ("pub mod crd; pub use self::crd::Method; use domain::Request;", "crd domain"),
        ("//! crate::s3\n// crate::s3\nfn f() { g(\"crate::s3\", '\"', r#\"crate::s3\"#) }", ""),
    ] {
        let found: Vec<_> = imports(&paths(text)).into_iter().collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}

#[test]
fn finds_every_kind_of_fault() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LONGEST_FILE));
    for (name, text, fault) in [
        ("runtime/a.rs", "//! A.\nuse crate::crd;", "runtime may not import crd"),
        ("cellar/a.rs", "//! A.", "cellar is not a module"),
        ("domain/a.rs", "//! A.\nasync fn f() {}", "may not contain async"),
        ("domain/a.rs", "//! A.\nuse kube::{Client, Resource};", "may not contain kube::Client"),
        ("domain/a.rs", "//! A.\nfn f() { Timestamp::now() }", "may not contain Timestamp::now"),
        ("domain/a.rs", &long, "301 lines are more than 300"),
        ("domain/a.rs", "use std::fmt;", "does not begin with"),
    ] {
        let faults = faults(name, text);
        assert!(faults.len() == 1 && faults[0].contains(fault), "{fault}: {faults:?}");
    }
    let good = "//! A.\nuse std::env_logger; use kube::Resource; fn awaiting() { tokio_free(crate::crd::x) }";
    assert_eq!(faults("domain/a.rs", good), Vec::<String>::new());
    let files = [
        ("a.rs", "pub struct A; struct B; struct C;"),
        ("b.rs", "mod c { trait A {} } mod tests { struct B; } enum C {} struct D;"),
        ("tests.rs", "struct E;"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(shared_names(&files).len(), 3);
    assert_eq!(crate_of("tests", "sts/main.rs"), crate_of("tests", "sts.rs"));
    assert_eq!(crate_of("tests", "testbed/tests/proxy/main.rs"), "tests/testbed/tests/proxy");
    for (name, text, faults) in [
        ("s3/a.rs", "fn f() { Connection { a: 1 } }", 1),
        ("s3/a.rs", "fn f() { crate::domain::request::Connection { ..x }; Request::parse(a) }", 2),
        ("s3/a.rs", "fn f() { [a].map(Request::parse) }", 1),
        ("domain/resolve.rs", "fn f() { Request::parse(a, Provided { s3 }) }", 0),
        ("s3/a.rs", "mod tests { fn f() { Connection { a: 1 } } }", 0),
        ("s3/tests.rs", "fn f() { Connection { a: 1 } }", 0),
    ] {
        assert_eq!(makers(name, text).len(), faults, "{text}");
    }
}
