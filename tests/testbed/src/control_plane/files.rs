//! The files that the components read and write, all in one folder.

use std::{
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::json;

use crate::{
    disk::{read, write},
    random,
};

const END: &str = "-----END CERTIFICATE-----";

/// The name of the one node, if there is one.
pub(crate) const NODE: &str = "testbed";

/// What the API server knows its users by.
pub(super) struct Tokens {
    admin: String,
    pub(super) node: String,
}

impl Tokens {
    pub(super) fn random() -> Self {
        Self { admin: random::hex(16), node: random::hex(16) }
    }
}

/// Where each file is.
pub(super) struct PlaneFiles {
    pub(super) etcd_data: PathBuf,
    pub(super) certificates: PathBuf,
    pub(super) ca: PathBuf,
    chain: PathBuf,
    pub(super) tokens: PathBuf,
    pub(super) private_key: PathBuf,
    pub(super) public_key: PathBuf,
    pub(super) audit_log: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) kubelet_client_certificate: PathBuf,
    pub(super) kubelet_client_key: PathBuf,
}

/// The URL of the API server.
pub(super) fn url(address: SocketAddrV4) -> String {
    format!("https://{address}")
}

impl PlaneFiles {
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
            audit_log: folder.join("audit.log"),
            kubeconfig: folder.join("admin.kubeconfig"),
            kubelet_client_certificate: folder.join("kubelet-client.crt"),
            kubelet_client_key: folder.join("kubelet-client.key"),
        }
    }

    /// Writes what has to be there before the first start.
    pub(super) fn write_all(&self, address: SocketAddrV4, tokens: &Tokens) -> Result<()> {
        let keys = KeyPair::generate().expect("P-256 keys can be made from any random bytes");
        write(&self.private_key, keys.serialize_pem())?;
        write(&self.public_key, keys.public_key_pem())?;
        write(
            &self.tokens,
            format!(
                "{},admin,admin,\"system:masters\"\n{},system:node:{NODE},node,\"system:nodes\"\n",
                tokens.admin, tokens.node,
            ),
        )?;
        self.write_kubelet_client()?;
        self.write_kubeconfig(&self.kubeconfig, address, &tokens.admin)
    }

    /// Writes a kubeconfig for a token. JSON, which is YAML too.
    pub(super) fn write_kubeconfig(&self, path: &Path, address: SocketAddrV4, token: &str) -> Result<()> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "testbed",
                "cluster": { "server": url(address), "certificate-authority": self.ca },
            }],
            "users": [{ "name": "testbed", "user": { "token": token } }],
            "contexts": [{
                "name": "testbed",
                "context": { "cluster": "testbed", "user": "testbed" },
            }],
            "current-context": "testbed",
        });
        write(path, format!("{kubeconfig:#}\n"))
    }

    /// The API server's proof to a kubelet that it is the API server: a certificate that
    /// nobody but itself has signed, and which kubelet is told to trust.
    fn write_kubelet_client(&self) -> Result<()> {
        let key = KeyPair::generate().expect("P-256 keys can be made from any random bytes");
        let mut certificate = CertificateParams::default();
        certificate.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = certificate.self_signed(&key).expect("a certificate of constants can be signed");
        write(&self.kubelet_client_certificate, signed.pem())?;
        write(&self.kubelet_client_key, key.serialize_pem())
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
        let chain = read(&self.chain)?;
        let (_, ca) = chain.split_once(END).unwrap_or_default();
        write(&self.ca, ca.trim_start())
    }
}
