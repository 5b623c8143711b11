//! The page that is made from the commands. `make manifests` writes it; here it is compared.

#[test]
#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
fn the_page_is_that_of_the_commands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubectl-presign.md");
    let expected = presign_operator::plugin::manual();
    if std::env::var("PRESIGN_WRITE_MANIFESTS").is_ok() {
        std::fs::write(path, &expected).unwrap();
    }
    let is_same = std::fs::read_to_string(path).is_ok_and(|found| found == expected);
    assert!(is_same, "docs/kubectl-presign.md is not what it is made from: run `make manifests`");
}
