//! The URL or the form in a Secret, with the method and the headers beside it, and those from other places.

use std::io::Read as _;

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::console::printable;
use super::form_text::FormText;
use super::reading::FromSecret;
use super::url_text::UrlText;
use super::{PluginSession, failed, misused};
use crate::cli::ExitFailure;
use crate::crd::names::{ANNOTATION_ENDED, ANNOTATION_OWNER, DATA_FORM, DATA_HEADERS, DATA_METHOD, DATA_URL};
use crate::crd::{Method, PresignedUrl};
use crate::domain::Sensitive;

/// A URL or a form that a command looks at.
pub(super) struct GivenUrl {
    /// The URL, or the form as its file `form.json`.
    pub(super) text: Sensitive<String>,
    /// What its Secret tells beside it.
    pub(super) from: FromSecret,
}

/// What was given, taken apart.
pub(super) enum GivenParts {
    /// A presigned URL.
    Url(UrlText),
    /// A signed form.
    Form(FormText),
}

/// The longest URL or form that is read from standard input, in bytes.
const MAX_INPUT: u64 = 128 * 1024;

impl GivenUrl {
    /// Reads what an argument names: a URL or a form, `-` for standard input, or `secret/NAME`.
    pub(super) async fn read(session: &PluginSession<'_>, argument: &str) -> Result<Self, ExitFailure> {
        if let Some(name) = argument.strip_prefix("secret/").or(argument.strip_prefix("secrets/")) {
            let client = session.cluster.client().await?;
            let namespace = session.cluster.namespace(&client);
            let secret = secret(&client, &namespace, name).await?;
            return Self::of_secret(&client, &namespace, &secret).await;
        }
        let mut text = argument.to_owned();
        if argument == "-" {
            text.clear();
            let read = std::io::stdin().take(MAX_INPUT).read_to_string(&mut text);
            read.context("standard input").map_err(ExitFailure::from)?;
        }
        Ok(Self { text: Sensitive::new(text), from: FromSecret::default() })
    }

    /// Reads the URL that the operator wrote into a Secret.
    async fn of_secret(client: &Client, namespace: &str, secret: &Secret) -> Result<Self, ExitFailure> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let owner = annotation(secret, ANNOTATION_OWNER);
        let key = match owner.filter(|_| data(secret, DATA_URL).is_none()) {
            None => DATA_URL.to_owned(),
            Some(owner) => {
                let api = Api::<PresignedUrl>::namespaced(client.clone(), namespace);
                let object =
                    api.get(owner).await.map_err(|error| failed("the owner of the Secret", &error))?;
                url_key(&object)
            }
        };
        Self::of_key(secret, &key).ok_or_else(|| {
            let what = format!("Secret {name:?} has no data key {key}");
            ExitFailure::from(anyhow!("{what}: name a Secret that the operator wrote"))
        })?
    }

    /// Reads the URL under a data key, or the form that is sent to it; `None` if there is no such key.
    pub(super) fn of_key(secret: &Secret, key: &str) -> Option<Result<Self, ExitFailure>> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let (url, method) = (data(secret, key)?, data(secret, DATA_METHOD));
        let is_form = method == Some(Method::Post.to_string());
        let text = if is_form { data(secret, DATA_FORM) } else { Some(url.clone()) };
        let noun = if is_form { "form" } else { "URL" };
        let refused = |message: String| Some(Err(ExitFailure::from(anyhow!(message))));
        if url.is_empty() {
            let why = annotation(secret, ANNOTATION_ENDED).unwrap_or("ended");
            return refused(format!("the {noun} in Secret {name:?} was removed: {}", printable(why)));
        }
        let Some(text) = text else {
            let what = format!("Secret {name:?} has the method POST and no data key {DATA_FORM}");
            return refused(format!("{what}: wait until the operator has written it again"));
        };
        let lines = data(secret, DATA_HEADERS).unwrap_or_default();
        let headers = lines.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Ok(Self { text: Sensitive::new(text), from: FromSecret { method, headers } }))
    }

    /// Takes the URL or the form apart.
    pub(super) fn parse(&self) -> Result<GivenParts, ExitFailure> {
        let text = self.text.expose();
        if FormText::is_like(text) {
            let form = FormText::read(text).map_err(|error| misused(format!("the form {error}")))?;
            return Ok(GivenParts::Form(form));
        }
        let url = UrlText::read(text).map_err(|error| misused(format!("the URL {error}")))?;
        Ok(GivenParts::Url(url))
    }
}

/// Reads a Secret.
pub(super) async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Secret, ExitFailure> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    api.get(name).await.map_err(|error| failed("the Secret", &error))
}

/// The data key of the URL of an object.
pub(super) fn url_key(object: &PresignedUrl) -> String {
    let target = object.spec.secret.as_ref();
    target.and_then(|target| target.url_key.clone()).unwrap_or_else(|| DATA_URL.to_owned())
}

/// The text under a data key.
pub(super) fn data(secret: &Secret, key: &str) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn annotation<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}
