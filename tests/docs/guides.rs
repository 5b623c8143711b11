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
    ("status", &[S3, OBJECTS, BROKEN]),
    ("signers", &[PLATFORM]),
    ("keys", &[]),
];

/// What must be true after a block: the guide, a text in the block, and commands that fail otherwise.
const AFTER: [(&str, &str, &str); 6] = [
    (
        "first-url",
        "curl -fsS \"$(kubectl get secret report",
        r#"
[ "$(curl -fsS "$(kubectl get secret report -o go-template='{{.data.url | base64decode}}')")" = "the third quarter" ]
"#,
    ),
    (
        "first-url",
        "# still Ready",
        r"
keeps_its_url() { kubectl get psu report | grep ' True ' | grep RenewalFailing; }
until_true keeps_its_url
",
    ),
    ("keys", "access-key-id=AKIDEXAMPLE", URL_OF_KEY),
    (
        "keys",
        "access-key-id=AKIDNEW",
        r#"
is_new() { [ "$(signed)" != "$first" ]; }
until_true is_new
has_event() { kubectl get events --field-selector reason=Issued | grep /report; }
until_true has_event
"#,
    ),
    (
        "signers",
        "tenants/team-b/catalog.json",
        r"
kubectl -n team-a wait --for=condition=Permitted=false psu/catalog
kubectl -n team-a get psu catalog | grep NotPermitted
",
    ),
    ("status", "grep -v ' True '", "kubectl get presignedurls -A -o wide | grep -v ' True ' | grep broken\n"),
];

/// Waits until a command succeeds.
const UNTIL_TRUE: &str = r#"
until_true() {
  for _ in $(seq 300); do if "$@"; then return; fi; sleep 0.2; done
  echo "never true: $*" >&2
  return 1
}
"#;

/// A URL that is signed with the key of the page.
const URL_OF_KEY: &str = r#"
kubectl apply -f - <<END
apiVersion: presign.dev/v1alpha1
kind: PresignedUrl
metadata: {name: report}
spec:
  bucket: reports
  key: q3.pdf
  s3: {endpoint: "$S3_ENDPOINT", region: "$S3_REGION", credentials: {secretRef: {name: store}}}
END
kubectl wait --for=condition=Ready psu/report
signed() { kubectl get psu report -o jsonpath='{.status.signingTime}'; }
first=$(signed)
"#;

/// A URL that cannot be signed.
const BROKEN: &str = r#"
object broken 'bucket: guide-reports
  key: q3.txt'
kubectl patch psu broken --type=merge -p '{"spec":{"s3":{"credentials":{"secretRef":{"name":"missing"}}},"key":"other"}}'
kubectl delete secret broken --ignore-not-found
kubectl wait --for=condition=Ready=false psu/broken
"#;

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
    let mut script = format!("{UNTIL_TRUE}{}", before.concat());
    let (mut count, mut checks) = (0, 0);
    for block in blocks() {
        if block.mark != Some(Mark::Run { guide: name.to_owned() }) {
            continue;
        }
        count += 1;
        // As long as a person needs at least: authorizers learn of a binding a moment later.
        let _ = writeln!(script, "sleep 1; echo '== {}' >&2", block.place);
        script.push_str(&block.text);
        for (.., after) in AFTER.iter().filter(|(guide, text, _)| *guide == name && block.text.contains(text))
        {
            checks += 1;
            script.push_str(after);
        }
    }
    assert!(count > 0, "{name}: no page has blocks of this guide");
    let all = AFTER.iter().filter(|(guide, ..)| *guide == name).count();
    assert_eq!(checks, all, "{name}: what must be true after its blocks");
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
