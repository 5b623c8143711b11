//! The certificate as the data of a Secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::{Predecessor, ServingPair, StoredCertificates, Successor};
use crate::domain::Sensitive;

/// The keys of one certificate.
struct PairKeys {
    certificate: &'static str,
    key: &'static str,
    ca: &'static str,
    expires_at: &'static str,
}

const CURRENT: PairKeys =
    PairKeys { certificate: "tls.crt", key: "tls.key", ca: "ca.crt", expires_at: "expires-at" };
const NEXT: PairKeys = PairKeys {
    certificate: "next-tls.crt",
    key: "next-tls.key",
    ca: "next-ca.crt",
    expires_at: "next-expires-at",
};
const NEXT_SERVED_FROM: &str = "next-served-from";
const PREVIOUS_CA: &str = "previous-ca.crt";
const PREVIOUS_UNTIL: &str = "previous-until";

type SecretData = BTreeMap<String, ByteString>;

impl StoredCertificates {
    /// Reads the data of a Secret; `None` if the current certificate is not complete. What is not complete of
    /// the next and the previous one is left out.
    #[must_use]
    pub fn read(data: &SecretData) -> Option<Self> {
        let next = ServingPair::read(data, &NEXT);
        let previous_until = time(data, PREVIOUS_UNTIL);
        Some(Self {
            current: ServingPair::read(data, &CURRENT)?,
            next: next.map(|pair| Successor { pair, served_from: time(data, NEXT_SERVED_FROM) }),
            previous: previous_until
                .and_then(|until| Some(Predecessor { ca: text(data, PREVIOUS_CA)?, until })),
        })
    }

    /// The data of the Secret.
    #[must_use]
    pub fn data(&self) -> SecretData {
        let mut data = self.current.data(&CURRENT);
        if let Some(Successor { pair, served_from }) = &self.next {
            data.extend(pair.data(&NEXT));
            data.extend(served_from.map(|time| entry(NEXT_SERVED_FROM, &time.to_string())));
        }
        if let Some(Predecessor { ca, until }) = &self.previous {
            data.extend([entry(PREVIOUS_CA, ca), entry(PREVIOUS_UNTIL, &until.to_string())]);
        }
        data
    }
}

impl ServingPair {
    fn read(data: &SecretData, keys: &PairKeys) -> Option<Self> {
        Some(Self {
            certificate: text(data, keys.certificate)?,
            key: Sensitive::new(text(data, keys.key)?),
            ca: text(data, keys.ca)?,
            expires_at: time(data, keys.expires_at)?,
        })
    }

    fn data(&self, keys: &PairKeys) -> SecretData {
        let expires_at = self.expires_at.to_string();
        SecretData::from([
            entry(keys.certificate, &self.certificate),
            entry(keys.key, self.key.expose()),
            entry(keys.ca, &self.ca),
            entry(keys.expires_at, &expires_at),
        ])
    }
}

fn entry(key: &str, value: &str) -> (String, ByteString) {
    (key.to_owned(), ByteString(value.as_bytes().to_vec()))
}

fn text(data: &SecretData, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.0.clone()).ok()
}

fn time(data: &SecretData, key: &str) -> Option<Timestamp> {
    text(data, key)?.parse().ok()
}
