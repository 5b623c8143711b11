//! Reads the bodies of requests, within bounds.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::failure::{SigningFailure, SigningResult};
use crate::domain::volume::SigningRequest;

/// The largest body, in bytes. The attributes of a volume have 32 KiB at most.
const MAX_BODY: usize = 128 * 1024;
/// How long a body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the rest of a body may take that nobody needs.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads a request.
///
/// # Errors
/// The fault says nothing that the body could quote.
pub async fn read(body: &mut Incoming) -> Result<SigningRequest, SigningFailure> {
    let invalid = |message: String| SigningFailure::new(SigningResult::Invalid, message);
    let too_large = || invalid(format!("the body has more than {} KiB", MAX_BODY / 1024));
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let bytes = match timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(bytes)) => bytes.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(invalid("the body could not be read".to_owned())),
        Err(_) => return Err(invalid("the body did not arrive in time".to_owned())),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(format!("the body is no valid signing request: line {line}, column {column}"))
    })
}

/// Reads what is left of a body, so that the peer reads the answer before the connection is closed.
pub async fn discard(body: &mut Incoming) {
    let rest = async {
        let mut left = 2 * MAX_BODY;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(DISCARD_TIMEOUT, rest).await;
}
