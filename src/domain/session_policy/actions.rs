//! The table of the IAM actions that a request needs, by its method and its options.

use std::collections::BTreeSet;

use crate::domain::request::Method;

/// The requests that need the action of a row, among those with its method.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// All requests.
    Always,
    /// Requests for the current version of the object.
    NoVersion,
    /// Requests that name a version of the object.
    Version,
    /// Uploads of one part of an object.
    Part,
    /// Requests with this header, in lower case.
    Header(&'static str),
}

const READS: &[Method] = &[Method::Get, Method::Head];
/// Uploads, also those with a form, which cannot have the headers of the rows below.
const UPLOADS: &[Method] = &[Method::Put, Method::Post];
const WRITES: &[Method] = &[Method::Put];
const DELETIONS: &[Method] = &[Method::Delete];
const CHANGES: &[Method] = &[Method::Put, Method::Delete];

/// The actions on objects are those of
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>, and for
/// `If-Match` of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html> and
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-delete-enforce.html>. Those on the
/// keys of encrypted objects are of
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms>.
///
/// `s3:BypassGovernanceRetention` is not among them, so no URL removes a locked object.
#[rustfmt::skip]
const TABLE: [(&[Method], When, &str); 18] = [
    (READS, When::NoVersion, "s3:GetObject"),
    (READS, When::Version, "s3:GetObjectVersion"),
    (READS, When::Always, "kms:Decrypt"),
    (UPLOADS, When::Always, "s3:PutObject"),
    (WRITES, When::Header("x-amz-tagging"), "s3:PutObjectTagging"),
    (WRITES, When::Header("x-amz-acl"), "s3:PutObjectAcl"),
    (WRITES, When::Header("x-amz-grant-full-control"), "s3:PutObjectAcl"),
    (WRITES, When::Header("x-amz-grant-read"), "s3:PutObjectAcl"),
    (WRITES, When::Header("x-amz-grant-read-acp"), "s3:PutObjectAcl"),
    (WRITES, When::Header("x-amz-grant-write-acp"), "s3:PutObjectAcl"),
    (WRITES, When::Header("x-amz-object-lock-mode"), "s3:PutObjectRetention"),
    (WRITES, When::Header("x-amz-object-lock-retain-until-date"), "s3:PutObjectRetention"),
    (WRITES, When::Header("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
    (UPLOADS, When::Always, "kms:GenerateDataKey"),
    (WRITES, When::Part, "kms:Decrypt"),
    (DELETIONS, When::NoVersion, "s3:DeleteObject"),
    (DELETIONS, When::Version, "s3:DeleteObjectVersion"),
    (CHANGES, When::Header("if-match"), "s3:GetObject"),
];

/// The actions of requests with these methods, from the rows that apply.
pub(super) fn actions(methods: &[Method], applies: impl Fn(When) -> bool) -> BTreeSet<&'static str> {
    let rows = TABLE.iter().filter(|(of, when, _)| methods.iter().any(|m| of.contains(m)) && applies(*when));
    rows.map(|(_, _, action)| *action).collect()
}

/// Whether an action is on the key of an encrypted object, and not on the object.
pub(super) fn is_on_encryption_key(action: &str) -> bool {
    action.starts_with("kms:")
}
