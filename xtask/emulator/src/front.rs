//! What the clients of the function URL see.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::event::event;
use crate::invocation::{Answer, AnswerBody, Handled, Job, now};
use crate::pool::Pool;

/// Bytes of a request, [by AWS's quota].
///
/// [by AWS's quota]: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const REQUEST_MAX: usize = 6 * 1024 * 1024;

/// Serves until the listener fails.
///
/// # Errors
/// When it does.
pub async fn serve(listener: TcpListener, pool: Rc<Pool>) -> Result<()> {
    loop {
        let (connection, peer) = listener.accept().await?;
        // Without it a small chunk may wait for an acknowledgement.
        let _ = connection.set_nodelay(true);
        let pool = pool.clone();
        let service = service_fn(move |request| handle(request, peer, pool.clone()));
        let mut http = http1::Builder::new();
        // A client may end its half and still wait for the answer.
        http.half_close(true);
        // A connection that breaks is one whose client has gone.
        spawn_local(http.serve_connection(TokioIo::new(connection), service));
    }
}

async fn handle(request: Request<Incoming>, peer: SocketAddr, pool: Rc<Pool>) -> Handled<AnswerBody> {
    let id = request_id();
    let (parts, body) = request.into_parts();
    let mut response = match Limited::new(body, REQUEST_MAX).collect().await {
        Ok(body) => {
            let event = event(&parts, &body.to_bytes(), peer, &id, now());
            invoke(&pool, Job { id: id.clone(), event }).await
        }
        Err(e) if e.is::<LengthLimitError>() => {
            refusal(StatusCode::PAYLOAD_TOO_LARGE, r#"{"Message":"Request Entity Too Large"}"#)
        }
        Err(_) => refusal(StatusCode::BAD_REQUEST, r#"{"Message":"Bad Request"}"#),
    };
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    Ok(response)
}

async fn invoke(pool: &Pool, job: Job) -> Response<AnswerBody> {
    let answer = match pool.invoke(job).await {
        Ok(Some(answer)) => answer.await.ok(),
        Ok(None) => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, r#"{"Message":"Rate Exceeded."}"#);
            let error = HeaderValue::from_static("TooManyRequestsException");
            response.headers_mut().insert("x-amzn-errortype", error);
            return response;
        }
        Err(e) => {
            eprintln!("{e:#}");
            None
        }
    };
    match answer {
        Some(Answer { head, body }) => {
            let mut response = Response::new(body);
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            response
        }
        None => refusal(StatusCode::BAD_GATEWAY, r#"{"Message":"Internal Server Error"}"#),
    }
}

fn refusal(status: StatusCode, body: &'static str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A random UUID.
fn request_id() -> String {
    let [a, b] = [fastrand::u64(..), fastrand::u64(..)];
    let version = a & 0xfff | 0x4000;
    let variant = b >> 50 & 0x3fff | 0x8000;
    format!(
        "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        b & 0xffff_ffff_ffff
    )
}
