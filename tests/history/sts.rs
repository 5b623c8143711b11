//! The STS as the operator's client reaches it: sessions, and what goes wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

use crate::http::Api;

/// Its address.
pub const HOST: &str = "sts.example.org";
/// What the access key id of every session begins with.
const SESSION: &str = "SESSION";
/// After how long a connection ends on which no answer comes: later than the operator waits.
const HANGS: Duration = Duration::from_secs(20);

/// What happens to every call for a namespace until it ends.
#[derive(Clone, Copy, Debug, Default)]
pub enum StsTrouble {
    /// Nothing.
    #[default]
    None,
    /// It is refused with this status and code.
    Refuses(u16, &'static str),
    /// No answer comes.
    Hangs,
    /// The answer takes so many milliseconds longer.
    Late(u64),
    /// The answer is a page for people.
    Garbage,
}

/// The STS, and what is known of the calls to it.
#[derive(Default)]
pub struct Sts {
    /// What happens to the calls for a namespace.
    pub troubles: BTreeMap<String, StsTrouble>,
    pub calls: Vec<Call>,
    sessions: Vec<Session>,
}

/// What tells the sessions apart that are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    pub role: String,
    /// The namespace, out of the name of the session.
    pub namespace: String,
    /// The id of the access key that it begins with; `None` if it begins with a token.
    pub base: Option<String>,
    /// How long it lasts, in seconds.
    pub duration: u32,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub wish: Wish,
    pub sent: Instant,
    /// When the answer arrived, and whether it was a session; `None` if none came.
    pub answered: Option<(Instant, bool)>,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub wish: Wish,
    pub expiration: Timestamp,
}

impl Sts {
    /// The session that signed a URL; `None` if none did.
    pub fn signer_of(&self, url: &str) -> Option<&Session> {
        let number_after = |start: &str| -> Option<usize> {
            let (_, rest) = url.split_once(start)?;
            rest.split(['%', '&']).next()?.parse().ok()
        };
        let number = number_after(&format!("X-Amz-Credential={SESSION}"))?;
        let is_whole = number_after("X-Amz-Security-Token=token") == Some(number);
        self.sessions.get(number).filter(|_| is_whole)
    }

    /// The answer with a new session.
    fn issue(&mut self, wish: Wish, now: Timestamp) -> String {
        let action = if wish.base.is_some() { "AssumeRole" } else { "AssumeRoleWithWebIdentity" };
        let expiration = now + SignedDuration::from_secs(wish.duration.into());
        let number = self.sessions.len();
        self.sessions.push(Session { wish, expiration });
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>{SESSION}{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token{number}</SessionToken><Expiration>{expiration}</Expiration>\
             </Credentials></{action}Result></{action}Response>"
        )
    }
}

/// The way to the STS.
#[derive(Clone)]
pub struct Way(pub Api);

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl HttpConnector for Way {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl Way {
    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let Self(api) = &self;
        let (number, wish, trouble) = self.note(&request);
        sleep(Duration::from_millis(3)).await;
        let (status, body) = match trouble {
            StsTrouble::None | StsTrouble::Late(_) => (200, api.lock().sts.issue(wish, api.clock.now())),
            StsTrouble::Refuses(status, code) => {
                let error = format!("<Error><Type>Sender</Type><Code>{code}</Code></Error>");
                (status, format!("<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"))
            }
            StsTrouble::Garbage => (200, "<!DOCTYPE html><title>Welcome</title>".to_owned()),
            StsTrouble::Hangs => {
                sleep(HANGS).await;
                return Err(ConnectorError::io("the answer got lost".into()));
            }
        };
        if let StsTrouble::Late(millis) = trouble {
            sleep(Duration::from_millis(millis)).await;
        }
        let is_session = matches!(trouble, StsTrouble::None | StsTrouble::Late(_));
        let mut state = api.lock();
        state.sts.calls[number].answered = Some((Instant::now(), is_session));
        state.reached.insert(if is_session { "a session" } else { "a refused session" });
        Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
    }

    /// Notes a call, and says which one it is, what it asks for and what happens to it.
    fn note(&self, request: &HttpRequest) -> (usize, Wish, StsTrouble) {
        let form = request.body().bytes().unwrap();
        let form: BTreeMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let mut state = self.0.lock();
        let is_signed = field("Action") == "AssumeRole";
        if !is_signed {
            state.judge_token(&field("WebIdentityToken"));
        }
        let base = || {
            let (_, rest) = request.headers().get("authorization")?.split_once("Credential=")?;
            Some(rest.split_once('/')?.0.to_owned())
        };
        let name = field("RoleSessionName");
        let wish = Wish {
            role: field("RoleArn"),
            namespace: name.strip_prefix("presign-").unwrap().to_owned(),
            base: is_signed.then(|| base().unwrap()),
            duration: field("DurationSeconds").parse().unwrap(),
        };
        let trouble = state.sts.troubles.get(&wish.namespace).copied().unwrap_or_default();
        state.sts.calls.push(Call { wish: wish.clone(), sent: Instant::now(), answered: None });
        (state.sts.calls.len() - 1, wish, trouble)
    }
}
