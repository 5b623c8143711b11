//! Makes a certificate, and the CA that signs it and nothing else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::crd::names::OPERATOR;
use crate::domain::Sensitive;
use crate::domain::certificate::{LIFETIME, ServingPair};

/// How far the clock of a client may be behind.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// Makes a certificate for these names. The private key of its CA is gone afterwards.
///
/// # Errors
/// When a name cannot be in a certificate, or the system has no random numbers.
pub(super) fn make(names: &[String], now: Timestamp) -> Result<ServingPair, rcgen::Error> {
    let expires_at = now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let valid = |mut params: CertificateParams, name: String| {
        params.not_before += since_epoch(now.checked_sub(SKEW).unwrap_or(now));
        params.not_after += since_epoch(expires_at);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut ca = empty(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // Two CAs with different keys and one name would confuse some clients.
    let ca = valid(ca, format!("{OPERATOR} signing CA {}", now.as_second()));
    let issuer = Issuer::new(ca.clone(), KeyPair::generate()?);
    let ca = ca.self_signed(issuer.key())?.pem();
    let mut params = empty(names.to_vec())?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let params = valid(params, format!("{OPERATOR} signing"));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(ServingPair { certificate, key: Sensitive::new(key.serialize_pem()), ca, expires_at })
}

/// Parameters with both times at the epoch.
fn empty(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = params.not_before;
    Ok(params)
}

fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::domain::certificate::{CertificateObservation, StoredCertificates};

    #[test]
    fn clients_accept_it_for_each_name_also_when_their_clock_is_behind() {
        let names = ["presign-operator-signing.presign-system.svc".to_owned(), "127.0.0.1".to_owned()];
        let now = Timestamp::from_second(1_900_000_000).unwrap();
        let made = make(&names, now).unwrap();
        let seen =
            CertificateObservation { stored: None, remembered: None, published: "", names: &names, now };
        let Ok(state) = StoredCertificates::advance(&seen, || Ok::<_, Infallible>(made.clone()));
        assert!(state.is_usable(&names, now));
        assert!(state.is_usable(&names, now.checked_sub(SKEW).unwrap()));
        assert!(!state.is_usable(&names, now.checked_sub(SKEW * 2).unwrap()));
        assert!(!state.is_usable(&["other.example".to_owned()], now));
        assert_ne!(make(&names, now).unwrap().key, made.key);
    }
}
