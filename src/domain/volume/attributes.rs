//! The attributes of a volume: the spec of a `PresignedUrl`, flat, for one URL or for several.
//!
//! Values are not checked here, apart from their types: that is done as for a `PresignedUrl`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::VolumeFailure;
use super::source::VolumeSource;
use crate::crd::duration::DurationText;
use crate::crd::{
    AwsOptions, CredentialsSource, PresignedUrlSpec, ResponseOverrides, S3Connection, UploadForm,
};

/// What the names of the attributes begin with that the kubelet adds.
const KUBELET: &str = "csi.storage.k8s.io/";
/// The most URLs of a volume.
const MAX_URLS: usize = 32;

/// Attributes that concern the store and the credentials. All URLs of a volume share them.
const SHARED: [&str; 19] = [
    "endpoint",
    "region",
    "addressingStyle",
    "aws.dualStack",
    "aws.fips",
    "caBundle",
    "profile",
    "keys.accessKeyID",
    "keys.secretAccessKey",
    "keys.sessionToken",
    "keys.expiration",
    "roleARN",
    "audience",
    "session.duration",
    "session.narrowTo",
    "sts.endpoint",
    "sts.region",
    "signer",
    "signerKind",
];
/// Attributes of one URL.
const OF_URL: [&str; 19] = [
    "bucket",
    "key",
    "method",
    "versionID",
    "expiresIn",
    "renewBefore",
    "renewBeforePercentage",
    "response.contentType",
    "response.contentDisposition",
    "response.contentLanguage",
    "response.contentEncoding",
    "response.cacheControl",
    "response.expires",
    "form.maxSize",
    "form.minSize",
    "form.keyPrefix",
    "form.contentType",
    "form.successRedirect",
    "form.successStatus",
];
/// Maps of one URL: the rest of the name is the key.
const MAPS: [&str; 3] = ["header.", "query.", "form.metadata."];
/// Words that attributes begin with, so that no URL can have them as its name.
const TAKEN: [&str; 11] =
    ["aws", "form", "header", "keys", "query", "response", "s3", "session", "signer", "spec", "sts"];

/// The attributes of a volume, by the URL that they concern.
#[derive(Debug)]
pub(super) struct VolumeAttributes {
    shared: BTreeMap<String, String>,
    /// The attributes of each URL. The only URL without a name has the empty name.
    urls: BTreeMap<String, BTreeMap<String, String>>,
}

impl VolumeAttributes {
    /// Sorts the attributes. Those without the name of a URL are the defaults of all URLs.
    ///
    /// # Errors
    /// The error names the first attribute that is none.
    pub(super) fn sort(attributes: &BTreeMap<String, String>) -> Result<Self, VolumeFailure> {
        let (mut shared, mut defaults) = (BTreeMap::new(), BTreeMap::new());
        let mut urls = BTreeMap::<String, BTreeMap<String, String>>::new();
        for (name, value) in attributes.iter().filter(|(name, _)| !name.starts_with(KUBELET)) {
            let pair = |name: &str| (name.to_owned(), value.clone());
            match name.split_once('.') {
                _ if SHARED.contains(&name.as_str()) => shared.extend([pair(name)]),
                _ if is_of_url(name) => defaults.extend([pair(name)]),
                Some((url, rest)) if is_url_name(url) && is_of_url(rest) => {
                    urls.entry(url.to_owned()).or_default().extend([pair(rest)]);
                }
                _ => return Err(VolumeFailure::attribute(name, &instead_of(name))),
            }
        }
        if urls.len() > MAX_URLS {
            let problem = "a volume has at most 32 URLs: use several volumes";
            return Err(VolumeFailure::attribute(
                urls.keys().next_back().map_or("", String::as_str),
                problem,
            ));
        }
        if urls.is_empty() {
            urls.insert(String::new(), BTreeMap::new());
        }
        for url in urls.values_mut() {
            for (name, value) in &defaults {
                url.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(Self { shared, urls })
    }

    /// The names of the URLs; one empty name for a volume with one URL.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.urls.keys().map(String::as_str)
    }

    /// The attributes that all URLs share.
    pub(super) fn shared(&self) -> FlatFields<'_> {
        FlatFields(&self.shared)
    }

    /// The first attribute that all URLs share and that is none of these.
    pub(super) fn other_than(&self, names: &[&str]) -> Option<&str> {
        self.shared.keys().map(String::as_str).find(|name| !names.contains(name))
    }

    /// The spec of a URL.
    pub(super) fn spec(&self, name: &str, source: &VolumeSource) -> Result<PresignedUrlSpec, VolumeFailure> {
        let none = BTreeMap::new();
        let url = FlatFields(self.urls.get(name).unwrap_or(&none));
        let needed = |field: &str| {
            url.text(field).ok_or_else(|| VolumeFailure::attribute(field, "is not set: add it"))
        };
        let (bucket, key) = (needed("bucket")?, needed("key")?);
        let (s3, signer_ref) = match source {
            VolumeSource::Own(credentials) => (Some(self.connection((**credentials).clone())?), None),
            VolumeSource::Signer(reference) => (None, Some(reference.clone())),
        };
        Ok(PresignedUrlSpec {
            bucket,
            key,
            method: url.choice("method", "GET, HEAD, PUT, DELETE or POST")?,
            version_id: url.text("versionID"),
            headers: url.map("header."),
            response: url.response(),
            query: url.map("query."),
            form: url.form()?,
            expires_in: url.text("expiresIn").map(DurationText),
            renew_before: url.text("renewBefore").map(DurationText),
            renew_before_percentage: url.number("renewBeforePercentage")?,
            s3,
            signer_ref,
            secret: None,
            pod_refresh: None,
            verify: None,
            renew_policy: None,
            ttl_after_expired: None,
            suspend: None,
        })
    }

