//! The [runtime API] of one process, on a port of its own.
//!
//! [runtime API]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::environment::Environment;
use crate::invocation::{Answer, AnswerBody, AnswerSender, Cut, Handled};
use crate::prelude::{Head, Prelude};

const ROOT: &str = "/2018-06-01/runtime/";
const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
const ERROR_TRAILER: &str = "lambda-runtime-function-error-type";
const ARN: &str = "arn:aws:lambda:local:000000000000:function:local";
/// Bytes of a response, [by AWS's quota].
///
/// [by AWS's quota]: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
const RESPONSE_MAX: usize = 200 * 1024 * 1024;

/// Answers the process for as long as it lives.
pub async fn serve(listener: TcpListener, environment: Rc<Environment>) {
    while let Ok((connection, _)) = listener.accept().await {
        if !environment.is_alive() {
            return;
        }
        // Without it a small answer may wait for an acknowledgement.
        let _ = connection.set_nodelay(true);
        let environment = environment.clone();
        let service = service_fn(move |request| handle(request, environment.clone()));
        // A connection that breaks is one that a process ended with.
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn handle(request: Request<Incoming>, environment: Rc<Environment>) -> Handled<Full<Bytes>> {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().to_owned();
    let path: Vec<_> = path.split('/').collect();
    Ok(match (request.method(), &path[..]) {
        (&Method::GET, ["invocation", "next"]) => next(&environment).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let answerer = environment.answerer(id);
            let response = respond(request, answerer).await;
            environment.end(id, if response.is_ok() { "complete" } else { "error" });
            status(StatusCode::ACCEPTED)
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            drop(environment.answerer(id));
            environment.end(id, "error");
            log_error(request).await;
            status(StatusCode::ACCEPTED)
        }
        (&Method::POST, ["init", "error"]) => {
            log_error(request).await;
            environment.kill();
            status(StatusCode::ACCEPTED)
        }
        _ => status(StatusCode::NOT_FOUND),
    })
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn next(environment: &Rc<Environment>) -> Response<Full<Bytes>> {
    let Some(job) = environment.next().await else { return status(StatusCode::GONE) };
    let builder = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &job.id)
        .header("Lambda-Runtime-Deadline-Ms", environment.deadline())
        .header("Lambda-Runtime-Invoked-Function-Arn", ARN)
        .header("Lambda-Runtime-Trace-Id", format!("Root=1-00000000-{}", job.id.replace('-', "")));
    builder.body(Full::from(job.event)).unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// What a runtime says of an error is for its log.
async fn log_error(request: Request<Incoming>) {
    if let Ok(body) = request.into_body().collect().await {
        eprintln!("the runtime reports: {}", String::from_utf8_lossy(&body.to_bytes()));
    }
}

/// Passes a response on to the client. It is read to its end, also where the client has gone.
///
/// # Errors
/// When the function did not end it as it should; the client then gets no whole response either.
async fn respond(request: Request<Incoming>, answerer: Option<oneshot::Sender<Answer>>) -> Result<()> {
    let answerer = answerer.context("nobody waits for this response")?;
    let (parts, mut body) = request.into_parts();
    let mut first = Bytes::new();
    let head = if parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| value == INTEGRATION) {
        let mut prelude = Prelude::default();
        loop {
            let frame = body.frame().await.context("the response ended in its prelude")??;
            let data = frame.into_data().ok().context("the response has trailers in its prelude")?;
            if let Some((head, rest)) = prelude.feed(&data)? {
                first = rest;
                break head;
            }
        }
    } else {
        Head { status: StatusCode::OK, headers: HeaderMap::new() }
    };
    let (sender, answer) = AnswerBody::channel();
    let mut client =
        Client { sender: answerer.send(Answer { head, body: answer }).ok().map(|()| sender), bytes: 0 };
    let streamed = async {
        client.send(first).await?;
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => client.send(data).await?,
                Err(frame) => {
                    let has_error = frame.trailers_ref().is_some_and(|all| all.contains_key(ERROR_TRAILER));
                    ensure!(!has_error, "the function reports an error in its trailers");
                }
            }
        }
        Ok(())
    };
    let streamed = streamed.await;
    if let (Err(_), Some(sender)) = (&streamed, client.sender) {
        // It may have gone, too.
        let _ = sender.send(Err(Cut)).await;
    }
    streamed
}

struct Client {
    /// `None` when it has gone, of which the function learns nothing.
    sender: Option<AnswerSender>,
    bytes: usize,
}

impl Client {
    async fn send(&mut self, chunk: Bytes) -> Result<()> {
        self.bytes += chunk.len();
        ensure!(self.bytes <= RESPONSE_MAX, "a response is at most {RESPONSE_MAX} bytes");
        if let Some(sender) = self.sender.as_ref().filter(|_| !chunk.is_empty())
            && sender.send(Ok(chunk)).await.is_err()
        {
            self.sender = None;
        }
        Ok(())
    }
}
