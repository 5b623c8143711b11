//! The guides: blocks of the pages, played in their order, after what their text takes for granted.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::blocks::{Mark, blocks};
use crate::guide_cluster::GuideCluster;

/// A guide and what is there before its first block.
const GUIDES: [(&str, &[&str]); 6] = [
    // The servers and the operator run.
    ("first-url", &[]),
    ("pod", &[S3, OBJECTS, FILES]),
    ("form-prefix", &[S3, OBJECTS, PREFIX, FILES]),
    ("status", &[S3, OBJECTS]),
    ("signers", &[PLATFORM]),
    ("keys", &[]),
];

/// The function of the guide for a first URL, and buckets.
pub const S3: &str = r#"
s3() { curl -fsS --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
  -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$@"; }
for bucket in guide-reports guide-videos guide-inbox; do
  s3 -X PUT "$S3_ENDPOINT/$bucket" || true
done
echo "the third quarter" > q3.txt
s3 -T q3.txt "$S3_ENDPOINT/guide-reports/q3.txt"
"#;

/// A URL for a download, one for an upload, and a form.
pub const OBJECTS: &str = r#"
kubectl create secret generic store \
  --from-literal=access-key-id="$AWS_ACCESS_KEY_ID" --from-literal=secret-access-key="$AWS_SECRET_ACCESS_KEY"
object() { printf 'apiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {name: %s}\nspec:\n  %s\n  s3: {endpoint: "%s", region: "%s", credentials: {secretRef: {name: store}}}\n' "$1" "$2" "$S3_ENDPOINT" "$S3_REGION" | kubectl apply -f -; }
object report 'bucket: guide-reports
  key: q3.txt'
object upload 'method: PUT
  bucket: guide-videos
  key: incoming/camera-7.mp4
  headers: {Content-Type: video/mp4}'
object inbox 'method: POST
  bucket: guide-inbox
  key: photos/camera-7.jpg
  form: {maxSize: 10485760, minSize: 1, contentType: image/jpeg, metadata: {camera: "7"}}'
kubectl wait --for=condition=Ready psu/report psu/upload psu/inbox
"#;

/// The form with a prefix of the page about uploads, in the place of the one for a key.
const PREFIX: &str = r#"
kubectl patch psu inbox --type=merge \
  -p '{"spec":{"key":"photos/","form":{"keyPrefix":true,"contentType":"image/","metadata":null}}}'
kubectl wait --for=jsonpath='{.status.observedGeneration}'=2 psu/inbox
kubectl wait --for=condition=Ready psu/inbox
"#;

/// What a pod with these three has in its folders, and files to send.
const FILES: &str = r#"
for name in report upload inbox; do
  mkdir -p "$DESK/etc/$name"
  for key in $(kubectl get secret "$name" -o go-template='{{range $key, $value := .data}}{{$key}} {{end}}'); do
    kubectl get secret "$name" -o go-template="{{index .data \"$key\" | base64decode}}" > "$DESK/etc/$name/$key"
  done
done
head -c 100000 /dev/urandom > video.mp4
head -c 1000 /dev/urandom > photo.jpg
"#;

/// Nothing of the page is there; the namespace of the team is for this guide alone.
const PLATFORM: &str = "kubectl get namespace presign-system\n";

fn play(name: &str) {
    let (_, before) = GUIDES.iter().find(|(guide, _)| *guide == name).unwrap();
    let mut script = before.concat();
    let mut count = 0;
    for block in blocks() {
        if block.mark != Some(Mark::Run { guide: name.to_owned() }) {
            continue;
        }
        count += 1;
        // As long as a person needs at least: authorizers learn of a binding a moment later.
        let _ = writeln!(script, "sleep 1; echo '== {}' >&2", block.place);
        script.push_str(&block.text);
    }
    assert!(count > 0, "{name}: no page has blocks of this guide");
    GuideCluster::get().desk(name).run(&script);
}

#[test]
fn every_guide_is_known() {
    let named: BTreeSet<String> = blocks()
        .into_iter()
        .filter_map(|block| match block.mark {
            Some(Mark::Run { guide }) => Some(guide),
            _ => None,
        })
        .collect();
    assert_eq!(named, GUIDES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn a_first_url() {
    play("first-url");
}

#[test]
fn a_pod_downloads_and_uploads() {
    play("pod");
}

#[test]
fn visitors_choose_a_name_below_a_prefix() {
    play("form-prefix");
}

#[test]
fn the_status_is_read_and_a_renewal_asked_for() {
    play("status");
}

#[test]
fn a_platform_gives_a_team_urls_of_its_own_folder() {
    play("signers");
}

#[test]
fn a_key_is_stored_and_rotated() {
    play("keys");
}
