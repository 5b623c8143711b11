//! Other stores, buckets and credentials than those that the attacker was given.

use serde_json::{Value, json};

use super::attack::{Attack, Must};
use super::ledger::Ledger;
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use crate::harness::{Space, text};
use AttackNamespace::{Elsewhere, Platform, Team};
use Must::BeRefused;

/// Not in the buckets of the rule.
const OTHER_BUCKET: Must = BeRefused("the signer allows");
/// Not a name that the store can have.
const NO_BUCKET: Must = BeRefused("with s3.endpoint this must be");
const NOT_FOUND: Must = BeRefused("does not exist, is not valid, or does not allow this namespace");

pub async fn try_all(stage: &AttackSetup, store: &Store, ledger: &mut Ledger) {
    let rows = [buckets(stage, store), signers(stage, store), credentials(stage, store)].concat();
    make_secrets_that_are_no_credentials(&stage.tenancy.team, store).await;
    for (row, place, spec, must) in rows {
        Attack { row, store, place, spec, added: None, must }.try_on(stage, ledger).await;
    }
    ledger
        .note(&format!("{}: a target that holds the platform's key", store.name), target(stage, store).await);
    ledger.note(&format!("{}: a longer lifetime than allowed", store.name), lifetime(stage, store).await);
}

type Row = (&'static str, AttackNamespace, Value, Must);

fn buckets(stage: &AttackSetup, store: &Store) -> Vec<Row> {
    let team = stage.team();
    let of = |role: &str, bucket: &str| {
        stage.spec(store, role, &stage.own_key("secret.txt"), json!({"bucket": bucket}))
    };
    let arn = "arn:aws:s3:us-east-1:123456789012:accesspoint/media";
    vec![
        ("another bucket", Team, of("plain", &stage.other_bucket()), OTHER_BUCKET),
        ("the bucket of another tenant of Ceph", Team, of("plain", &format!("other:{team}")), OTHER_BUCKET),
        ("the bucket in upper case", Team, of("plain", &team.to_ascii_uppercase()), OTHER_BUCKET),
        ("the bucket with a dot after it", Team, of("plain", &format!("{team}.")), OTHER_BUCKET),
        (
            "a bucket with a slash",
            Team,
            of("plain", &format!("{team}/../{}", stage.other_bucket())),
            NO_BUCKET,
        ),
        ("a bucket with a query", Team, of("plain", &format!("{team}?list-type=2")), NO_BUCKET),
        ("an access point as the bucket", Team, of("plain", arn), NO_BUCKET),
        ("an access point as the bucket of AWS", Team, of("aws", arn), OTHER_BUCKET),
    ]
}

fn signers(stage: &AttackSetup, store: &Store) -> Vec<Row> {
    let own = stage.own_key("report.txt");
    let with = |changes: Value| stage.spec(store, "plain", &own, changes);
    let name = stage.signer(store, "plain");
    let own_store = store.connection("keys");
    let elsewhere = format!("tenants/{}/report.txt", stage.elsewhere);
    let as_prefix = format!("{}/secret.txt", stage.elsewhere);
    let no_rule = BeRefused("no rule of the signer is for this namespace");
    vec![
        (
            "a store of the attacker's beside the signer",
            Team,
            with(json!({"s3": own_store})),
            BeRefused("set s3 or signerRef"),
        ),
        (
            "a signer of the cluster without its kind",
            Team,
            with(json!({"signerRef": {"kind": null}})),
            BeRefused("does not exist in this namespace"),
        ),
        (
            "a signer with a namespace before it",
            Team,
            with(json!({"signerRef": {"name": format!("{}/{name}", stage.tenancy.platform)}})),
            BeRefused("must be a name of a signer"),
        ),
        (
            "a namespace that is not allowed",
            Elsewhere,
            stage.spec(store, "plain", &elsewhere, json!({})),
            NOT_FOUND,
        ),
        (
            "a namespace that is called as the prefix of others",
            Elsewhere,
            stage.spec(store, "open", &as_prefix, json!({})),
            no_rule,
        ),
        (
            "a namespace that no rule is for",
            Elsewhere,
            stage.spec(store, "open", &elsewhere, json!({})),
            no_rule,
        ),
    ]
}

fn credentials(stage: &AttackSetup, store: &Store) -> Vec<Row> {
    let (own, secret) = (stage.own_key("report.txt"), store.secret());
    let inline = |reference: Value| {
        let mut s3 = store.connection(&secret);
        s3["credentials"]["secretRef"] = reference;
        json!({"bucket": stage.team(), "key": own, "s3": s3})
    };
    let of_platform = |secret: &str| format!("{}/{secret}", stage.tenancy.platform);
    let with_keys = |name: &str, id: &str, key: &str, token: &str| {
        let keys = json!({"accessKeyID": id, "secretAccessKey": key, "sessionToken": token});
        inline(json!({"name": name, "keys": keys}))
    };
    let only_signers = BeRefused("only a signer can use it");
    let (marked, typed) = (marked(store), typed(store));
    vec![
        (
            "the platform's Secret by its name alone",
            Team,
            inline(json!({"name": secret})),
            BeRefused("does not exist in this namespace"),
        ),
        (
            "the platform's Secret by its namespace and name",
            Team,
            inline(json!({"name": of_platform(&secret)})),
            BeRefused("must be a name of a Secret"),
        ),
        (
            "a data key with the path of another Secret",
            Team,
            with_keys(&marked, "user", "password", &of_platform(&secret)),
            BeRefused("must be data keys of a Secret"),
        ),
        ("a Secret for signers only", Team, inline(json!({"name": marked})), only_signers),
        (
            "what a Secret for signers only holds, as the session token",
            Team,
            with_keys(&marked, "user", "password", "token"),
            only_signers,
        ),
        (
            "what a Secret of another type holds, as the session token",
            Team,
            with_keys(&typed, "username", "password", "password"),
            BeRefused("which cannot hold credentials for a store"),
        ),
        (
            "a URL that was issued, as the secret key",
            Team,
            with_keys(&issued(store), "method", "url", "expires-at"),
            BeRefused("it holds a URL that the operator issued"),
        ),
        (
            "the platform's Secret from within its namespace",
            Platform,
            inline(json!({"name": secret})),
            BeRefused("this namespace holds the credentials of ClusterSigners"),
        ),
    ]
}

/// The Secrets of the attacker's namespace that give no credentials.
fn marked(store: &Store) -> String {
    format!("for-signers-{}", store.name)
}

fn typed(store: &Store) -> String {
    format!("login-{}", store.name)
}

fn issued(store: &Store) -> String {
    format!("issued-{}", store.name)
}

/// They are there, with all that credentials need: otherwise they would be refused for less.
async fn make_secrets_that_are_no_credentials(team: &Space, store: &Store) {
    let (id, key) = (store.access_key_id.as_str(), store.secret_access_key.as_str());
    let data = [
        ("access-key-id", id),
        ("secret-access-key", key),
        ("user", id),
        ("password", key),
        ("token", "hidden"),
    ];
    let kubectl = |arguments: &[&str]| drop(team.kubectl(arguments));
    team.write_secret(&marked(store), &data).await;
    kubectl(&["annotate", "secret", &marked(store), "presign.dev/signers-only=true"]);
    let (user, password) =
        (format!("--from-literal=username={id}"), format!("--from-literal=password={key}"));
    let kind = "--type=kubernetes.io/basic-auth";
    kubectl(&["create", "secret", "generic", &typed(store), kind, &user, &password]);
    team.write_secret(&issued(store), &[("method", id), ("url", key), ("expires-at", "hidden")]).await;
    kubectl(&["label", "secret", &issued(store), "presign.dev/managed=true"]);
}

/// An object in the signer namespace whose URL would be written over the platform's key.
async fn target(stage: &AttackSetup, store: &Store) -> Result<(), String> {
    let secrets = stage.tenancy.platform_secrets();
    let before = secrets.get(&store.secret()).await.unwrap();
    let key = format!("tenants/{}/report.txt", stage.tenancy.platform);
    let spec = stage.spec(store, "home", &key, json!({"secret": {"name": store.secret()}}));
    let name = stage.fresh_name("target");
    let object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec,
    });
    let object = serde_json::from_value(object).unwrap();
    stage.presigned_urls(Platform).create(&kube::api::PostParams::default(), &object).await.unwrap();
    let object = stage.judged(Platform, &name).await;
    let ready = crate::harness::ready(&object).unwrap();
    let after = secrets.get(&store.secret()).await.unwrap();
    if after.data == before.data && ready.reason == "SecretConflict" {
        Ok(())
    } else {
        Err(format!("the key was overwritten, or nothing was said of it: {}", ready.message))
    }
}

/// A URL that would live for a week, where ten minutes are allowed.
async fn lifetime(stage: &AttackSetup, store: &Store) -> Result<(), String> {
    let own = stage.own_key("report.txt");
    let name = stage.control(Team, stage.spec(store, "plain", &own, json!({"expiresIn": "168h"}))).await;
    let secret = stage.tenancy.team.secrets().get(&name).await.unwrap();
    let url = text(&secret, "url");
    let seconds = url.split("X-Amz-Expires=").nth(1).unwrap().split('&').next().unwrap();
    if seconds.parse::<u32>().unwrap() <= 600 { Ok(()) } else { Err(format!("it lives for {seconds} s")) }
}
