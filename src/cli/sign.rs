//! The command `sign`: signs `PresignedUrl`s offline, with the same code as the operator.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::ResourceExt as _;
use serde::Serialize;

use super::limit_args::LimitArgs;
use super::manifest::{self, Manifest};
use super::offline_signers::OfflineSigners;
use crate::crd::{CredentialsSecretRef, PresignedUrl};
use crate::domain::credentials::InvalidCredentials;
use crate::domain::resolve::{Permission, Resolved};
use crate::domain::{Credentials, Limits, Request, SignedForm, SignedUrl, Validity};
use crate::runtime::Clock;
use crate::s3::UrlSigner;

/// Arguments of `sign`.
#[derive(Args, Debug)]
pub struct SignArgs {
    /// A YAML or JSON file with PresignedUrl objects and the signers that they name; - reads standard input.
    /// Repeat the flag for several files. A signer that selects labels needs the Namespace too. Objects of
    /// other kinds are skipped.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Sign as of this time, RFC 3339 (2030-01-02T03:04:05Z), instead of now.
    #[arg(long, value_name = "TIME")]
    signed_at: Option<Timestamp>,
    /// What to print for each PresignedUrl: the URL, or JSON with url, method, headers and
    /// expiresAt. A form (method POST) needs JSON, which has its fields instead of headers.
    #[arg(short, long, value_enum, default_value_t = Output::Url)]
    output: Output,
    /// What a PresignedUrl may ask for.
    #[command(flatten)]
    limits: LimitArgs,
}

/// What `sign` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// The URL alone.
    Url,
    /// An object with `url`, `method`, `headers` or `fields`, and `expiresAt`.
    Json,
}

/// The output of `-o json` for one object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a BTreeMap<String, String>>,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, &'a str>>,
    expires_at: String,
}

/// Signs all objects of the file, and prints the URLs.
pub(super) fn sign(args: &SignArgs) -> anyhow::Result<()> {
    let (name, manifest) = read_all(&args.files)?;
    let signers = OfflineSigners::parse(&manifest).with_context(|| name.clone())?;
    let (limits, credentials) = (args.limits.limits()?, credentials()?);
    let now = args.signed_at.unwrap_or_else(|| Clock::system().now());
    let signed = sign_all(&manifest, &signers, &limits, &credentials, now).with_context(|| name.clone())?;
    for (Resolved { request, permission }, _) in &signed {
        let said = match permission {
            Permission::Allowed { why } | Permission::Audited { why } => Some(why.clone()),
            Permission::NotNeeded | Permission::Denied { .. } => None,
        };
        let is_incomplete = args.output == Output::Url && request.form.is_some();
        let fields = is_incomplete.then(|| "a form also needs its fields: use -o json".to_owned());
        for line in said.into_iter().chain(fields).chain(request.hints()) {
            writeln!(std::io::stderr(), "{name}: {:?}: {line}", request.target.name)
                .context("standard error")?;
        }
    }
    // Prints all URLs or none, so that a caller that reads lines cannot confuse two URLs.
    for (resolved, signed) in &signed {
        print(args.output, &resolved.request, signed)?;
    }
    Ok(())
}

/// Signs every object of a manifest, as of the second of `now`.
///
/// # Errors
/// A signer that cannot be used, or the first object that cannot be signed, and why. The name of the object is in
/// the error if there are several.
pub fn sign_manifest(
    manifest: &Manifest,
    limits: &Limits,
    credentials: &Credentials,
    now: Timestamp,
) -> anyhow::Result<Vec<(Resolved, SignedUrl)>> {
    sign_all(manifest, &OfflineSigners::parse(manifest)?, limits, credentials, now)
}

fn sign_all(
    manifest: &Manifest,
    signers: &OfflineSigners,
    limits: &Limits,
    credentials: &Credentials,
    now: Timestamp,
) -> anyhow::Result<Vec<(Resolved, SignedUrl)>> {
    let signing_time = Timestamp::from_second(now.as_second())?;
    let sign = |object: &PresignedUrl| {
        let signed = presign(object, signers, limits, credentials, signing_time);
        // A single object needs no name in its error.
        let is_one = manifest.objects.len() == 1;
        if is_one { signed } else { signed.with_context(|| format!("{:?}", object.name_any())) }
    };
    manifest.objects.iter().map(sign).collect()
}

