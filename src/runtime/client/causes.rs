//! What went wrong with a call to a server outside of the cluster, by the causes of its error.

use std::error::Error;
use std::io;

use http_body_util::LengthLimitError;

use super::guard::ResolveFailure;

/// What went wrong with a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallFailure {
    /// The server has only addresses that may not be reached.
    InternalAddress,
    /// The name of the server cannot be resolved.
    Unresolved,
    /// The body of the answer is longer than what is read.
    TooLong,
    /// The TLS handshake failed.
    Tls,
    /// The answer is not HTTP.
    Garbage,
    /// The connection was closed before the end of the answer.
    Cut,
    /// No connection was made, or another cause.
    Other,
}

impl CallFailure {
    /// The fault that an error and its causes mean.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let is_internal =
            |cause: &(dyn Error + 'static)| matches!(cause.downcast_ref(), Some(ResolveFailure::Internal));
        let is_unresolved = |cause: &(dyn Error + 'static)| {
            matches!(cause.downcast_ref(), Some(ResolveFailure::Unresolved(_)))
        };
        let is_parse =
            |cause: &(dyn Error + 'static)| cause.downcast_ref().is_some_and(hyper::Error::is_parse);
        let faults: [(&dyn Fn(&(dyn Error + 'static)) -> bool, Self); 6] = [
            (&is_internal, Self::InternalAddress),
            (&is_unresolved, Self::Unresolved),
            (&|cause| cause.is::<LengthLimitError>(), Self::TooLong),
            (&|cause| cause.is::<rustls::Error>(), Self::Tls),
            (&is_parse, Self::Garbage),
            (&|cause| cause.is::<hyper::Error>(), Self::Cut),
        ];
        let found = faults.into_iter().find(|(is, _)| has_cause(error, *is));
        found.map_or(Self::Other, |(_, fault)| fault)
    }
}

/// Whether an error or one of its causes is of some kind.
fn has_cause(error: &(dyn Error + 'static), is: &dyn Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // The cause of an I/O error is that of the error inside it, which is skipped otherwise.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if is(error) || inner.is_some_and(|inner| has_cause(inner, is)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_inside_io_errors() {
        let tls = io::Error::other(io::Error::other(rustls::Error::HandshakeNotComplete));
        assert_eq!(CallFailure::of(&tls), CallFailure::Tls);
        let internal = io::Error::other(ResolveFailure::Internal);
        assert_eq!(CallFailure::of(&internal), CallFailure::InternalAddress);
        assert_eq!(CallFailure::of(&io::Error::other("x")), CallFailure::Other);
    }
}