    fn connection(&self, credentials: CredentialsSource) -> Result<S3Connection, VolumeFailure> {
        let shared = self.shared();
        let region = shared.text("region");
        let (dual_stack, fips) = (shared.flag("aws.dualStack")?, shared.flag("aws.fips")?);
        let has_options = dual_stack.is_some() || fips.is_some();
        Ok(S3Connection {
            endpoint: shared.text("endpoint"),
            region: region.ok_or_else(|| VolumeFailure::attribute("region", "is not set: add it"))?,
            addressing_style: shared
                .choice("addressingStyle", "Auto, Path, VirtualHosted or BucketEndpoint")?,
            aws: has_options.then_some(AwsOptions { dual_stack, fips }),
            ca_bundle: shared.text("caBundle"),
            unsigned_headers: None,
            credentials,
        })
    }
}

/// Attributes by their names.
#[derive(Clone, Copy)]
pub(super) struct FlatFields<'a>(&'a BTreeMap<String, String>);

impl FlatFields<'_> {
    /// Whether an attribute is set that is one of these.
    pub(super) fn first_of(self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.0.contains_key(*name))
    }

    pub(super) fn text(self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A value from a closed list; `all` are the values, for people.
    pub(super) fn choice<T: DeserializeOwned>(
        self,
        name: &str,
        all: &str,
    ) -> Result<Option<T>, VolumeFailure> {
        let read = |text: &String| serde_json::from_value(Value::String(text.clone()));
        let value = self.0.get(name).map(read).transpose();
        value.map_err(|_| VolumeFailure::attribute(name, &format!("must be {all}")))
    }

    fn number<T: std::str::FromStr>(self, name: &str) -> Result<Option<T>, VolumeFailure> {
        let value = self.0.get(name).map(|text| text.parse()).transpose();
        value.map_err(|_| VolumeFailure::attribute(name, "must be a whole number"))
    }

    fn flag(self, name: &str) -> Result<Option<bool>, VolumeFailure> {
        let value = self.0.get(name).map(|text| text.parse()).transpose();
        value.map_err(|_| VolumeFailure::attribute(name, "must be true or false"))
    }

    /// The attributes whose names begin so, without that; `None` if there are none.
    fn map(self, prefix: &str) -> Option<BTreeMap<String, String>> {
        let pair = |(name, value): (&String, &String)| {
            name.strip_prefix(prefix).map(|name| (name.to_owned(), value.clone()))
        };
        let map: BTreeMap<_, _> = self.0.iter().filter_map(pair).collect();
        (!map.is_empty()).then_some(map)
    }

    fn response(self) -> Option<ResponseOverrides> {
        self.map("response.")?;
        let text = |name: &str| self.text(&format!("response.{name}"));
        Some(ResponseOverrides {
            content_type: text("contentType"),
            content_disposition: text("contentDisposition"),
            content_language: text("contentLanguage"),
            content_encoding: text("contentEncoding"),
            cache_control: text("cacheControl"),
            expires: text("expires"),
        })
    }

    fn form(self) -> Result<Option<UploadForm>, VolumeFailure> {
        if self.map("form.").is_none() {
            return Ok(None);
        }
        let missing = || VolumeFailure::attribute("form.maxSize", "is not set: add it");
        Ok(Some(UploadForm {
            max_size: self.number("form.maxSize")?.ok_or_else(missing)?,
            min_size: self.number("form.minSize")?,
            key_prefix: self.flag("form.keyPrefix")?,
            content_type: self.text("form.contentType"),
            metadata: self.map("form.metadata."),
            success_redirect: self.text("form.successRedirect"),
            success_status: self.number("form.successStatus")?,
        }))
    }
}

fn is_of_url(name: &str) -> bool {
    let is_in_map = |prefix: &&str| name.strip_prefix(*prefix).is_some_and(|key| !key.is_empty());
    OF_URL.contains(&name) || MAPS.iter().any(is_in_map)
}

/// Whether this can be the name of a URL, which is also that of its folder.
fn is_url_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(is_allowed) && !TAKEN.contains(&name)
}

/// What to write instead of an attribute that is none.
fn instead_of(name: &str) -> String {
    let known = |name: &str| SHARED.contains(&name) || is_of_url(name);
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    if first == "signer" || first == "signerRef" {
        return "is no attribute of this driver: write signer for the name, and signerKind for Signer or ClusterSigner".to_owned();
    }
    if SHARED.contains(&rest) && is_url_name(first) {
        return format!("all URLs of a volume share it: write {rest}");
    }
    let renamed = name.strip_prefix("headers.").map(|header| format!("header.{header}"));
    let plain = name.strip_prefix("spec.").unwrap_or(name);
    let plain = plain.strip_prefix("s3.").unwrap_or(plain).to_owned();
    match renamed.or_else(|| (plain != name).then_some(plain)).filter(|other| known(other)) {
        Some(other) => format!("is no attribute of this driver: write {other}"),
        None if is_of_url(rest) => format!(
            "{first:?} cannot be the name of a URL: use at most 32 of a-z, 0-9 and '-', and no word that attributes begin with"
        ),
        None => "is no attribute of this driver: remove it, or correct its name (docs/csi.md lists all)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests;
