//! One attack: an object that is created with the attacker's rights, and what must become of it.

use k8s_openapi::api::core::v1::Secret;
use kube::Error;
use kube::api::{Api, PostParams};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};

use super::exploit::use_url;
use super::ledger::{Ledger, Outcome};
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use crate::harness::{ready, text};

/// What must become of an attack.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    /// It is refused, by the API server or by the operator, with these words.
    BeRefused(&'static str),
    /// It may be granted, since its key is the attacker's own byte for byte, but the URL must reach nothing
    /// of others.
    BeHarmless,
}

pub struct Attack<'a> {
    pub row: &'a str,
    pub store: &'a Store,
    pub place: AttackNamespace,
    pub spec: Value,
    /// A header that the attacker adds when using the URL.
    pub added: Option<String>,
    pub must: Must,
}

impl Attack<'_> {
    /// Tries the attack and notes what became of it.
    pub async fn try_on(self, stage: &AttackSetup, ledger: &mut Ledger) {
        let row = format!("{}: {}", self.store.name, self.row);
        let outcome = Box::pin(self.outcome(stage)).await;
        ledger.note(&row, outcome);
    }

    async fn outcome(&self, stage: &AttackSetup) -> Outcome {
        let name = stage.fresh_name("row");
        let object = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name},
            "spec": self.spec,
        });
        // Created and not applied: an apply is read as YAML, to which some characters mean something else.
        let object: PresignedUrl = serde_json::from_value(object).unwrap();
        let said = match stage.presigned_urls(self.place).create(&PostParams::default(), &object).await {
            Ok(_) => {
                let object = stage.judged(self.place, &name).await;
                if let Some(secret) = self.issued(stage, &name).await {
                    return self.granted(stage, &secret);
                }
                ready(&object).unwrap().message.clone()
            }
            Err(Error::Api(status)) if status.code == 422 => status.message.clone(),
            Err(error) => panic!("{}: it was not tried: {error}", self.row),
        };
        match self.must {
            Must::BeRefused(words) if !said.contains(words) => {
                Err(format!("it was refused, but not for what it was tried for: {said}"))
            }
            Must::BeRefused(_) | Must::BeHarmless => Ok(()),
        }
    }

    /// The Secret of an object, if there is a URL in it.
    async fn issued(&self, stage: &AttackSetup, name: &str) -> Option<Secret> {
        let client = stage.tenancy.team.client.clone();
        let secrets = Api::<Secret>::namespaced(client, stage.namespace(self.place));
        secrets.get_opt(name).await.unwrap().filter(|secret| !text(secret, "url").is_empty())
    }

    fn granted(&self, stage: &AttackSetup, secret: &Secret) -> Outcome {
        match (use_url(stage, self.store, secret, self.added.as_deref()), self.must) {
            (Some(harm), _) => Err(format!("it was granted, and the attacker {harm}")),
            (None, Must::BeRefused(_)) => Err("it was granted, though its URL reached nothing".to_owned()),
            (None, Must::BeHarmless) => Ok(()),
        }
    }
}