/// Reads all files, and returns them as one manifest with a name for messages.
fn read_all(files: &[PathBuf]) -> anyhow::Result<(String, Manifest)> {
    let mut all = Manifest::default();
    let mut names = Vec::new();
    for file in files {
        let is_standard_input = file == Path::new("-");
        let name = if is_standard_input { "standard input".to_owned() } else { file.display().to_string() };
        let bytes = read(file, is_standard_input).with_context(|| name.clone())?;
        let manifest = manifest::read_bytes(&bytes).with_context(|| name.clone())?;
        for other in &manifest.others {
            let why =
                "this command signs only PresignedUrls, with the access key from the environment variables";
            writeln!(std::io::stderr(), "{name}: {other} is skipped: {why}").context("standard error")?;
        }
        all.extend(manifest);
        names.push(name);
    }
    let name = names.join(", ");
    ensure!(!all.objects.is_empty(), "{name}: holds no PresignedUrl, only signers or namespaces");
    Ok((name, all))
}

fn presign(
    object: &PresignedUrl,
    signers: &OfflineSigners,
    limits: &Limits,
    credentials: &Credentials,
    signing_time: Timestamp,
) -> anyhow::Result<(Resolved, SignedUrl)> {
    let resolved = signers.resolve(object)?;
    let request = &resolved.request;
    limits.check(request)?;
    let validity = Validity::new(signing_time, request.lifetime(), credentials.expiration)?;
    let signed = UrlSigner::default().presign(request, credentials, validity)?;
    Ok((resolved, signed))
}

fn read(file: &Path, is_standard_input: bool) -> std::io::Result<Vec<u8>> {
    if !is_standard_input {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The access key from the environment, validated like one in a Secret.
pub(crate) fn credentials() -> anyhow::Result<Credentials> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    let (token, expiration) = ("AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION");
    let variable = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "the command line is the one place that reads it")]
        let value = std::env::var_os(name)?;
        Some((name.to_owned(), ByteString(value.into_encoded_bytes())))
    };
    let reference = CredentialsSecretRef { name: "environment".to_owned(), keys: None, profile: None };
    let data = [id, secret, token, expiration].into_iter().filter_map(variable).collect();
    Credentials::parse(&reference, &data).map_err(|error| match error {
        InvalidCredentials::BadValue { key, problem, .. } => anyhow!("environment variable {key}: {problem}"),
        InvalidCredentials::HalfLayout { missing, .. } => {
            anyhow!("environment variable {missing}: is not set")
        }
        InvalidCredentials::MissingToken { key, .. } => {
            anyhow!("environment variable {token}: is not set, but {key} is the id of temporary credentials: set it")
        }
        InvalidCredentials::NoLayout { .. } => {
            anyhow!("environment variables {id} and {secret}: are not set")
        }
        // These can only occur with a Secret: the environment has one spelling of each key.
        InvalidCredentials::NoProfile { .. }
        | InvalidCredentials::Unusable { .. }
        | InvalidCredentials::TwoLayouts { .. }
        | InvalidCredentials::MissingKey { .. }
        | InvalidCredentials::StrayToken { .. } => anyhow!("environment: {error}"),
    })
}

fn pairs(headers: &[(String, String)]) -> BTreeMap<&str, &str> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn print(output: Output, request: &Request, signed: &SignedUrl) -> anyhow::Result<()> {
    let url = signed.url.expose().as_str();
    let text = match output {
        Output::Url => url.to_owned(),
        Output::Json => serde_json::to_string_pretty(&Signed {
            url,
            method: request.method.to_string(),
            fields: signed.form.as_ref().map(SignedForm::fields),
            headers: signed.form.is_none().then(|| pairs(&request.headers)),
            expires_at: signed.validity.expiration_time().to_string(),
        })?,
    };
    writeln!(std::io::stdout(), "{text}").context("standard output")
}
