//! The [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) of one process.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::environment::arn;
use crate::listen::accept;
use crate::process::{Answer, Process};

/// Bytes that are read from a function at once, and so the size of a chunk for a client. Larger ones would only wait
/// in memory.
pub const READ_BUFFER: usize = 64 * 1024;
/// Bytes that a report of an error may have. (Undocumented; more than a stack trace takes.)
const ERROR_LIMIT: usize = 256 * 1024;

type Reply = Response<Full<Bytes>>;

/// Serves `process` for good.
pub async fn serve(process: &Rc<Process>, listener: &TcpListener) -> Infallible {
    loop {
        let (stream, _) = accept(listener).await;
        spawn_local(connection(Rc::clone(process), stream));
    }
}

async fn connection(process: Rc<Process>, stream: TcpStream) {
    let service = service_fn(|request| {
        let process = Rc::clone(&process);
        async move { Ok::<_, Infallible>(handle(&process, request).await) }
    });
    let mut server = http1::Builder::new();
    let _ = server.max_buf_size(READ_BUFFER).serve_connection(TokioIo::new(Prompt(stream)), service).await;
}

/// A connection that acknowledges what it gets at once, where the kernel lets a program say so; see the crate's words on
/// latency.
struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        // The kernel takes it back by itself, so it is said again each time (tcp(7), TCP_QUICKACK).
        #[cfg(target_os = "linux")]
        let _ = self.0.set_quickack(true);
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn handle(process: &Process, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else { return not_found() };
    match (request.method(), path.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(process).await,
        (&Method::POST, ["invocation", id, "response"]) => response(process, id, request).await,
        (&Method::POST, ["invocation", id, "error"]) => {
            let Some(answer) = process.answered(id) else { return unknown_id() };
            report(process, request).await;
            let _ = answer.send(Answer::Error);
            accepted()
        }
        (&Method::POST, ["init", "error"]) => {
            report(process, request).await;
            // Nothing can come of it now, and a process that waits would hold its client for the whole time limit.
            process.kill();
            accepted()
        }
        _ => not_found(),
    }
}

async fn next(process: &Process) -> Reply {
    let Some(handout) = process.next().await else { return not_found() };
    let response = Response::builder()
        .header("Content-Type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &handout.request_id)
        .header("Lambda-Runtime-Deadline-Ms", handout.deadline)
        .header("Lambda-Runtime-Invoked-Function-Arn", arn())
        .header("Lambda-Runtime-Trace-Id", &handout.trace_id)
        .body(Full::new(handout.event));
    process.took(handout.request_id, handout.answer);
    response.unwrap_or_else(|_| not_found())
}

async fn response(process: &Process, id: &str, request: Request<Incoming>) -> Reply {
    let Some(answer) = process.answered(id) else { return unknown_id() };
    let (parts, body) = request.into_parts();
    let (received, all) = oneshot::channel();
    if answer.send(Answer::Response { headers: parts.headers, body, received }).is_err() {
        return unknown_id();
    }
    match all.await {
        Ok(()) => accepted(),
        Err(_) => error(StatusCode::PAYLOAD_TOO_LARGE, "the response is too large or has no readable head"),
    }
}

/// Shows what the function said of its error.
async fn report(process: &Process, request: Request<Incoming>) {
    let body = Limited::new(request.into_body(), ERROR_LIMIT).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    eprintln!("emulator: process {} reports an error: {}", process.pid(), text.unwrap_or_default());
}

fn accepted() -> Reply {
    reply(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }))
}

fn unknown_id() -> Reply {
    error(StatusCode::BAD_REQUEST, "Invalid request ID")
}

fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "the emulator has no such endpoint")
}

fn error(status: StatusCode, message: &str) -> Reply {
    reply(status, &serde_json::json!({ "errorType": "InvalidRequest", "errorMessage": message }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}
