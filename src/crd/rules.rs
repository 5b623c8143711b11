//! The validation rules: what the API server evaluates, and the sentence that a person
//! reads when one is broken.
//!
//! `domain::request` checks the same again for objects that were stored without these
//! rules, and answers with the same sentences, so both sides take them from here.

use kube::core::Message;

/// One validation rule of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The field at fault, relative to the struct that carries the rule; empty for itself.
    pub field: &'static str,
    /// CEL expression; `self` is the struct that carries the rule.
    pub cel: &'static str,
    /// What to write instead; `{}` in it stands for the name that [`Rule::names`] gives.
    pub message: &'static str,
    /// CEL expression for the one name at fault, where the message has a place for it.
    pub names: Option<&'static str>,
}

impl Rule {
    /// The sentence about a name.
    #[must_use]
    pub fn about(&self, name: &str) -> String {
        self.message.replacen("{}", name, 1)
    }
}

impl From<Rule> for kube::core::Rule {
    fn from(rule: Rule) -> Self {
        let cel = Self::new(rule.cel);
        let cel = match rule.names.zip(rule.message.split_once("{}")) {
            Some((names, (before, after))) => {
                cel.message(Message::Expression(format!("'{before}' + {names} + '{after}'")))
            }
            None => cel.message(rule.message),
        };
        if rule.field.is_empty() { cel } else { cel.field_path(format!(".{}", rule.field)) }
    }
}

/// Headers that the client or the signature itself sets, in lower case.
pub const REFUSED_HEADERS: &[&str] = refused_headers!(array);
/// What headers that carry a customer's encryption key begin with, in lower case.
pub const KEY_HEADERS: &[&str] = key_headers!(array);
/// What the names of AWS's regions begin with.
pub const AWS_AREAS: &[&str] = aws_areas!(array);

