//! Calls of which the test knows only the bytes.

use std::error::Error as _;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use prost::bytes::{Buf as _, BufMut as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// How long an answer is waited for that need not come. A first publish can wait for 30 seconds, and goes on
/// when its caller does not.
const ANSWER: Duration = Duration::from_millis(250);
/// How long one that has to come is waited for.
const SURE_ANSWER: Duration = Duration::from_secs(2);

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

/// Calls a method with the bytes of a message, which is sure to be answered soon or not. `None` if there is no
/// answer in time. Fails if the driver cannot be called.
pub async fn call(
    channel: &Channel,
    method: &'static str,
    message: Vec<u8>,
    is_sure: bool,
) -> Option<Result<(), Status>> {
    let mut client = Grpc::new(channel.clone());
    let call = async move {
        client.ready().await.unwrap_or_else(|error| panic!("the driver is gone: {error}"));
        let answer = client.unary(Request::new(message), PathAndQuery::from_static(method), Bytes).await;
        let of_transport = |status: &Status| status.code() == Code::Unavailable && status.source().is_some();
        assert!(!answer.as_ref().err().is_some_and(of_transport), "the driver is gone: {answer:?}");
        answer.map(drop)
    };
    within(if is_sure { SURE_ANSWER } else { ANSWER }, call).await
}

/// Writes to the socket what is no HTTP/2, or begins like it.
pub async fn write(socket: &Path, bytes: &[u8]) {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    if stream.write_all(bytes).await.is_ok() {
        let _ = within(ANSWER, stream.read(&mut [0; 64])).await;
    }
}

async fn within<T>(time: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, call).await.ok()
}
