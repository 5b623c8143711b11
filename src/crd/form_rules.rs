//! The validation rules of forms, as `rules` has those of the other fields.
//!
//! `domain::request` checks the same again, and answers with the same sentences.

use super::rules::Rule;

rules! {
    // spec

    FORM_NEEDED, "form",
        "!has(self.method) || self.method != 'POST' || has(self.form)",
        "is required with method POST: write what may be uploaded, such as maxSize: 10485760 for files of at most 10 MiB";
    FORM_METHOD, "form",
        "!has(self.form) || (has(self.method) && self.method == 'POST')",
        "works only with method POST: set that, or remove form";
    FORM_BUCKET, "bucket",
        "!has(self.method) || self.method != 'POST' || !self.bucket.contains(':')",
        "a form works only with the name of a bucket, not with an access point or the bucket of another tenant: write the name, or set method to PUT";
    FORM_PREFIX, "key",
        "!has(self.form) || !has(self.form.keyPrefix) || !self.form.keyPrefix || self.key.endsWith('/')",
        "must end with a slash if form.keyPrefix is true, such as uploads/, because visitors choose the name after it";
    FORM_VARIABLE, "key",
        "!has(self.form) || !self.key.contains('${filename}')",
        "must not contain ${filename}, which stores replace: set form.keyPrefix to true, and the operator adds it";
    FORM_HEADERS, "headers",
        "!has(self.headers) || size(self.headers) == 0 || !has(self.method) || self.method != 'POST'",
        "a form has fields instead of headers: remove headers, and use form.contentType and form.metadata";
    FORM_QUERY, "query",
        "!has(self.query) || size(self.query) == 0 || !has(self.method) || self.method != 'POST'",
        "a form has no query: remove query, or set method to PUT";

    // spec.form

    FORM_SIZES, "minSize",
        "!has(self.minSize) || self.minSize <= self.maxSize",
        "must not be more than maxSize: reduce it, or increase maxSize";
    FORM_TYPE, "contentType",
        "!has(self.contentType) || self.contentType.matches('^[A-Za-z0-9!#$&^_.+-]+/([A-Za-z0-9!#$&^_.+-]+( *;([ -~]*[!-.0-~])?)?)?$')",
        "must be a media type, such as image/png, or its first part with the slash, such as image/ for every image";
    FORM_TYPE_VARIABLE, "contentType",
        "!has(self.contentType) || !self.contentType.contains('${filename}')",
        "must not contain ${filename}, which stores replace by the name of the visitor's file: write a fixed type";
    FORM_METADATA_NAME, "metadata",
        "!has(self.metadata) || self.metadata.all(name, size(name) <= 64 && name.matches('^[a-z0-9._-]+$') && !name.startsWith('x-amz-'))",
        "names must be 1 to 64 of a-z, 0-9, '.', '_' and '-', without x-amz-meta-, which the operator adds";
    FORM_METADATA_VALUE, "metadata",
        concat!("!has(self.metadata) || self.metadata.all(name, ", is_visible!("self.metadata[name]"), ")"),
        "values must be visible ASCII characters, must not be empty, and must not begin or end with a space";
    FORM_METADATA_VARIABLE, "metadata",
        "!has(self.metadata) || !self.metadata.exists(name, self.metadata[name].contains('${filename}'))",
        "values must not contain ${filename}, which stores replace by the name of the visitor's file: write fixed values";
    FORM_METADATA_SIZE, "metadata",
        "!has(self.metadata) || self.metadata.map(name, size(name) + size(self.metadata[name])).sum() <= 2048",
        "must not have more than 2048 characters in all names and values together, because stores keep no more: shorten it";
    FORM_REDIRECT, "successRedirect",
        "!has(self.successRedirect) || self.successRedirect.matches('^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$')",
        "must be an address that begins with https:// or http://, in ASCII, such as https://app.example.com/done";
    FORM_REDIRECT_VARIABLE, "successRedirect",
        "!has(self.successRedirect) || !self.successRedirect.contains('${filename}')",
        "must not contain ${filename}, which stores replace by the name of the visitor's file: the store adds the key to the address itself";
    FORM_STATUS, "successStatus",
        "!has(self.successStatus) || self.successStatus in [200, 201, 204]",
        "must be 200, 201 or 204: stores answer with no other status";
    FORM_ANSWER, "successStatus",
        "!(has(self.successRedirect) && has(self.successStatus))",
        "set successRedirect or successStatus, not both: a store that redirects ignores the status";
}