/// Declares [`Rule`] constants, with their messages as documentation, and lists them.
macro_rules! rules {
    ($($name:ident, $field:literal, $cel:expr, $message:literal $(, $names:expr)?;)*) => {
        $(
            #[doc = $message]
            #[allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "the sentence is for people")]
            pub const $name: Rule =
                Rule { field: $field, cel: $cel, message: $message, names: names!($($names)?) };
        )*

        /// Every rule with its name.
        pub const ALL: &[(&str, Rule)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! names {
    () => {
        None
    };
    ($names:expr) => {
        Some($names)
    };
}

rules! {
    // spec

    CONNECTION_ONE, "s3",
        "has(self.s3) != has(self.signerRef)",
        "set s3 or signerRef: s3 for a store with credentials of this namespace, signerRef for a signer of your platform";
    BUCKET_SCHEME, "bucket",
        "!self.bucket.contains('://')",
        "must be the name alone, such as reports: remove s3:// and what follows the name, and write the key into spec.key";
    BUCKET_EXPRESS, "bucket",
        "!self.bucket.endsWith('--x-s3')",
        "directory buckets (names that end in '--x-s3') are not supported: use a general purpose bucket";
    BUCKET_AWS, "bucket",
        concat!("!has(self.s3) || (has(self.s3.endpoint) || self.bucket.contains('://') || (self.bucket.startsWith('arn:') ? ", is_access_point!(), " && !self.bucket.matches('[/:]xn--') : (self.bucket.matches('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$') && !self.bucket.contains('..') && !self.bucket.startsWith('xn--') && !self.bucket.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$'))))"),
        "without s3.endpoint this must be an AWS bucket name (3 to 63 of a-z, 0-9, '.' and '-', with a letter or digit at both ends, no '..', no 'xn--' in front, not like an IP address) or the ARN of an access point that is not multi-region, with a region and a name without 'xn--' in front";
    BUCKET_ENDPOINT, "bucket",
        r"!has(self.s3) || (!has(self.s3.endpoint) || self.bucket.contains('://') || (self.bucket.matches('^([A-Za-z0-9_]+:)?[A-Za-z0-9._-]{3,255}$') && !self.bucket.contains('..') && !self.bucket.startsWith('arn:')))",
        "with s3.endpoint this must be 3 to 255 of A-Z, a-z, 0-9, '.', '_' and '-', without '..'; tenant:bucket names the bucket of another tenant of Ceph";
    KEY_BYTES, "key",
        "size(bytes(self.key)) <= 1024",
        "must not be longer than 1024 bytes in UTF-8";
    KEY_CONTROL, "key",
        r"!self.key.matches('\\p{Cc}')",
        "must not contain control characters (a tab or a line break, for example)";
    KEY_DOTS, "key",
        r"!self.key.matches('(^|/)[.][.]?(/|$)')",
        "must not contain '.' or '..' between slashes: HTTP clients collapse them and the signature breaks";
    KEY_SCHEME, "key",
        "!self.key.matches('^[Ss]3[AaNn]?://')",
        "must be the key alone: write the bucket into spec.bucket, and remove s3://, the bucket and the slash after it";
    KEY_SLASHES, "key",
        "!self.key.matches('^/+$')",
        "must not consist only of slashes: some stores take such a URL for the bucket itself, so that a GET lists the bucket and a DELETE deletes it";
    VERSION_METHOD, "versionID",
        "!has(self.versionID) || !has(self.method) || !(self.method in ['PUT', 'POST'])",
        "only GET, HEAD and DELETE can use a version: remove versionID or change method";
    VERSION_CONTROL, "versionID",
        r"!has(self.versionID) || !self.versionID.matches('\\p{Cc}')",
        "must not contain control characters";
    HEADER_NAME, "headers",
        r"!has(self.headers) || self.headers.all(name, size(name) <= 128 && name.matches('^[A-Za-z0-9_.~!#$%&*+^|-]+$'))",
        "header names must be 1 to 128 of A-Z, a-z, 0-9 and _.~!#$%&*+^|-";
    HEADER_UNIQUE, "headers",
        "!has(self.headers) || self.headers.all(name, self.headers.exists_one(other, other.lowerAscii() == name.lowerAscii()))",
        "header names are case-insensitive: write each header once";
    // The message takes the name from our list, whose length is known: the API server allows a
    // message no more than a rule.
    HEADER_REFUSED, "headers",
        concat!("!has(self.headers) || !self.headers.exists(name, name.lowerAscii() in ", refused_headers!(cel_list), ")"),
        "remove {}: the client or the signature itself sets it",
        concat!(refused_headers!(cel_list), ".filter(refused, self.headers.exists(name, name.lowerAscii() == refused))[0]");
    HEADER_KEY, "headers",
        concat!("!has(self.headers) || !self.headers.exists(name, name.lowerAscii().matches('^", key_headers!(alternatives), "'))"),
        "remove {}...: a spec must not contain an encryption key (SSE-C): let the store encrypt with its keys or with KMS (x-amz-server-side-encryption)",
        concat!(key_headers!(cel_list), ".filter(refused, self.headers.exists(name, name.lowerAscii().startsWith(refused)))[0]");
    HEADER_VALUE, "headers",
        concat!("!has(self.headers) || self.headers.all(name, ", is_visible!("self.headers[name]"), ")"),
        "header values must be visible ASCII characters, must not be empty, and must not begin or end with a space";
    HEADER_LENGTH, "headers",
        "!has(self.headers) || self.headers.all(name, name.lowerAscii() != 'content-length' || self.headers[name].matches('^(0|[1-9][0-9]{0,14})$'))",
        "Content-Length must be the exact size in bytes, such as 1048576: no HTTP client can send anything else";
    RESPONSE_METHOD, "response",
        "!has(self.response) || !has(self.method) || self.method in ['GET', 'HEAD']",
        "only GET and HEAD can override response headers: remove response, or set method to GET or HEAD";
    QUERY_NAME, "query",
        "!has(self.query) || self.query.all(name, name == 'partNumber' || name == 'uploadId' || (size(name) <= 128 && name.matches('^x-[A-Za-z0-9._~-]+$') && name.lowerAscii() != 'x-id' && !name.lowerAscii().startsWith('x-amz-')))",
        "only partNumber, uploadId and tags named 'x-...' (letters, digits, '.', '_', '~', '-'; not x-id, not x-amz-...) may be added to the query";
    QUERY_PART, "query",
        "!has(self.query) || (has(self.method) && self.method == 'PUT' ? ('partNumber' in self.query) == ('uploadId' in self.query) : !('uploadId' in self.query) && (!('partNumber' in self.query) || !has(self.method) || self.method in ['GET', 'HEAD']))",
        "use partNumber together with uploadId for PUT (one part of an upload), or alone for GET and HEAD (one part of the object)";
    QUERY_PART_NUMBER, "query",
        "!has(self.query) || !('partNumber' in self.query) || (self.query['partNumber'].matches('^[1-9][0-9]{0,4}$') && int(self.query['partNumber']) <= 10000)",
        "partNumber must be a number from 1 to 10000";
    QUERY_VALUE, "query",
        r"!has(self.query) || (self.query.all(name, !self.query[name].matches('\\p{Cc}')) && !('uploadId' in self.query && self.query['uploadId'] == ''))",
        "query values must not contain control characters, and uploadId must not be empty";
    REGION_ARN, "s3.region",
        concat!("!has(self.s3) || (has(self.s3.endpoint) || !", is_access_point!(), " || self.s3.region.trim() == '' || self.bucket.split(':')[3] == self.s3.region)"),
        "must be the region in the ARN of the access point";
    EXPIRES_NUMBER, "expiresIn",
        concat!("!has(self.expiresIn) || !", is_number!("self.expiresIn")),
        "needs a unit: write 1h (or 3600s) for 3600 seconds";
    EXPIRES_DAYS, "expiresIn",
        concat!("!has(self.expiresIn) || !", is_in_days!("self.expiresIn")),
        "cannot be in days or weeks: write hours, such as 24h for a day; the maximum is 168h (7 days)";
    EXPIRES_FORM, "expiresIn",
        concat!("!has(self.expiresIn) || ", is_number!("self.expiresIn"), " || ", is_in_days!("self.expiresIn"), " || ", is_duration!("self.expiresIn")),
        "must be whole hours, minutes and seconds, such as 90m or 1h30m";
    // From 1000h on, the text decides: CEL's duration() fails beyond 292 years.
    EXPIRES_RANGE, "expiresIn",
        concat!("!has(self.expiresIn) || !", is_duration!("self.expiresIn"), " || (", is_between!("self.expiresIn", "1m", "168h"), ")"),
        "must be from 1m to 168h, the most that a signature allows";
    BEFORE_ONE, "renewBefore",
        "!(has(self.renewBefore) && has(self.renewBeforePercentage))",
        "set renewBefore or renewBeforePercentage, not both";
    BEFORE_NUMBER, "renewBefore",
        concat!("!has(self.renewBefore) || !", is_number!("self.renewBefore")),
        "needs a unit: write 1h (or 3600s) for 3600 seconds";
    BEFORE_DAYS, "renewBefore",
        concat!("!has(self.renewBefore) || !", is_in_days!("self.renewBefore")),
        "cannot be in days or weeks: write hours, such as 24h for a day";
    BEFORE_FORM, "renewBefore",
        concat!("!has(self.renewBefore) || ", is_number!("self.renewBefore"), " || ", is_in_days!("self.renewBefore"), " || (", is_duration!("self.renewBefore"), " && self.renewBefore.matches('[1-9]'))"),
        "must be whole hours, minutes and seconds, more than 0, such as 20m";
    BEFORE_FITS, "renewBefore",
        concat!("!has(self.renewBefore) || !", is_duration!("self.renewBefore"), " || (!", is_huge!("self.renewBefore"), " && (has(self.expiresIn) ? (!", is_duration!("self.expiresIn"), " || ", is_huge!("self.expiresIn"), " || duration(self.renewBefore).getSeconds() * 6 <= duration(self.expiresIn).getSeconds() * 5) : duration(self.renewBefore) <= duration('50m')))"),
        "must not be more than five sixths of expiresIn (50m for the default of 1h): reduce it, or increase expiresIn";
    BEFORE_NEVER, "renewPolicy",
        "!has(self.renewPolicy) || self.renewPolicy != 'Never' || (!has(self.renewBefore) && !has(self.renewBeforePercentage))",
        "with Never nothing is renewed: remove renewBefore and renewBeforePercentage, or set renewPolicy to Always";
    TTL_NEVER, "ttlAfterExpired",
        "!has(self.ttlAfterExpired) || (has(self.renewPolicy) && self.renewPolicy == 'Never')",
        "works only with renewPolicy: Never, because other URLs are renewed before they expire: set renewPolicy to Never, or remove ttlAfterExpired";
    TTL_FORM, "ttlAfterExpired",
        concat!("!has(self.ttlAfterExpired) || ", is_duration!("self.ttlAfterExpired")),
        "must be whole hours, minutes and seconds, such as 24h for a day";
    // Under another style the host is as the person means it.
    ENDPOINT_BUCKET, "s3.endpoint",
        "!has(self.s3) || (!has(self.s3.endpoint) || (has(self.s3.addressingStyle) && self.s3.addressingStyle != 'Auto') || !self.s3.endpoint.contains('://') || self.s3.endpoint.matches('//[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(:[0-9]*)?(/.*)?$') || !(self.s3.endpoint.lowerAscii().split('://', 2)[1].startsWith(self.bucket.lowerAscii() + '.') || (self.bucket.contains('.') && self.s3.endpoint.lowerAscii().split('://', 2)[1].split('/', 2)[0].split(':', 2)[0] == self.bucket.lowerAscii())))",
        "must not contain the bucket, because the URL has the bucket after the host: remove it from the host (and set addressingStyle to VirtualHosted if the bucket belongs before the host), or set addressingStyle to BucketEndpoint if the store serves the bucket itself at this host, or to Path if the host only has this name";
    STYLE_BUCKET, "s3.addressingStyle",
        r"!has(self.s3) || (!has(self.s3.addressingStyle) || self.s3.addressingStyle != 'VirtualHosted' || self.bucket.startsWith('arn:') || (has(self.s3.endpoint) && self.s3.endpoint.matches('^[Hh][Tt][Tt][Pp]://') ? self.bucket.matches('^[a-z0-9][a-z0-9-]+[a-z0-9]([.][a-z0-9][a-z0-9-]+[a-z0-9])*$') : self.bucket.matches('^[a-z0-9][a-z0-9-]+[a-z0-9]$')) && size(self.bucket) <= 63)",
        "VirtualHosted needs a bucket that is a DNS label (3 to 63 of a-z, 0-9 and '-'; dots only with http, because no certificate covers them): use Path";
    STYLE_ARN, "s3.addressingStyle",
        "!has(self.s3) || (!has(self.s3.addressingStyle) || self.s3.addressingStyle != 'Path' || !self.bucket.startsWith('arn:'))",
        "an access point works only with VirtualHosted: remove addressingStyle";

    // spec.signerRef

    SIGNER_NAME, "name",
        is_dns_name!("self.name"),
        "must be a name of a signer: a-z, 0-9, '-' and '.', with a letter or digit at both ends";

    // spec.response

    RESPONSE_VALUE, "",
        r"[has(self.contentType) ? self.contentType : '', has(self.contentDisposition) ? self.contentDisposition : '', has(self.contentLanguage) ? self.contentLanguage : '', has(self.contentEncoding) ? self.contentEncoding : '', has(self.cacheControl) ? self.cacheControl : '', has(self.expires) ? self.expires : ''].all(value, !value.matches('\\p{Cc}'))",
        "must not contain control characters";

    // spec.secret

    SECRET_NAME, "name",
        concat!("!has(self.name) || ", is_dns_name!("self.name")),
        "must be a name of a Secret: a-z, 0-9, '-' and '.', with a letter or digit at both ends";
    SECRET_KEY, "urlKey",
        "!has(self.urlKey) || (self.urlKey.matches('^[A-Za-z0-9._-]+$') && !self.urlKey.matches('^[.][.]?$') && !self.urlKey.startsWith('..'))",
        "must be a data key of a Secret: letters, digits, '.', '_' and '-', not beginning with '..'";
    SECRET_KEY_TAKEN, "urlKey",
        "!has(self.urlKey) || !(self.urlKey in ['method', 'headers', 'expires-at', 'fields', 'form.json'])",
        "the Secret uses method, headers, expires-at, fields and form.json for other values: choose another key";
    LABELS_OURS, "labels",
        concat!("!has(self.labels) || !self.labels.exists(name, ", is_set_by_the_operator!("name"), ")"),
        "presign.dev/... and app.kubernetes.io/managed-by are set by the operator: remove them";
    LABELS_FORM, "labels",
        "!has(self.labels) || self.labels.all(name, size(name) <= 317 && !format.qualifiedName().validate(name).hasValue() && !format.labelValue().validate(self.labels[name]).hasValue())",
        "must be valid labels: a name with an optional DNS prefix, and a value of at most 63 letters, digits, '.', '_' and '-'";
    ANNOTATIONS_OURS, "annotations",
        concat!("!has(self.annotations) || !self.annotations.exists(name, ", is_set_by_the_operator!("name"), ")"),
        "presign.dev/... and app.kubernetes.io/managed-by are set by the operator: remove them";
    ANNOTATIONS_FORM, "annotations",
        "!has(self.annotations) || self.annotations.all(name, size(name) <= 317 && !format.qualifiedName().validate(name.lowerAscii()).hasValue() && size(bytes(self.annotations[name])) <= 4096)",
        "must be valid annotations: a name of letters, digits, '.', '_' and '-' with an optional DNS prefix, and a value of at most 4096 bytes";

    // spec.s3

    ENDPOINT_QUERY, "endpoint",
        "!has(self.endpoint) || !self.endpoint.matches('[?#]')",
        "must not contain a query or a fragment: remove '?' or '#' and what follows";
    ENDPOINT_USERINFO, "endpoint",
        concat!("!has(self.endpoint) || self.endpoint.matches('[?#]') || !self.endpoint.contains('://') || !", has_userinfo!()),
        "must not contain a user or a password: put the access key into the Secret that credentials.secretRef names";
    // A host that ends in a number is read as an IPv4 address by every client, whatever
    // its form: what is not one already would be rewritten, and the host is signed.
    ENDPOINT_FORM, "endpoint",
        concat!("!has(self.endpoint) || self.endpoint.matches('[?#]') || (self.endpoint.contains('://') && ", has_userinfo!(), ") || (self.endpoint.matches('^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:]+[]])(:0*[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/*$') && !self.endpoint.matches('/[.][.]?(/|$)') && !self.endpoint.matches('[.][.]') && ", has_possible_port_and_ipv6!(), " && (!self.endpoint.matches('^[^/]*//([^/]*[.])?([0-9]+|0[Xx][0-9A-Fa-f]*)(:[0-9]*)?(/|$)') || isIP(self.endpoint.split('/')[2].split(':')[0])))"),
        "must be http:// or https://, a host, and optionally a port and a path prefix, such as https://us-west.s3.qencode.com";
    REGION_BLANK, "region",
        "self.region.trim() != ''",
        "must not be blank, because it is part of the signature: write the region of the store; stores without regions usually accept us-east-1 or auto";
    REGION_FORM, "region",
        concat!("self.region.trim() == '' || (has(self.endpoint) ? (has(self.addressingStyle) && self.addressingStyle == 'VirtualHosted' ? self.region.matches('^[A-Za-z0-9][A-Za-z0-9-]{0,62}$') : self.region.matches('^[A-Za-z0-9._-]+$')) : (", is_dns_label!("self.region"), " && !self.region.startsWith('xn--')))"),
        "must be letters, digits, '.', '_' and '-' (with VirtualHosted: only letters, digits and '-'; without an endpoint: an AWS region such as eu-central-1)";
    // Behind an endpoint too, the SDK signs for us-east-1 instead of aws-global.
    REGION_GLOBAL, "region",
        concat!("self.region != 'aws-global' && (has(self.endpoint) || !", is_global!("self.region"), ")"),
        "is not a region that URLs can be signed for: write the region of the bucket, such as us-east-1";
    REGION_AWS, "region",
        concat!("has(self.endpoint) || !", is_dns_label!("self.region"), " || self.region.startsWith('xn--') || ", is_global!("self.region"), " || self.region.matches('^", aws_areas!(alternatives), "-[a-z0-9]+-[0-9]+$')"),
        "is not an AWS region: write one such as eu-central-1 or us-west-2, or set s3.endpoint to the address of another store";

    STYLE_HOST, "addressingStyle",
        r"!has(self.addressingStyle) || self.addressingStyle != 'VirtualHosted' || !has(self.endpoint) || !self.endpoint.matches('^[Hh][Tt][Tt][Pp][Ss]?://([0-9]+[.][0-9]+[.][0-9]+[.][0-9]+|[[].*|[^./:]+)(:[0-9]*)?(/.*)?$')",
        "VirtualHosted needs a host with a domain name, because the bucket becomes a subdomain of it: use Path for an IP address, localhost or a name without a dot";
    STYLE_ENDPOINT, "addressingStyle",
        "!has(self.addressingStyle) || self.addressingStyle != 'BucketEndpoint' || has(self.endpoint)",
        "BucketEndpoint needs an endpoint: write the address at which the store serves the bucket itself, such as https://files.example.com";

    // spec.s3.credentials.secretRef

    CREDENTIALS_NAME, "name",
        is_dns_name!("self.name"),
        "must be a name of a Secret: a-z, 0-9, '-' and '.', with a letter or digit at both ends";
    CREDENTIALS_ONE, "profile",
        "!(has(self.keys) && has(self.profile))",
        "set keys or profile, not both: a profile is part of a credentials file, and keys are data keys of the Secret";
    CREDENTIALS_PROFILE, "profile",
        "!has(self.profile) || self.profile.matches('^[!-Z^-~]([ -Z^-~]*[!-Z^-~])?$')",
        "must be the name of a profile: visible ASCII characters without brackets and backslashes, and spaces only inside";

    // spec.s3.credentials.secretRef.keys

    CREDENTIALS_BOTH, "",
        "has(self.accessKeyID) == has(self.secretAccessKey)",
        "set both accessKeyID and secretAccessKey, or neither: the operator then looks for the usual key names";
    CREDENTIALS_KEYS, "",
        "[has(self.accessKeyID) ? self.accessKeyID : 'a', has(self.secretAccessKey) ? self.secretAccessKey : 'a', has(self.sessionToken) ? self.sessionToken : 'a', has(self.expiration) ? self.expiration : 'a'].all(key, key.matches('^[A-Za-z0-9._-]+$') && key != '.' && !key.startsWith('..'))",
        "must be data keys of a Secret: letters, digits, '.', '_' and '-', not beginning with '..'";
}
