//! The manifest for krew, as a release makes it: `deploy/build-plugin-archive` and `deploy/krew-manifest`. The
//! rules are those of krew's own validation.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn script(name: &str, arguments: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    Command::new(path).args(arguments).output().unwrap()
}

/// Archives of these platforms, with a small file in place of the binary.
fn archives(folder: &Path, platforms: &[(&str, &str)]) -> PathBuf {
    let (binary, archives) = (folder.join("binary"), folder.join("archives"));
    std::fs::write(&binary, "not a binary").unwrap();
    for (os, arch) in platforms {
        let arguments = [binary.to_str().unwrap(), "1.2.3", os, arch, archives.to_str().unwrap()];
        let output = script("build-plugin-archive", &arguments);
        assert!(output.status.success(), "{output:?}");
    }
    archives
}

fn manifest(archives: &Path) -> Value {
    let arguments =
        ["1.2.3", "https://presign.example/&", "https://files.example/v1.2.3", archives.to_str().unwrap()];
    let output = script("krew-manifest", &arguments);
    assert!(output.status.success(), "{output:?}");
    serde_saphyr::from_str(std::str::from_utf8(&output.stdout).unwrap()).unwrap()
}

#[test]
fn the_manifest_has_what_krew_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let platforms = [("darwin", "arm64"), ("linux", "amd64"), ("linux", "arm64")];
    let archives = archives(folder.path(), &platforms);
    // That of another version is no part of this one.
    std::fs::write(archives.join("kubectl-presign_v1.2.2_linux_amd64.tar.gz"), "older").unwrap();
    let manifest = manifest(&archives);
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&"Plugin".into(), &"presign".into()));
    let spec = &manifest["spec"];
    assert_eq!(
        (&spec["version"], &spec["homepage"]),
        (&"v1.2.3".into(), &"https://presign.example/&".into())
    );
    let short = spec["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 50 && !short.ends_with('.') && !short.contains('\n'), "{short}");
    for text in [&spec["description"], &spec["caveats"]] {
        let text = text.as_str().unwrap();
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= 100), "{text}");
    }
    let given = spec["platforms"].as_array().unwrap();
    let labels = |one: &Value, name: &str| one["selector"]["matchLabels"][name].as_str().unwrap().to_owned();
    let found: Vec<_> = given.iter().map(|one| (labels(one, "os"), labels(one, "arch"))).collect();
    assert_eq!(found, platforms.map(|(os, arch)| (os.to_owned(), arch.to_owned())));
    for one in given {
        let uri = one["uri"].as_str().unwrap();
        let name = uri.strip_prefix("https://files.example/v1.2.3/").unwrap();
        let archive = archives.join(name);
        let hash: String = Sha256::digest(std::fs::read(&archive).unwrap())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(one["sha256"], hash.as_str(), "{name}");
        let listed = Command::new("tar").arg("tzf").arg(&archive).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let files: Vec<_> =
            one["files"].as_array().unwrap().iter().map(|file| file["from"].as_str().unwrap()).collect();
        assert_eq!(listed.lines().collect::<Vec<_>>(), files, "{name}");
        assert!(files.contains(&one["bin"].as_str().unwrap()) && files.contains(&"LICENSE"), "{files:?}");
        assert!(one["files"].as_array().unwrap().iter().all(|file| file["to"] == "."));
    }
}

#[test]
fn the_same_binary_gives_the_same_archive_and_krew_can_run_it() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let bytes = folders.each_ref().map(|folder| {
        let archive =
            archives(folder.path(), &[("linux", "amd64")]).join("kubectl-presign_v1.2.3_linux_amd64.tar.gz");
        let unpacked =
            Command::new("tar").arg("xzf").arg(&archive).current_dir(folder.path()).output().unwrap();
        assert!(unpacked.status.success(), "{unpacked:?}");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(folder.path().join("kubectl-presign")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o755);
        std::fs::read(archive).unwrap()
    });
    assert_eq!(bytes[0], bytes[1]);
}

#[test]
fn without_archives_there_is_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let output = script("krew-manifest", &["1.2.3", "h", "b", folder.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("no archive of version 1.2.3"), "{said}");
    assert_eq!(script("krew-manifest", &["1.2.3"]).status.code(), Some(2));
    assert_eq!(script("build-plugin-archive", &[]).status.code(), Some(2));
}
