//! Renders the session policy that narrows temporary credentials to what a URL is for.
//!
//! A session has the permissions that its role and its session policy both give:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>. So a policy
//! rendered here takes permissions away, and never gives one that the role does not have.

mod actions;
mod document;
mod resources;
#[cfg(test)]
mod tests;

use self::actions::{When, actions};
use self::document::{Document, MAX_POLICY};
use self::resources::{literal, patterns, resource};
use super::policy::{Policy, PolicyRule, names_source};
use super::request::{Connection, Method, Request, check_bucket};

/// Why a session cannot be narrowed: the end of a sentence for the user, which says what to change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unnarrowable {
    /// The store may read a character of the key as a wildcard or a variable, and knows no escapes.
    #[error(
        "the session cannot be narrowed to the object, because spec.key has {character:?}, which its store may read as a wildcard: choose another key, or set session.narrowTo to Namespace or Nothing"
    )]
    Key {
        /// The character.
        character: char,
    },
    /// The same in a rule of the signer.
    #[error(
        "the session cannot be narrowed to the namespace, because the keys of rule {rule:?} have {character:?}, which the store may read as a wildcard: the owner of the signer can change the rule, or set session.narrowTo to Object or Nothing"
    )]
    RuleKeys {
        /// Name of the rule.
        rule: String,
        /// The character.
        character: char,
    },
    /// A rule has `{namespace}` after `{name}`. A wildcard for the name would include the keys of other
    /// namespaces, because it matches slashes too.
    #[error(
        "the session cannot be narrowed to the namespace, because the keys of rule {rule:?} have {{namespace}} after {{name}}: the owner of the signer can put {{namespace}} first, or set session.narrowTo to Object or Nothing"
    )]
    RuleOrder {
        /// Name of the rule.
        rule: String,
    },
    /// A header makes the store read another object, whose bucket and key are in the value.
    #[error(
        "the session cannot be narrowed to the object, because the header {header} makes the store read another object: remove the header, or set session.narrowTo to Namespace or Nothing"
    )]
    Source {
        /// Name of the header, as the user wrote it.
        header: String,
    },
    /// The session policy for an object is too long.
    #[error(
        "the session cannot be narrowed to the object, because its session policy would have {length} characters, and at most {MAX_POLICY} are possible: choose a shorter key, or set session.narrowTo to Namespace or Nothing"
    )]
    LongForObject {
        /// Length of the session policy, in characters.
        length: usize,
    },
    /// The session policy for a namespace is too long.
    #[error(
        "the session cannot be narrowed to the namespace, because its session policy would have {length} characters, and at most {MAX_POLICY} are possible: the owner of the signer can give the namespace fewer rules, buckets and keys, or set session.narrowTo to Object or Nothing"
    )]
    LongForNamespace {
        /// Length of the session policy, in characters.
        length: usize,
    },
}

/// The session policy that permits the method of a request on its object, and nothing else. A form whose key
/// is a prefix permits every object below it.
///
/// # Errors
/// When no such policy can be written; see [`Unnarrowable`].
pub fn of_object(request: &Request) -> Result<String, Unnarrowable> {
    if let Some((header, _)) = request.headers.iter().find(|(name, _)| names_source(name)) {
        return Err(Unnarrowable::Source { header: header.clone() });
    }
    let connection = &request.connection;
    let mut key = literal(connection, &request.key).map_err(|character| Unnarrowable::Key { character })?;
    if request.form.as_ref().is_some_and(|form| form.is_key_prefix) {
        key.push('*');
    }
    let has_parameter = |wanted: &str| request.query.iter().any(|(name, _)| name == wanted);
    let applies = |when| match when {
        When::Always => true,
        // MinIO requires the action without a version for every request:
        // <https://github.com/minio/minio/blob/master/cmd/object-handlers.go>.
        When::NoVersion => connection.endpoint.is_some() || !has_parameter("versionId"),
        When::Version => has_parameter("versionId"),
        When::Part => has_parameter("uploadId"),
        When::Header(wanted) => request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted)),
    };
    let mut document = Document::default();
    document.allow(resource(connection, &request.bucket, &key), &actions(&[request.method], applies));
    document.render(connection).map_err(|length| Unnarrowable::LongForObject { length })
}

/// The session policy that permits what the rules of a signer allow to a namespace, whatever the names of
/// its `PresignedUrl`s are. Without a rule for the namespace it denies everything.
///
/// It permits an action that depends on a header only where a rule names the header. So an upload or a
/// deletion with `If-Match`, which rules allow even if they do not name it, also needs a rule that names it
/// or allows GET. A copy succeeds if the rules allow GET of its source. The session is not permitted what
/// the rules do not allow.
///
/// # Errors
/// When no such policy can be written; see [`Unnarrowable`].
pub fn of_namespace(
    policy: &Policy,
    namespace: &str,
    connection: &Connection,
) -> Result<String, Unnarrowable> {
    let mut document = Document::default();
    for rule in policy.rules_for(namespace) {
        let methods: Vec<Method> =
            rule.methods.iter().copied().filter(|m| policy.may_allow(rule, *m)).collect();
        let actions = actions(&methods, |when| may_apply(rule, when));
        if actions.is_empty() {
            continue;
        }
        // No request can name another bucket, whose name could be read as something else.
        let buckets = rule.buckets.iter().filter(|b| check_bucket(b, connection.endpoint.is_some()).is_ok());
        let keys = patterns(rule, namespace, connection)?;
        for bucket in buckets {
            for key in &keys {
                document.allow(resource(connection, bucket, key), &actions);
            }
        }
    }
    document.render(connection).map_err(|length| Unnarrowable::LongForNamespace { length })
}

/// Whether a rule allows requests to which a row of the table applies.
fn may_apply(rule: &PolicyRule, when: When) -> bool {
    match when {
        When::Always | When::NoVersion | When::Part => true,
        When::Version => rule.allows_versions,
        When::Header(name) => rule.names_header(name),
    }
}
