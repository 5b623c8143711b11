//! What to check after a failure: a table from the codes of an STS.

use super::failure::{StsFailure, StsOutage, StsStep};

impl StsFailure {
    /// What to check, as the end of a sentence; `None` when the text of the failure says it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Denied { step, code, .. } => Some(denied(*step, code.as_deref().unwrap_or_default())),
            Self::Unavailable { step, outage } => unavailable(*step, *outage),
            _ => None,
        }
    }
}

fn denied(step: StsStep, code: &str) -> &'static str {
    match (code, step) {
        (_, StsStep::Ambient) => {
            "check that the pod or the node of the operator has a role, and that the operator may use it"
        }
        ("AccessDenied" | "AccessDeniedException", StsStep::WebIdentity) => {
            "check that the role exists, and that its trust policy permits the subject and the audience of the token"
        }
        ("AccessDenied" | "AccessDeniedException", StsStep::AssumeRole) => {
            "check that the role exists, that its trust policy permits the calling identity and the external ID, and that this identity may call sts:AssumeRole"
        }
        ("InvalidIdentityToken" | "InvalidIdentityTokenException", _) => {
            "check that the STS knows the issuer of the token as an identity provider with this audience, and that it can read the discovery document of the issuer"
        }
        ("IDPRejectedClaim" | "IDPRejectedClaimException", _) => {
            "check that the identity provider accepts the issuer, the subject and the audience of the token"
        }
        (
            "ExpiredTokenException"
            | "ExpiredToken"
            | "WebIdentityExpiredToken"
            | "ExpiredTradeInTokenException",
            StsStep::WebIdentity,
        ) => "check the clock of the nodes and of the STS, because each token is new",
        ("ExpiredTokenException" | "ExpiredToken" | "RequestExpired", _) => {
            "check that the credentials have not expired, and check the clock of the node"
        }
        ("RequestTimeTooSkewed", _) => "check the clock of the node",
        ("InvalidParameterValue", StsStep::WebIdentity) => {
            "check that the audience is one that the role and the identity provider of the STS permit, and that the maximum session duration of the role is not shorter than the requested one"
        }
        ("ValidationError" | "InvalidParameterValue", _) => {
            "check that the maximum session duration of the role is not shorter than the requested one (one hour if the role was assumed with another role), and check the ARN of the role"
        }
        ("MalformedPolicyDocument" | "MalformedPolicyDocumentException", _) => {
            "the STS does not accept the policy that narrows the session: set narrowTo to Nothing"
        }
        ("PackedPolicyTooLarge" | "PackedPolicyTooLargeException", _) => {
            "the policy that narrows the session is too large: set narrowTo to Object or Nothing"
        }
        ("RegionDisabledException", _) => {
            "activate the STS of this region in the settings of the AWS account, or set another region"
        }
        (
            "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "AuthFailure",
            _,
        ) => {
            "check that the access key in the Secret is valid and active, and that its parts belong together"
        }
        ("InvalidAction" | "MissingAction" | "MethodNotAllowed" | "NotImplemented" | "", _) => {
            "check that the endpoint is that of an STS, and that it supports this kind of identity"
        }
        _ => "see the documentation of the STS for this code",
    }
}

fn unavailable(step: StsStep, outage: StsOutage) -> Option<&'static str> {
    match outage {
        StsOutage::Timeout | StsOutage::Unreachable | StsOutage::Garbage if step == StsStep::Ambient => Some(
            "check that the pod or the node of the operator has a role, and that pods may reach the metadata service of the node (its hop limit must be 2)",
        ),
        StsOutage::Issuer => {
            Some("check that the discovery document of the issuer and its keys can be read by the STS")
        }
        StsOutage::Tls => Some("check caBundle, and the certificate of the STS"),
        StsOutage::Timeout | StsOutage::Unreachable => {
            Some("check the endpoint, the name servers, network policies and the proxy")
        }
        StsOutage::Redirect | StsOutage::TooLong | StsOutage::Garbage => {
            Some("check that the endpoint is that of an STS")
        }
        StsOutage::Expired => Some("check the clock of the node and of the STS"),
        StsOutage::Throttled | StsOutage::Fault(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(step: StsStep, code: &str) -> String {
        let code = Some(code.to_owned()).filter(|code| !code.is_empty());
        StsFailure::Denied { step, status: 403, code }.advice().unwrap().to_owned()
    }

    #[test]
    fn each_code_leads_to_what_has_to_be_checked() {
        use StsStep::{Ambient, AssumeRole, WebIdentity};
        for (step, code, checks) in [
            (WebIdentity, "AccessDenied", "subject and the audience"),
            (AssumeRole, "AccessDenied", "external ID"),
            (WebIdentity, "InvalidIdentityToken", "discovery document"),
            (WebIdentity, "IDPRejectedClaim", "identity provider"),
            (WebIdentity, "ExpiredTokenException", "clock"),
            (AssumeRole, "ExpiredToken", "credentials have not expired"),
            (AssumeRole, "ValidationError", "maximum session duration"),
            (WebIdentity, "InvalidParameterValue", "audience"),
            (AssumeRole, "InvalidParameterValue", "maximum session duration"),
            (WebIdentity, "MalformedPolicyDocument", "narrowTo"),
            (WebIdentity, "PackedPolicyTooLarge", "narrowTo to Object or Nothing"),
            (AssumeRole, "RegionDisabledException", "activate"),
            (AssumeRole, "InvalidClientTokenId", "access key in the Secret"),
            (AssumeRole, "SignatureDoesNotMatch", "access key in the Secret"),
            (WebIdentity, "", "endpoint"),
            (WebIdentity, "Sonderbar", "documentation"),
            (Ambient, "AccessDenied", "role"),
        ] {
            let advice = advice(step, code);
            assert!(advice.contains(checks), "{code}: {advice}");
        }
    }

    #[test]
    fn an_outage_that_users_can_end_has_advice_too() {
        let advice = |outage: StsOutage| outage.of(StsStep::WebIdentity).advice();
        assert!(advice(StsOutage::Tls).unwrap().contains("caBundle"));
        assert!(advice(StsOutage::Issuer).unwrap().contains("discovery document"));
        assert_eq!(advice(StsOutage::Throttled), None);
    }
}
