//! The files that the components read and write, all in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::KeyPair;
use serde_json::json;

use crate::{Error, Result};

const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
";

const END: &str = "-----END CERTIFICATE-----";

/// Where each file is.
pub(super) struct Files {
    pub(super) etcd_data: PathBuf,
    pub(super) certificates: PathBuf,
    pub(super) ca: PathBuf,
    chain: PathBuf,
    pub(super) tokens: PathBuf,
    pub(super) private_key: PathBuf,
    pub(super) public_key: PathBuf,
    pub(super) audit_policy: PathBuf,
    pub(super) audit_log: PathBuf,
    pub(super) kubeconfig: PathBuf,
}

/// The address of the API server.
pub(super) fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

impl Files {
    /// Their places below a folder.
    pub(super) fn below(folder: &Path) -> Self {
        Self {
            etcd_data: folder.join("etcd"),
            certificates: folder.join("certificates"),
            chain: folder.join("certificates/apiserver.crt"),
            ca: folder.join("ca.crt"),
            tokens: folder.join("tokens.csv"),
            private_key: folder.join("service-account.key"),
            public_key: folder.join("service-account.pub"),
            audit_policy: folder.join("audit-policy.yaml"),
            audit_log: folder.join("audit.log"),
            kubeconfig: folder.join("admin.kubeconfig"),
        }
    }

    /// Writes what has to be there before the first start.
    pub(super) fn write_all(&self, port: u16, admin_token: &str, guest_token: &str) -> Result<()> {
        let keys = KeyPair::generate().expect("P-256 keys can be made from any random bytes");
        write(&self.private_key, &keys.serialize_pem())?;
        write(&self.public_key, &keys.public_key_pem())?;
        write(
            &self.tokens,
            &format!("{admin_token},admin,admin,\"system:masters\"\n{guest_token},guest,guest\n"),
        )?;
        write(&self.audit_policy, AUDIT_POLICY)?;
        self.write_kubeconfig(&self.kubeconfig, port, admin_token)
    }

    /// Writes a kubeconfig for a token. JSON, which is YAML too.
    pub(super) fn write_kubeconfig(&self, path: &Path, port: u16, token: &str) -> Result<()> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "testbed",
                "cluster": { "server": url(port), "certificate-authority": self.ca },
            }],
            "users": [{ "name": "testbed", "user": { "token": token } }],
            "contexts": [{
                "name": "testbed",
                "context": { "cluster": "testbed", "user": "testbed" },
            }],
            "current-context": "testbed",
        });
        write(path, &format!("{kubeconfig:#}\n"))
    }

    /// Whether the API server has written its certificate and the CA's.
    pub(super) fn has_certificates(&self) -> bool {
        fs::read_to_string(&self.chain).is_ok_and(|chain| chain.matches(END).count() == 2)
    }

    /// Takes the CA out of the chain that the API server wrote at its first start.
    ///
    /// The whole chain would do for clients, but the controllers publish the file to
    /// pods and refuse its first certificate, over and over, for not being a CA.
    pub(super) fn write_ca(&self) -> Result<()> {
        let chain = fs::read_to_string(&self.chain).map_err(Error::io("read", &self.chain))?;
        let (_, ca) = chain.split_once(END).unwrap_or_default();
        write(&self.ca, ca.trim_start())
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::io("write", path))
}
