//! What a client asks an STS for, and what it is answered.

use hyper::{Response, body::Bytes};

/// How much of a body is kept.
const KEPT: usize = 64 * 1024;

/// A request, and the answer that a client got.
#[derive(Clone, Debug, Default)]
pub struct StsAnswer {
    /// What was asked for, such as `AssumeRole`.
    pub action: String,
    /// The ARN of the role.
    pub role: String,
    /// The name of the session.
    pub session_name: String,
    /// The policy that narrows the session.
    pub policy: Option<String>,
    /// How many seconds the session is to live, as it was written.
    pub duration: Option<String>,
    /// The external ID.
    pub external_id: Option<String>,
    /// The token of the service account.
    pub token: Option<String>,
    /// The id of the access key that signed the request.
    pub access_key_id: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// The body, with the secret of the session if there is one; the beginning of a large one.
    pub body: String,
}

/// The text of the first XML element of this name in an answer.
pub fn element(answer: &str, name: &str) -> Option<String> {
    let (_, after) = answer.split_once(&format!("<{name}>"))?;
    Some(after.split_once("</")?.0.to_owned())
}

impl StsAnswer {
    /// What was asked for, out of a query, a form, and the header `Authorization`; the answer is to come.
    pub(super) fn asked(query: &str, form: &[u8], authorization: &str) -> Self {
        let credential = authorization.split_once("Credential=").map(|(_, after)| after);
        let access_key_id = credential.and_then(|scope| scope.split('/').next()).map(str::to_owned);
        let mut asked = Self { access_key_id, ..Self::default() };
        let fields = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form));
        for (name, value) in fields {
            let value = value.into_owned();
            match &*name {
                "Action" => asked.action = value,
                "RoleArn" => asked.role = value,
                "RoleSessionName" => asked.session_name = value,
                "Policy" => asked.policy = Some(value),
                "DurationSeconds" => asked.duration = Some(value),
                "ExternalId" => asked.external_id = Some(value),
                "WebIdentityToken" => asked.token = Some(value),
                _ => {}
            }
        }
        asked
    }

    pub(super) fn answered(self, answer: &Response<Bytes>) -> Self {
        let body = answer.body();
        let body = String::from_utf8_lossy(&body[..body.len().min(KEPT)]).into_owned();
        Self { status: answer.status().as_u16(), body, ..self }
    }
}
