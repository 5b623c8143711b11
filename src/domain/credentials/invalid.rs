//! Why a credentials Secret cannot be used, and what to do. Never contains a value.

use super::Unusable;

/// Why the credentials Secret cannot be used. Names data keys, and never contains a value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCredentials {
    /// The Secret has another purpose.
    #[error(
        "Secret {secret:?} {why}: put the access key into a Secret of type Opaque, and name that in spec.s3.credentials.secretRef.name"
    )]
    Unusable {
        /// Name of the Secret.
        secret: String,
        /// The purpose of the Secret.
        why: Unusable,
    },
    /// The Secret has none of the known layouts.
    #[error(
        "Secret {secret:?} has none of the known layouts: add the keys access-key-id and secret-access-key, or name your keys in spec.s3.credentials.secretRef.keys.accessKeyID and secretAccessKey"
    )]
    NoLayout {
        /// Name of the Secret.
        secret: String,
    },
    /// The Secret has no credentials file with the profile that the spec names.
    #[error(
        "Secret {secret:?} has no credentials file with an access key in the profile {profile:?}: add it, or correct spec.s3.credentials.secretRef.profile"
    )]
    NoProfile {
        /// Name of the Secret.
        secret: String,
        /// The profile.
        profile: String,
    },
    /// The Secret has one half of a known layout.
    #[error(
        "Secret {secret:?} has the key {present:?} but no key {missing:?}: add it, or name both of your keys in spec.s3.credentials.secretRef.keys.accessKeyID and secretAccessKey"
    )]
    HalfLayout {
        /// Name of the Secret.
        secret: String,
        /// The data key that exists.
        present: String,
        /// The data key that is missing.
        missing: &'static str,
    },
    /// The Secret has more than one of the known layouts, with different values.
    #[error(
        "Secret {secret:?} has two layouts, {first} and {second}, with different values: remove one, or choose with spec.s3.credentials.secretRef.keys.accessKeyID and secretAccessKey"
    )]
    TwoLayouts {
        /// Name of the Secret.
        secret: String,
        /// A key of one layout.
        first: String,
        /// A key of another layout.
        second: String,
    },
    /// A data key that the user names does not exist.
    #[error("Secret {secret:?} has no key {key:?}: add it, or correct spec.s3.credentials.secretRef.keys")]
    MissingKey {
        /// Name of the Secret.
        secret: String,
        /// The data key.
        key: String,
    },
    /// The Secret has a session token that would not be used.
    #[error(
        "Secret {secret:?} has a session token in {key:?} that would not be used: name it in spec.s3.credentials.secretRef.keys.sessionToken, or remove it"
    )]
    StrayToken {
        /// Name of the Secret.
        secret: String,
        /// The data key of the token.
        key: String,
    },
    /// The id is one of temporary credentials, but there is no session token.
    #[error(
        "Secret {secret:?}, key {key:?}: is the id of temporary credentials, which work only with their session token: add the token, and name its key in spec.s3.credentials.secretRef.keys.sessionToken (in a credentials file: add aws_session_token to the profile)"
    )]
    MissingToken {
        /// Name of the Secret.
        secret: String,
        /// The data key of the id.
        key: String,
    },
    /// The value of a data key cannot be used.
    #[error("Secret {secret:?}, key {key:?}{}: {problem}", in_field(*field))]
    BadValue {
        /// Name of the Secret.
        secret: String,
        /// The data key.
        key: String,
        /// The field, if the value is part of a document.
        field: Option<&'static str>,
        /// What is wrong and what to do; never the value.
        problem: &'static str,
    },
}

fn in_field(field: Option<&'static str>) -> String {
    field.map(|field| format!(", {field}")).unwrap_or_default()
}
