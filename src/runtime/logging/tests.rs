//! Each line as it is written, in both formats.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(filter: &str, format: LogFormat, speak: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(filter, format, move || writer.clone(), false).unwrap();
    tracing::subscriber::with_default(subscriber, speak);
    lines.text()
}

fn libraries_speak() {
    tracing::trace!(target: "aws_sigv4::http_request::sign", "LEAK");
    tracing::debug!(target: "aws_smithy_runtime::client::identity", "LEAK");
    tracing::info!(target: "aws_smithy_runtime::client::identity", "sdk");
    tracing::trace!(target: "aws_smithy_runtime::client::orchestrator", "LEAK");
    tracing::debug!(target: "aws_smithy_runtime::client::http::body", "LEAK");
    tracing::debug!(target: "aws_config::imds::credentials", "LEAK");
    tracing::debug!(target: "aws_smithy_http_client::client", "LEAK");
    tracing::trace!(target: "h2::hpack::encoder", "LEAK");
    tracing::trace!(target: "hyper_util::client::legacy::client", "LEAK");
    tracing::warn!(target: "kube_client::client", "LEAK");
    tracing::debug!(target: "kube_client::client", "LEAK");
    tracing::error!(target: "kube_client::client", "client");
    tracing::warn!(target: "kube_client::client::tls", "tls");
    tracing::trace!(target: "kube_client::api", "LEAK");
    tracing::trace!(target: "rustls::client::hs", "LEAK");
    tracing::debug!(target: "hyper_util::client::legacy::pool", "pool");
    tracing::trace!(target: "presign_operator::controller", "ours");
    let span = tracing::trace_span!(target: "hyper::proto", "frame");
    span.in_scope(|| tracing::trace!(target: "aws_sigv4", "LEAK"));
}

#[test]
fn no_filter_lifts_the_cap() {
    for filter in [
        "trace",
        "trace,aws_sigv4=trace,aws_sigv4::http_request::sign=trace,kube_client::client=trace",
        "trace,aws_smithy_runtime=trace,aws_config=trace,h2=trace,hyper_util=trace",
        "trace,rustls=trace,hyper=trace,[frame]=trace,aws_sigv4[frame]=trace",
    ] {
        let text = logged(filter, LogFormat::Text, libraries_speak);
        assert!(!text.contains("LEAK"), "{filter}:\n{text}");
        for harmless in ["sdk", "client", "tls", "pool", "ours"] {
            assert!(text.contains(&format!(": {harmless}\n")), "{filter}: {harmless} of\n{text}");
        }
    }
}

/// Fails when a new version of kube writes bodies from another place.
#[tokio::test]
async fn a_body_that_kube_cannot_read_is_not_logged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let body = r#"{"metadata":[],"data":{"key":"TEVBSw=="}}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let lines = Lines::default();
    let writer = lines.clone();
    let loud = subscriber("trace,kube_client=trace", LogFormat::Text, move || writer.clone(), false);
    let _guard = tracing::subscriber::set_default(loud.unwrap());
    let client = kube::Client::try_from(kube::Config::new(url)).unwrap();
    let secrets = kube::Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, "a");
    assert!(matches!(secrets.get("b").await, Err(kube::Error::SerdeError(_))));
    let text = lines.text();
    assert!(!text.contains("TEVBSw") && text.contains("kube_client"), "{text}");
}

#[test]
fn the_cap_does_not_lift_the_filter() {
    assert_eq!(logged("off", LogFormat::Text, libraries_speak), "");
    let text = logged("warn", LogFormat::Text, libraries_speak);
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn text_names_the_object_before_the_message() {
    for (expected, speak) in [
        (
            ": team/report: issued reason=\"RenewalDue\"\n",
            (|| tracing::info!(namespace = "team", name = "report", reason = "RenewalDue", "issued"))
                as fn(),
        ),
        (": cannot watch namespace=\"team\"\n", || tracing::info!(namespace = "team", "cannot watch")),
    ] {
        let text = logged("info", LogFormat::Text, speak);
        assert!(text.ends_with(expected), "{text}");
    }
}

#[test]
fn json_is_one_object_a_line_with_the_fields_on_top() {
    let text = logged("info", LogFormat::Json, || tracing::info!(reason = "RenewalDue", "issued"));
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["message"], &line["reason"]), (&"issued".into(), &"RenewalDue".into()));
}

#[test]
fn a_bad_filter_is_an_error_that_names_it() {
    for bad in ["inof", "", "info,hyper", "info,hyper=loud", "info,[a=b", "info,"] {
        let Err(error) = parse(bad) else { panic!("{bad:?} was taken") };
        assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
    }
    for good in ["info", "OFF", "info, hyper=debug", "warn,[HTTP{a=1}]=debug"] {
        assert!(parse(good).is_ok(), "{good:?} was refused");
    }
}
