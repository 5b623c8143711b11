//! The validation rules for where credentials come from, as `rules` has those of the rest.
//!
//! `domain::request` and `domain::signer` check the same again, and answer with the same sentences.

use super::rules::Rule;

rules! {
    // spec: for PresignedUrl and Signer

    SOURCE_ONE, "s3.credentials",
        "!has(self.s3) || has(self.s3.credentials.secretRef) != has(self.s3.credentials.webIdentity)",
        "set secretRef or webIdentity: a Secret with an access key, or a ServiceAccount whose token is exchanged for a session";
    ROLE_PLAIN, "s3.credentials.webIdentity.roleARN",
        "!has(self.s3) || !has(self.s3.credentials.webIdentity) || !has(self.s3.credentials.webIdentity.roleARN) || !self.s3.credentials.webIdentity.roleARN.contains('{')",
        "can contain {namespace} only in a ClusterSigner, with serviceAccountRef.from: Requester";
    NARROW_POLICY, "s3.credentials.session.narrowTo",
        "!has(self.s3) || !has(self.s3.credentials.session) || !has(self.s3.credentials.session.narrowTo) || self.s3.credentials.session.narrowTo != 'Namespace'",
        "Namespace needs the policy of a signer: use Object or Nothing";

    // spec: for Signer

    NARROW_SIGNER, "s3.credentials.session.narrowTo",
        "has(self.policy) || !has(self.s3.credentials.session) || !has(self.s3.credentials.session.narrowTo) || self.s3.credentials.session.narrowTo != 'Namespace'",
        "Namespace needs a policy: set spec.policy, or use Object or Nothing";

    // spec: for ClusterSigner

    SOURCE_ONE_CLUSTER, "s3.credentials",
        "[has(self.s3.credentials.secretRef), has(self.s3.credentials.webIdentity), has(self.s3.credentials.ambient)].exists_one(is, is)",
        "set exactly one of secretRef, webIdentity and ambient: a Secret with an access key, a ServiceAccount whose token is exchanged for a session, or the operator's own identity";
    ROLE_REQUESTER, "s3.credentials.webIdentity.roleARN",
        "!has(self.s3.credentials.webIdentity) || (has(self.s3.credentials.webIdentity.serviceAccountRef.from) && self.s3.credentials.webIdentity.serviceAccountRef.from == 'Requester' ? has(self.s3.credentials.webIdentity.roleARN) && self.s3.credentials.webIdentity.roleARN.contains('{namespace}') : !has(self.s3.credentials.webIdentity.roleARN) || !self.s3.credentials.webIdentity.roleARN.contains('{'))",
        "must contain {namespace} with serviceAccountRef.from: Requester, so that each namespace has a role of its own, and cannot contain it otherwise";
    CHAIN_AMBIENT, "s3.credentials.session.duration",
        concat!("has(self.s3.endpoint) || !has(self.s3.credentials.ambient) || !has(self.s3.credentials.assumeRole) || !has(self.s3.credentials.session) || ", is_at_most_an_hour!("self.s3.credentials.session.duration")),
        "must not be longer than 1h, because AWS permits no more if one role assumes another";

    // spec.s3

    AWS_ENDPOINT, "aws",
        "!has(self.aws) || !has(self.endpoint)",
        "has no effect with an endpoint: remove aws, or remove endpoint";
    AWS_FIPS, "aws.fips",
        "has(self.endpoint) || !has(self.aws) || !has(self.aws.fips) || !self.aws.fips || !self.region.startsWith('cn-')",
        "must not be true in the regions of China, where AWS has no such addresses: remove fips";
    CA_FORM, "caBundle",
        "!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')",
        "must hold certificates as PEM, each between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----";
    STS_NEEDED, "credentials.session.sts.endpoint",
        "!has(self.endpoint) || !(has(self.credentials.webIdentity) || has(self.credentials.assumeRole)) || (has(self.credentials.session) && has(self.credentials.session.sts) && has(self.credentials.session.sts.endpoint))",
        "is required with an endpoint, so that no token goes to AWS by accident: write the address of the STS, which for many stores is that of the store";
    ROLE_AWS, "credentials",
        "has(self.endpoint) || ((!has(self.credentials.webIdentity) || has(self.credentials.webIdentity.roleARN) && self.credentials.webIdentity.roleARN.matches('^arn:aws(-[a-z]+)*:iam::([0-9]{12}|[{]namespace[}]):role/')) && (!has(self.credentials.assumeRole) || self.credentials.assumeRole.roleARN.matches('^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/')))",
        "needs a role of AWS, such as arn:aws:iam::123456789012:role/reports, because there is no endpoint of another store";
    CHAIN_HOUR, "credentials.session.duration",
        concat!("has(self.endpoint) || !(has(self.credentials.webIdentity) || has(self.credentials.secretRef) && has(self.credentials.secretRef.keys) && has(self.credentials.secretRef.keys.sessionToken)) || !has(self.credentials.assumeRole) || !has(self.credentials.session) || ", is_at_most_an_hour!("self.credentials.session.duration")),
        "must not be longer than 1h, because AWS permits no more if one role assumes another";

    // spec.s3.credentials

    SESSION_OF, "session",
        "!has(self.session) || has(self.webIdentity) || has(self.assumeRole)",
        "has no effect without webIdentity or assumeRole: remove session, or set one of them";

    // spec.s3.credentials.webIdentity

    ROLE_WEB_FORM, "roleARN",
        "!has(self.roleARN) || self.roleARN.matches('^arn:[a-z0-9-]+:iam:[a-z0-9-]*:([A-Za-z0-9_-]|[{]namespace[}])*:role/([A-Za-z0-9_+=,.@/-]|[{]namespace[}])+$')",
        "must be the ARN of a role, such as arn:aws:iam::123456789012:role/reports";
    AUDIENCE_FORM, "audience",
        "!has(self.audience) || self.audience.matches('^[!-+--~]+$')",
        "must be visible ASCII characters without spaces and commas, such as sts.amazonaws.com";
    ACCOUNT_NAME, "name",
        is_dns_name!("self.name"),
        "must be a name of a ServiceAccount: a-z, 0-9, '-' and '.', with a letter or digit at both ends";

    // spec.s3.credentials.assumeRole

    ROLE_FORM, "roleARN",
        "self.roleARN.matches('^arn:[a-z0-9-]+:iam:[a-z0-9-]*:[A-Za-z0-9_-]*:role/[A-Za-z0-9_+=,.@/-]+$')",
        "must be the ARN of a role, such as arn:aws:iam::123456789012:role/reports";
    EXTERNAL_ID_FORM, "externalID",
        "!has(self.externalID) || self.externalID.matches('^[A-Za-z0-9_+=,.@:/-]+$')",
        "must be letters, digits and _+=,.@:/-";

    // spec.s3.credentials.session

    SESSION_DURATION, "duration",
        concat!("!has(self.duration) || (", is_duration!("self.duration"), " && ", is_between!("self.duration", "15m", "12h"), ")"),
        "must be from 15m to 12h, in whole hours, minutes and seconds, such as 1h";

    // spec.s3.credentials.session.sts

    // As ENDPOINT_FORM, but without capital letters before the path.
    STS_FORM, "endpoint",
        concat!("!has(self.endpoint) || (self.endpoint.matches('^https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|[[][0-9a-f:]+[]])(:0*[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/*$') && !self.endpoint.matches('/[.](/|$)') && !self.endpoint.contains('..') && ", has_possible_port_and_ipv6!(), " && (!self.endpoint.matches('^[^/]*//([^/]*[.])?([0-9]+|0x[0-9a-f]*)(:[0-9]*)?(/|$)') || isIP(self.endpoint.split('/')[2].split(':')[0])))"),
        "must be https://, or http:// for an STS that the operator permits without TLS, a host in lower case, and optionally a port and a path, such as https://sts.store.example";
    STS_REGION, "region",
        "!has(self.region) || self.region.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        "must be a region, such as eu-central-1";
}
