//! Reads the whole body of an answer. Only a few large bodies are read at a time, because an object can
//! have a megabyte and more, and many calls are under way.

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};
use tokio::sync::Semaphore;
use tower::BoxError;

/// The largest body that is read without a permit, in bytes. Nearly all have some thousand bytes.
const SMALL: usize = 64 * 1024;

/// Reads the whole body. The part beyond [`SMALL`] is read only with a permit of `large`.
pub(super) async fn whole<B>(body: B, large: &Semaphore) -> Result<Bytes, BoxError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut whole = Vec::new();
    let mut permit = None;
    while let Some(frame) = body.frame().await.map(|frame| frame.map_err(Into::<BoxError>::into)) {
        let Ok(data) = frame?.into_data() else { continue };
        if permit.is_none() && whole.len() + data.len() > SMALL {
            permit = Some(large.acquire().await?);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;

    use super::*;

    fn body(length: usize) -> Full<Bytes> {
        Full::new(vec![7; length].into())
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_large_body_waits_for_its_turn() {
        let large = Semaphore::new(1);
        let taken = large.acquire().await.unwrap();
        assert_eq!(whole(body(SMALL), &large).await.unwrap().len(), SMALL);
        let waiting = whole(body(SMALL + 1), &large);
        tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap_err();
        drop(taken);
        assert_eq!(whole(body(SMALL + 1), &large).await.unwrap().len(), SMALL + 1);
        assert_eq!(large.available_permits(), 1);
    }
}
