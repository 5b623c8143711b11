//! What an STS answers when something is wrong.

use std::time::Duration;

use hyper::{Response, body::Bytes};

use crate::serving::answer;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum StsFault {
    /// The STS refuses, in its own words: 429 and `Throttling`, 403 and `AccessDenied`, 400 and
    /// `ExpiredTokenException`.
    Refuse {
        /// HTTP status code.
        status: u16,
        /// The code in the body.
        code: &'static str,
    },
    /// A page for people, as a proxy answers with: 200 and HTML.
    Html,
    /// The first half of the answer, as if it were all.
    Truncated,
    /// 200, and XML that goes on for so many bytes before anything of interest.
    Endless {
        /// How many.
        bytes: usize,
    },
    /// The request waits this long before it goes on.
    Delay(Duration),
    /// The request waits until [`heal`](super::StsFront::heal), and goes on then.
    Hold,
    /// Nothing is answered, until [`heal`](super::StsFront::heal) ends the connection.
    Hang,
    /// The connection is closed without an answer; the STS never hears of it.
    Close,
}

/// An error as AWS's query protocol has it.
pub(super) fn refusal(status: u16, code: &str) -> Response<Bytes> {
    let whose = if status < 500 { "Sender" } else { "Receiver" };
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
         <Type>{whose}</Type>\n    <Code>{code}</Code>\n    <Message>injected {code}</Message>\n  \
         </Error>\n  <RequestId>00000000-0000-0000-0000-000000000000</RequestId>\n</ErrorResponse>\n"
    );
    answer(status, "text/xml", body.into())
}

/// What a login page or a load balancer says.
pub(super) fn html() -> Response<Bytes> {
    let body = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>Sign in</body></html>\n";
    answer(200, "text/html", body.into())
}

/// An answer with too much in it.
pub(super) fn endless(bytes: usize) -> Response<Bytes> {
    let filling = "x".repeat(bytes);
    let body = format!("<AssumeRoleResponse><!-- {filling} --></AssumeRoleResponse>");
    answer(200, "text/xml", body.into())
}
