//! Roles: who may assume them, and what their sessions may do.

use serde_json::{Value, json};

use super::ACCOUNT;

/// A role: a set of permissions that whoever it trusts can have for a while.
#[derive(Clone, Debug)]
#[must_use = "it is to be given to a store"]
pub struct Role {
    pub(super) name: String,
    policy: Value,
    service_accounts: Vec<String>,
    identities: Vec<String>,
    roles: Vec<String>,
}

impl Role {
    /// A role that trusts nobody yet, with a policy in AWS's language (see [`allow`]).
    pub fn new(name: impl Into<String>, policy: Value) -> Self {
        let (service_accounts, identities, roles) = <(Vec<_>, Vec<_>, Vec<_>)>::default();
        Self { name: name.into(), policy, service_accounts, identities, roles }
    }

    /// Trusts a service account of the issuer (`AssumeRoleWithWebIdentity`). `*` stands for any
    /// namespace or name.
    pub fn service_account(mut self, namespace: &str, name: &str) -> Self {
        self.service_accounts.push(format!("system:serviceaccount:{namespace}:{name}"));
        self
    }

    /// Trusts the owner of an access key (`AssumeRole`), who needs no other permission for that.
    pub fn identity(mut self, access_key_id: impl Into<String>) -> Self {
        self.identities.push(access_key_id.into());
        self
    }

    /// Trusts the sessions of another role (`AssumeRole`).
    pub fn role(mut self, name: impl Into<String>) -> Self {
        self.roles.push(name.into());
        self
    }

    /// As the server reads it.
    pub(super) fn definition(&self) -> Value {
        json!({
            "roleName": self.name,
            "roleArn": arn(&self.name),
            "trustPolicy": policy(&self.trust()),
            "attachedPolicies": [self.name],
        })
    }

    /// Its policy, which has its name.
    pub(super) fn permissions(&self) -> Value {
        json!({"name": self.name, "document": self.policy})
    }

    fn trust(&self) -> Vec<Value> {
        let mut statements = Vec::new();
        if !self.service_accounts.is_empty() {
            statements.push(json!({
                "Effect": "Allow",
                "Principal": { "Federated": super::files::PROVIDER },
                "Action": ["sts:AssumeRoleWithWebIdentity"],
                // AWS calls it by the issuer, `ISSUER:sub`.
                "Condition": { "StringLike": { "oidc:sub": self.service_accounts } },
            }));
        }
        if !self.identities.is_empty() {
            let arn = |id: &String| format!("arn:aws:iam::{ACCOUNT}:user/{id}");
            statements.push(json!({
                "Effect": "Allow",
                "Principal": { "AWS": self.identities.iter().map(arn).collect::<Vec<_>>() },
                "Action": ["sts:AssumeRole"],
            }));
        }
        if !self.roles.is_empty() {
            // Other than on AWS, a session is a principal of its own and not its role; and those
            // of service accounts are in no account.
            let sessions = |name: &String| format!("arn:aws:sts::*assumed-role/{name}/*");
            let sessions: Vec<_> = self.roles.iter().map(sessions).collect();
            statements.push(json!({
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["sts:AssumeRole"],
                "Condition": { "StringLike": { "aws:PrincipalArn": sessions } },
            }));
        }
        statements
    }
}

/// A policy that allows some actions on some resources: `s3:GetObject` on
/// `arn:aws:s3:::BUCKET/PREFIX/*`. Other than on AWS, `${*}` is no way to write a star.
pub fn allow(actions: &[&str], resources: &[&str]) -> Value {
    policy(&[json!({"Effect": "Allow", "Action": actions, "Resource": resources})])
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// How a client names a role.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}
