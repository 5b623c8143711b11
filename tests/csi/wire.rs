//! Calls of which the test knows only the bytes.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use prost::bytes::{Buf as _, BufMut as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// How long an answer is waited for. A first publish can wait for 30 seconds, and goes on when its caller
/// does not.
const ANSWER: Duration = Duration::from_millis(250);

/// Bytes are messages.
#[derive(Clone, Copy, Default)]
struct Bytes;

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

/// Calls a method with the bytes of a message. `None` if there is no answer in time.
pub async fn call(channel: &Channel, method: &'static str, message: Vec<u8>) -> Option<Result<(), Status>> {
    let mut client = Grpc::new(channel.clone());
    within(async move {
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        client.unary(Request::new(message), PathAndQuery::from_static(method), Bytes).await.map(drop)
    })
    .await
}

/// Writes to the socket what is no HTTP/2, or begins like it.
pub async fn write(socket: &Path, bytes: &[u8]) {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    if stream.write_all(bytes).await.is_ok() {
        let _ = within(stream.read(&mut [0; 64])).await;
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(ANSWER, call).await.ok()
}
