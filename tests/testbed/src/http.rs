//! Requests over plain HTTP, each on a connection of its own.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, SocketAddrV4, TcpStream},
    time::Duration,
};

/// The status and the body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body, up to the end of the connection.
    pub body: Vec<u8>,
}

/// Gets a page of a server, which has `limit` to take the connection, and as long for each part of its answer.
pub fn http_get(address: SocketAddrV4, path: &str, limit: Duration) -> io::Result<HttpAnswer> {
    http_request(address, "GET", path, &[], limit)
}

/// The same with another method, and a body.
pub(crate) fn http_request(
    address: SocketAddrV4,
    method: &str,
    path: &str,
    body: &[u8],
    limit: Duration,
) -> io::Result<HttpAnswer> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(address), limit)?;
    stream.set_read_timeout(Some(limit))?;
    let length = body.len();
    // With a type, a path of SeaweedFS that ends in a slash would be a file.
    let kind = if method == "PUT" { "Content-Type: application/octet-stream\r\n" } else { "" };
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{kind}\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read(&answer).ok_or_else(|| io::Error::other("an answer that is not HTTP"))
}

fn read(answer: &[u8]) -> Option<HttpAnswer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, body: answer[end + 4..].to_vec() })
}
