//! How often a `ServiceAccount` is read, and which of several answers counts.

use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::join_all;
use hyper::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::sync::oneshot;
use tower::service_fn;

use super::*;
use crate::controller::context::Context;
use crate::controller::tests::context;

/// The reads that the API server has got and not answered yet.
type OpenReads = Arc<Mutex<Vec<oneshot::Sender<Result<&'static str, u16>>>>>;

/// A context over an API server that answers each read of a `ServiceAccount` when the test says so: with this
/// UID, or with an error.
fn slow_api_server() -> (Arc<Context>, OpenReads) {
    let open = OpenReads::default();
    let reads = open.clone();
    let answer = move |request: Request<Body>| {
        assert!(request.uri().path().ends_with("/namespaces/n/serviceaccounts/a"), "{}", request.uri());
        let (answer, answered) = oneshot::channel();
        reads.lock().unwrap().push(answer);
        async move {
            let (code, body) = match answered.await.unwrap() {
                Ok(uid) => (
                    200,
                    json!({
                        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                        "metadata": {"name": "a", "namespace": "n", "uid": uid,
                            "annotations": {"presign.dev/role-arns": "*"}},
                    }),
                ),
                Err(code) => (
                    code,
                    json!({
                        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
                        "reason": "InternalError", "message": "no", "code": code,
                    }),
                ),
            };
            let status = StatusCode::from_u16(code).unwrap();
            let body = Body::from(body.to_string().into_bytes());
            Ok::<_, kube::Error>(Response::builder().status(status).body(body).unwrap())
        }
    };
    (context(Client::new(service_fn(answer), "default")), open)
}

fn account() -> Key {
    Key::new("n", "a")
}

/// The UID that a read returns; `None` if it fails.
async fn uid(ctx: Arc<Context>) -> Option<String> {
    let read = ctx.sessions.accounts.get(&ctx, &account()).await;
    Some(read.ok()?.expect("the ServiceAccount exists").uid.clone())
}

/// Lets all tasks go on until each waits.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Answers the oldest open read, and returns how many were open.
async fn answer(open: &OpenReads, answer: Result<&'static str, u16>) -> usize {
    settle().await;
    let (oldest, count) = {
        let mut open = open.lock().unwrap();
        let count = open.len();
        (open.remove(0), count)
    };
    oldest.send(answer).unwrap();
    settle().await;
    count
}

#[tokio::test]
async fn those_that_need_a_service_account_at_once_share_one_read() {
    let (ctx, open) = slow_api_server();
    let all: Vec<_> = (0..50).map(|_| tokio::spawn(uid(ctx.clone()))).collect();
    assert_eq!(answer(&open, Ok("u-1")).await, 1, "one read is under way");
    for found in join_all(all).await {
        assert_eq!(found.unwrap().as_deref(), Some("u-1"));
    }
    assert!(open.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_read_that_fails_or_ends_early_holds_up_nobody() {
    let (ctx, open) = slow_api_server();
    let first = tokio::spawn(uid(ctx.clone()));
    settle().await;
    let others: Vec<_> = (0..3).map(|_| tokio::spawn(uid(ctx.clone()))).collect();
    assert_eq!(answer(&open, Err(500)).await, 1);
    assert_eq!(first.await.unwrap(), None);
    // None of them waits for the failures of the others.
    assert_eq!(answer(&open, Ok("u-1")).await, 3);
    assert_eq!(answer(&open, Ok("u-1")).await, 2);
    assert_eq!(answer(&open, Err(500)).await, 1);
    let found: Vec<_> = join_all(others).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(found.iter().flatten().count(), 2, "{found:?}");

    ctx.sessions.accounts.forget(&account());
    let cancelled = tokio::spawn(uid(ctx.clone()));
    settle().await;
    let other = tokio::spawn(uid(ctx.clone()));
    settle().await;
    cancelled.abort();
    settle().await;
    open.lock().unwrap().remove(0);
    assert_eq!(answer(&open, Ok("u-2")).await, 1);
    assert_eq!(other.await.unwrap().as_deref(), Some("u-2"));
}

#[tokio::test]
async fn a_late_answer_does_not_replace_that_of_a_later_read() {
    let (ctx, open) = slow_api_server();
    let confirm = |uid: &'static str| {
        let ctx = ctx.clone();
        tokio::spawn(async move { ctx.sessions.accounts.confirm(&ctx, &account(), uid, None).await })
    };
    let early = confirm("u-1");
    settle().await;
    let late = confirm("u-2");
    settle().await;
    let first = open.lock().unwrap().remove(0);
    // It was created again between the two reads.
    answer(&open, Ok("u-2")).await;
    late.await.unwrap().unwrap();
    first.send(Ok("u-1")).unwrap();
    early.await.unwrap().unwrap();
    assert_eq!(uid(ctx.clone()).now_or_never().flatten().as_deref(), Some("u-2"));
}

#[tokio::test]
async fn what_was_forgotten_does_not_come_back_with_an_earlier_read() {
    let (ctx, open) = slow_api_server();
    let early = tokio::spawn(uid(ctx.clone()));
    settle().await;
    ctx.sessions.accounts.forget(&account());
    answer(&open, Ok("u-1")).await;
    assert_eq!(early.await.unwrap().as_deref(), Some("u-1"));
    let next = tokio::spawn(uid(ctx.clone()));
    assert_eq!(answer(&open, Ok("u-2")).await, 1, "it is read again");
    assert_eq!(next.await.unwrap().as_deref(), Some("u-2"));
}
