//! What is wrong with a form that is sent: its fields against its policy, and the signature of the policy. Pure.

use super::canonical::{signature_of, signing_key};
use super::compare::Clocks;
use super::difference::{Difference, Explanation, RequestPart};
use super::direct::{StatedSignature, two_ways};
use super::variants::{SECRET_FIX, misread_secrets, other_scopes};
use crate::domain::signed_form::{CREDENTIAL, DATE, POLICY, SIGNATURE};
use crate::domain::{Credentials, Sensitive};
use crate::plugin::console::printable;
use crate::plugin::form_reading::address_bucket;
use crate::plugin::form_text::{FormCondition, FormText, NotForm, is_hidden};

/// A form as a client sends it.
pub(super) struct SentForm {
    /// The form, with the values of the fields that are sent.
    pub(super) form: FormText,
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
    /// The size of the file in bytes, if it is known.
    pub(super) size: Option<u64>,
}

/// What is compared.
const COMPARED: [RequestPart; 8] = [
    RequestPart::Host,
    RequestPart::Header,
    RequestPart::Method,
    RequestPart::Clock,
    RequestPart::Session,
    RequestPart::AccessKey,
    RequestPart::Scope,
    RequestPart::Field,
];
/// What to do if a field has another value than was signed.
const AS_ISSUED: &str = "send the fields exactly as form.json has them";

/// Finds what is wrong with a form.
///
/// # Errors
/// When the form cannot be read.
pub(super) fn compare_form(
    sent: &SentForm,
    credentials: &Credentials,
    clocks: Clocks,
) -> Result<Explanation, NotForm> {
    let form = &sent.form;
    let (scope, start) = (form.scope()?, form.signing_time()?);
    let date = form.field(DATE).unwrap_or_default().to_owned();
    let signed = StatedSignature { noun: "form", credential: CREDENTIAL, date_field: DATE, scope, date };
    let mut findings = request(sent);
    findings.extend(clocks.judge(start.as_second(), form.policy.expiration.as_second(), signed.noun));
    findings.extend(signed.session(form.token(), credentials, clocks));
    findings.extend(signed.scope(&sent.host(), credentials));
    findings.extend(form.policy.conditions.iter().filter_map(|condition| sent.broken(condition)));
    findings.extend(sent.unnamed());
    let has_other_key = findings.iter().any(|finding| finding.part == RequestPart::AccessKey);
    let signature = form.field(SIGNATURE).unwrap_or_default();
    let policy = form.field(POLICY).unwrap_or_default();
    let key = signing_key(&credentials.secret_access_key, &signed.scope.text());
    let is_same_signature = signature_of(policy, &key) == signature;
    // Another key gives another signature whatever else is tried.
    if !is_same_signature && !has_other_key {
        findings.push(search(sent, &signed, credentials).unwrap_or_else(unexplained));
    }
    Ok(Explanation::new(is_same_signature, findings, &COMPARED))
}

/// What is wrong with the method and the headers.
fn request(sent: &SentForm) -> Vec<Difference> {
    let method = (sent.method != "POST").then(|| {
        let found = format!("{} is sent, and a form works only with POST", sent.method);
        Difference::new(RequestPart::Method, found, "send POST, with the fields as multipart/form-data")
    });
    let given = sent.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let is_other = |value: &str| !value.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
    let content_type = given.filter(|(_, value)| is_other(value)).map(|(_, value)| {
        let found = format!(
            "the header Content-Type is {:?}, and a form is sent as multipart/form-data",
            printable(value)
        );
        let fix =
            "let the client set the header, as curl -F and FormData do; the type of the file is a field";
        Difference::new(RequestPart::Header, found, fix)
    });
    method.into_iter().chain(content_type).chain(two_ways(&sent.headers, "a form")).collect()
}

impl SentForm {
    /// The host that the store sees.
    fn host(&self) -> String {
        let given = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        given.map_or_else(|| self.form.authority.clone(), |(_, host)| host.trim().to_owned())
    }

