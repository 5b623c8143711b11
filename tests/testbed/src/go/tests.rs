use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::Path, process::Command, thread};

use super::{Recipe, find_or_build};

fn tiny_module(folder: &Path) -> Recipe {
    let module = folder.join("tiny");
    fs::create_dir(&module).unwrap();
    let files = [
        ("go.mod", "module example.com/tiny\n\ngo 1.21\n"),
        ("go.sum", ""),
        ("tools.go", "//go:build tools\n\npackage main\n"),
        ("main.go", "package main\n\nfunc main() { print(\"tiny\") }\n"),
    ];
    for (name, text) in files {
        fs::write(module.join(name), text).unwrap();
    }
    Recipe { module, package: ".".to_owned(), binary: "tiny".to_owned() }
}

#[test]
fn builds_once_when_two_want_it_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = tiny_module(folder.path());
    let cache = folder.path().join("cache");

    // Each build is a file of its own, which takes the place of the one before.
    let built: HashSet<u64> = thread::scope(|scope| {
        let run = || fs::metadata(find_or_build(&recipe, &cache).unwrap()).unwrap().ino();
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });

    assert_eq!(built.len(), 1, "{built:?}");
    let output = Command::new(find_or_build(&recipe, &cache).unwrap()).output().unwrap();
    assert_eq!(output.stderr, b"tiny");
}

#[test]
fn builds_again_when_the_module_changes_and_removes_what_a_killed_build_left() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = tiny_module(folder.path());
    let first = find_or_build(&recipe, folder.path()).unwrap();
    fs::remove_file(&first).unwrap();
    let left = first.with_file_name(".building-left");
    fs::create_dir(&left).unwrap();

    assert_eq!(find_or_build(&recipe, folder.path()).unwrap(), first);
    assert!(first.is_file() && !left.exists());

    fs::write(recipe.module.join("tools.go"), "//go:build tools\n\npackage main\n\n// changed\n").unwrap();
    let other = find_or_build(&recipe, folder.path()).unwrap();
    assert_ne!(first, other);
}
