//! The examples in `deploy/examples`.

use crate::pages::{read, root};

/// `make e2e`, which tries them, is in no other gate.
#[test]
fn each_example_is_tried_on_a_node() {
    let tried = read("tests/e2e/examples.rs");
    let names = std::fs::read_dir(root().join("deploy/examples")).unwrap();
    let names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(tried.contains(&format!("(\"{name}\", ")), "{name} is not in tests/e2e/examples.rs");
    }
}
