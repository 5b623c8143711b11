//! An STS whose clock is wrong.

use hyper::{
    Response,
    body::Bytes,
    header::{DATE, HeaderValue},
};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};

/// How many seconds each is ahead.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    pub(super) date: i64,
    pub(super) expiration: i64,
}

impl Clock {
    /// The answer as a clock that is off would have it.
    pub(super) fn put_off(self, mut answer: Response<Bytes>) -> Response<Bytes> {
        if self.date != 0
            && let Some(date) = later(Timestamp::now(), self.date)
            && let Ok(date) = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date)
            && let Ok(date) = HeaderValue::from_str(&date)
        {
            answer.headers_mut().insert(DATE, date);
        }
        if self.expiration == 0 {
            return answer;
        }
        answer.map(|body| moved(&String::from_utf8_lossy(&body), self.expiration).map_or(body, Into::into))
    }
}

/// An answer whose session ends so many seconds later; `None` if there is no session in it.
fn moved(body: &str, seconds: i64) -> Option<String> {
    let (before, rest) = body.split_once("<Expiration>")?;
    let (time, after) = rest.split_once("</Expiration>")?;
    let time = later(time.trim().parse().ok()?, seconds)?;
    Some(format!("{before}<Expiration>{time}</Expiration>{after}"))
}

fn later(time: Timestamp, seconds: i64) -> Option<Timestamp> {
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}