    /// What is wrong if a condition does not hold.
    fn broken(&self, condition: &FormCondition) -> Option<Difference> {
        let field = |found: String, fix: String| Some(Difference::new(RequestPart::Field, found, fix));
        match condition {
            FormCondition::Unknown => None,
            FormCondition::Size(least, most) => {
                let size = self.size.filter(|size| !(least..=most).contains(&size))?;
                let found = format!("the file has {size} bytes, and the form permits {least} to {most}");
                field(found, "send a file of that size, or ask for a form with another maxSize".to_owned())
            }
            FormCondition::Is(name, bucket) if name == "bucket" => {
                let sent = address_bucket(&self.form).filter(|sent| sent != bucket.expose())?;
                let (sent, bucket) = (printable(&sent), printable(bucket.expose()));
                let found = format!(
                    "the form is sent to the bucket {sent}, and it is signed for the bucket {bucket}"
                );
                Some(Difference::new(RequestPart::Host, found, "send the form to the url in form.json"))
            }
            FormCondition::Is(name, wanted) => {
                let (shown, wanted) = (printable(name), wanted.expose());
                match self.form.field(name) {
                    Some(given) if given == wanted => None,
                    _ if is_hidden(name) => {
                        field(format!("the field {shown} differs from the policy"), AS_ISSUED.to_owned())
                    }
                    None => {
                        let found = format!("the policy asks for the field {shown}, and it is not sent");
                        field(found, format!("send {shown}: {}", printable(wanted)))
                    }
                    Some(given) => {
                        let (given, wanted) = (printable(given), printable(wanted));
                        let found = format!("{shown} is {given:?}, and the policy permits only {wanted:?}");
                        field(found, format!("send {shown}: {wanted}"))
                    }
                }
            }
            FormCondition::StartsWith(name, wanted) => {
                let (shown, wanted) = (printable(name), wanted.expose());
                let given = self.form.field(name);
                if given.unwrap_or_default().starts_with(wanted.as_str()) {
                    return None;
                }
                let said = given.map_or_else(
                    || format!("{shown} is not sent"),
                    |given| format!("{shown} is {:?}", printable(given)),
                );
                let begins = printable(wanted);
                let found = format!("{said}, and the policy wants a value that begins with {begins:?}");
                field(found, format!("send {shown} with such a value"))
            }
        }
    }

    /// The fields that the policy does not name, which stores refuse.
    fn unnamed(&self) -> Vec<Difference> {
        let is_free = |name: &str| {
            let lower = name.to_ascii_lowercase();
            [POLICY, SIGNATURE, "file"].contains(&lower.as_str()) || lower.starts_with("x-ignore-")
        };
        let is_named = |name: &str| {
            self.form.policy.conditions.iter().any(|condition| match condition {
                FormCondition::Is(named, _) | FormCondition::StartsWith(named, _) => {
                    named.eq_ignore_ascii_case(name)
                }
                FormCondition::Size(..) | FormCondition::Unknown => false,
            })
        };
        let unnamed = self.form.fields.keys().filter(|name| !is_free(name) && !is_named(name));
        unnamed
            .map(|name| {
                let found = format!(
                    "the field {} is sent, and the policy does not name it, so stores refuse it",
                    printable(name)
                );
                Difference::new(RequestPart::Field, found, "do not send it, or ask for a form with it")
            })
            .collect()
    }
}

/// The change that gives the signature of the form.
fn search(sent: &SentForm, signed: &StatedSignature, credentials: &Credentials) -> Option<Difference> {
    let signature = sent.form.field(SIGNATURE)?;
    let policy = sent.form.field(POLICY)?;
    let (secret, scope) = (&credentials.secret_access_key, signed.scope.text());
    let key = signing_key(secret, &scope);
    let unbroken: String = policy.split_ascii_whitespace().collect();
    let rewritten = [
        (policy.replace(' ', "+"), "a + in the field policy was sent as a space"),
        (unbroken, "the field policy was sent with spaces or line breaks that were not signed"),
    ];
    let policy_found = rewritten.into_iter().find(|(text, _)| signature_of(text, &key) == signature);
    if let Some((_, found)) = policy_found {
        return Some(Difference::new(RequestPart::Field, found, AS_ISSUED));
    }
    let is_it = |secret: &Sensitive<String>, scope: &str| {
        signature_of(policy, &signing_key(secret, scope)) == signature
    };
    let secrets = misread_secrets(credentials);
    if let Some((_, found)) = secrets.into_iter().find(|(secret, _)| is_it(secret, &scope)) {
        return Some(Difference::new(RequestPart::AccessKey, found, SECRET_FIX));
    }
    let names = [signed.noun, signed.credential, signed.date_field];
    let scopes = other_scopes(&signed.scope, &signed.date, &sent.host(), names);
    let (_, found) = scopes.into_iter().find(|(scope, _)| is_it(secret, &scope.text()))?;
    Some(Difference::new(RequestPart::Scope, found, AS_ISSUED))
}

/// What is said when no change gives the signature.
fn unexplained() -> Difference {
    Difference::new(
        RequestPart::AccessKey,
        "the access key id agrees, but the signature is not that of this policy: the secret access key differs, or the field policy was changed after signing",
        "compare the secret access key, and send the field policy exactly as it was issued",
    )
}

#[cfg(test)]
mod tests;
