//! A volume is published, its URLs work, and nothing is left when it is unpublished.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use testbed::curl;

use crate::node::CsiNode;
use crate::stores::{BUCKET, CONTENT, SECOND_KEY, next_second, store, wait_until};

#[tokio::test]
async fn a_url_is_there_when_the_call_is_answered_and_nothing_is_left_of_it() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("one").await);
    volume.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    assert_eq!((node.read(&volume, "method"), node.read(&volume, "headers")), ("GET".into(), String::new()));
    assert!(node.read(&volume, "expires-at").ends_with('Z'));

    let mounts = node.mounts();
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    for option in ["nosuid", "nodev", "noexec", " tmpfs ", "size=4096k"] {
        assert!(mounts[0].contains(option), "{option}: {}", mounts[0]);
    }
    let of_machine = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let kubelet = node.kubelet().display().to_string();
    assert!(!of_machine.contains(&kubelet), "nothing is mounted outside of the namespace: {of_machine}");
    let file = std::fs::metadata(node.inside(&volume.target.join("url"))).unwrap();
    assert_eq!((file.permissions().mode() & 0o7777, file.gid()), (0o444, 0));
    let record = std::fs::metadata(&node.kept()[0]).unwrap();
    assert_eq!(record.permissions().mode() & 0o7777, 0o600);

    let url = node.read(&volume, "url");
    next_second().await;
    volume.publish(&channel).await.unwrap();
    node.pass(&node.volume("control").await).await;
    assert_eq!(node.read(&volume, "url"), url, "a republish is no reason to sign");
    assert_eq!(node.issued(), 2, "once for each volume");
    assert_eq!(node.mounts().len(), 1);
    let page = node.page("/metrics");
    for line in [
        "presign_csi_volumes{state=\"Serving\"} 1",
        "presign_csi_issued_total{reason=\"Missing\"} 2",
        "presign_csi_calls_total{call=\"NodePublishVolume\",result=\"OK\"} 3",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }

    for _ in 0..2 {
        volume.unpublish(&channel).await.unwrap();
        node.expect_nothing_left(&volume);
    }
}

#[tokio::test]
async fn the_group_of_the_pod_reads_and_nobody_else() {
    let node = CsiNode::new(&[]).await;
    let mut volume = node.volume("group").await;
    volume.group = "2000".to_owned();
    volume.publish(&node.channel().await).await.unwrap();
    for (path, mode) in [("", 0o750), ("..data/", 0o750), ("url", 0o440)] {
        let known = std::fs::metadata(node.inside(&volume.target).join(path)).unwrap();
        assert_eq!((known.permissions().mode() & 0o7777, known.gid()), (mode, 2000), "{path}");
    }
}

#[tokio::test]
async fn several_urls_have_a_folder_each_and_a_form_has_its_fields() {
    let node = CsiNode::new(&[]).await;
    let volume = node.volume("several").await.with(&[
        ("in.expiresIn", "10m"),
        ("out.key", "out/result.txt"),
        ("out.method", "PUT"),
        ("out.header.Content-Type", "text/plain"),
        ("form.maxSize", "100"),
        ("upload.method", "POST"),
        ("upload.key", "uploads/photo.txt"),
    ]);
    // A form belongs to one URL only.
    let volume = volume.without(&["form.maxSize"]).with(&[("upload.form.maxSize", "100")]);
    volume.publish(&node.channel().await).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "in/url")]).unwrap(), CONTENT);
    let body = node.kubelet().join("body");
    std::fs::write(&body, "made").unwrap();
    let headers = node.inside(&volume.target.join("out/headers"));
    let (body, headers) = (body.display().to_string(), format!("@{}", headers.display()));
    curl(&["-T", &body, "-H", &headers, &node.read(&volume, "out/url")]).unwrap();
    assert_eq!(store().await.get_object(BUCKET, "out/result.txt").unwrap(), b"made");
    let fields = node.inside(&volume.target.join("upload/fields")).display().to_string();
    let file = format!("file=@{body}");
    curl(&["--config", &fields, "-F", &file, &node.read(&volume, "upload/url")]).unwrap();
    assert_eq!(store().await.get_object(BUCKET, "uploads/photo.txt").unwrap(), b"made");
    assert!(node.try_read(&volume, "url").is_none() && node.try_read(&volume, "upload/headers").is_none());
}

#[tokio::test]
async fn a_rotated_key_signs_at_once_and_a_bad_one_changes_nothing() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("rotated").await);
    volume.publish(&channel).await.unwrap();
    let first = node.read(&volume, "url");

    next_second().await;
    let mut bad = volume.clone();
    for secrets in [vec![("access-key-id", "AKIA")], vec![("tls.key", "x")], vec![]] {
        bad.secrets = secrets.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        bad.publish(&channel).await.unwrap();
        assert_eq!(node.read(&volume, "url"), first);
    }
    assert!(node.page("/metrics").lines().any(|line| line == "presign_csi_kept_total 3"));
    node.pass(&node.volume("control").await).await;
    assert_eq!((node.read(&volume, "url"), node.issued()), (first.clone(), 2), "once for each volume");

    let rotated = volume.clone().with_key(SECOND_KEY.0, SECOND_KEY.1);
    rotated.publish(&channel).await.unwrap();
    wait_until("another key signs", || node.read(&volume, "url").contains(SECOND_KEY.0)).await;
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    assert_eq!(curl(&[&first]).unwrap(), CONTENT, "the old URL works until it expires");
    assert_eq!(node.mounts().len(), 1);
}

#[tokio::test]
async fn what_was_unmounted_by_somebody_else_is_mounted_again() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("lost").await);
    volume.publish(&channel).await.unwrap();
    let target = volume.target.display().to_string();
    node.run(&["umount", &target]);
    volume.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    // Somebody mounted something over it, twice, and holds it open.
    node.run(&["mount", "-t", "tmpfs", "tmpfs", &target]);
    node.run(&["mount", "--bind", &target, &target]);
    let _held = std::fs::File::open(node.inside(&volume.target)).unwrap();
    volume.unpublish(&channel).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn without_privileges_nothing_is_mounted() {
    let node = CsiNode::new(&["--unprivileged"]).await;
    let (channel, mut volume) = (node.channel().await, node.volume("plain").await);
    volume.group = "2000".to_owned();
    volume.publish(&channel).await.unwrap();
    assert_eq!(node.mounts(), Vec::<String>::new());
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    for _ in 0..2 {
        volume.unpublish(&channel).await.unwrap();
        node.expect_nothing_left(&volume);
    }
}
