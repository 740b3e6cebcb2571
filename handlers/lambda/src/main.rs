//! ssedge on AWS.
//!
//! One Lambda function with response streaming. An execution environment serves one stream at a time, so two readers
//! of a room are two processes, and all that they share is a DynamoDB table: the log of every channel, which each
//! stream asks for news. What a reader sees is decided in the core.

mod admission;
mod attributes;
mod body;
mod event;
mod failure;
mod host;
mod logs;
mod news;
mod page;
mod plain;
mod reply;
mod stream;
mod table;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use lambda_http::{Request, RequestExt, StreamAdapter};
use lambda_runtime::{LambdaEvent, Service, service_fn};
use ssedge::problem::Problem;
use ssedge::route::{self, Deployment, Plan, Subscriber};
use ssedge::session::{Session, StreamRequest};
use ssedge::settings::LogLevel;
use ssedge::time::UnixMillis;

use crate::body::Body;
use crate::event::Event;
use crate::logs::Logs;
use crate::news::News;
use crate::stream::Sources;

/// What all invocations of a process share.
struct Function {
    deployment: Arc<Deployment>,
    sources: Sources,
}

// One thread: the runtime's client leaves TCP_NODELAY off, and with several threads the first byte of a stream waits
// 40 ms for an acknowledgement.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (deployment, table) = host::deployment()
        .inspect_err(|bad| host::log(LogLevel::Error, LogLevel::Error, &bad.to_string()))?;
    let log_level = deployment.settings.log_level;
    let deployment = Arc::new(deployment);
    let logs = Arc::new(Logs::new(deployment.clone(), &table));
    let news = Arc::new(News::new(logs.clone(), table.poll, log_level));
    let sources = Sources { logs, news, log_level };
    let function = Arc::new(Function { deployment, sources });
    let adapter = StreamAdapter::from(service_fn(move |request: Request| {
        let function = function.clone();
        async move { Ok::<_, Infallible>(function.invoke(request).await) }
    }));
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Event>| {
        let Event(request) = event.payload;
        adapter.clone().call(LambdaEvent::new(request, event.context))
    }))
    .await
}

impl Function {
    async fn invoke(&self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let parts = event::head(parts);
        let plan = match page::asset(parts.uri.path()) {
            Some(asset) if is_read(&parts.method) => Ok(Plan::Reply(asset)),
            _ => route::plan(&parts, event::peer(&parts), &self.deployment, host::now()),
        };
        let response = match plan {
            Ok(Plan::Stream(request, subscriber)) if parts.method != Method::HEAD => {
                return self.stream(*request, &subscriber, &parts).await;
            }
            Ok(plan) => self.reply(plan, &body).await,
            Err(problem) => Err(problem),
        };
        self.whole(response, &parts)
    }

    fn whole(&self, response: Result<Response<Bytes>, Problem>, parts: &Parts) -> Response<Body> {
        let response = response.unwrap_or_else(|problem| {
            reply::log(&problem, self.deployment.settings.log_level);
            problem.response()
        });
        let mut response = self.finish(response, parts);
        let body = Body::whole(std::mem::take(response.body_mut()));
        reply::with_body(response, body)
    }

    /// Opens a stream while it is found out whether there is room for it.
    async fn stream(&self, request: StreamRequest, subscriber: &Subscriber, parts: &Parts) -> Response<Body> {
        let deadline = parts.lambda_context_ref().map_or(0, |context| context.deadline);
        let settings = &self.deployment.settings;
        let config = settings.stream().expiring(subscriber.expires).until(UnixMillis(deadline));
        let channel = request.log.as_ref().map(|(channel, _)| channel.clone());
        let ((started, stream), is_admitted) = tokio::join!(
            stream::open(request, config, self.sources.clone()),
            admission::admits(&self.sources.logs.table, channel.as_ref(), subscriber, config, settings),
        );
        if !is_admitted {
            return self.whole(Ok(route::overloaded(host::draw())), parts);
        }
        match started {
            Ok(starts_after) => {
                reply::with_body(self.finish(route::head_of_stream(starts_after), parts), stream)
            }
            Err(refusal) => self.whole(route::refused(&refusal, settings.host), parts),
        }
    }

    fn finish(&self, mut response: Response<Bytes>, parts: &Parts) -> Response<Bytes> {
        route::finish(&mut response, &parts.method, &parts.headers, &self.deployment.settings);
        response
    }

    async fn reply(&self, plan: Plan<'_>, body: &[u8]) -> Result<Response<Bytes>, Problem> {
        let logs = &self.sources.logs;
        match plan {
            Plan::Reply(response) => Ok(response),
            Plan::Read(read) => {
                read.response(logs.reader(&read.channel).snapshot(&read.channel, &read.subscribe).await?)
            }
            Plan::Entry(read) => {
                read.response(logs.reader(&read.channel).entry(&read.channel, read.id).await?)
            }
            Plan::Append(append) => {
                // The platform has collected the body, and does not always tell its length: what is short is stored whole.
                if body.len() > append.body_bytes()
                    && let Some(streamed) = append.streamed()?
                {
                    return logs.append_all(&append, streamed, body).await;
                }
                let post = append.post(body)?;
                append.response(logs.append(&append, &post).await?)
            }
            Plan::Delete(channel) => {
                logs.delete(&channel).await?;
                Ok(route::deleted(self.deployment.settings.host))
            }
            Plan::Stream(request, _) => self.head(*request).await,
            Plan::Page => Err(Problem::NotFound("no page")),
        }
    }

    /// The head of a stream that is not opened.
    async fn head(&self, request: StreamRequest) -> Result<Response<Bytes>, Problem> {
        let settings = &self.deployment.settings;
        if let Some((channel, subscribe)) = &request.log {
            let start = self.sources.logs.reader(channel).start(channel, subscribe).await?;
            return route::head(&request, &start, settings.host);
        }
        let session = Session::<Bytes>::open(request, settings.stream(), host::draw(), host::now());
        Ok(route::head_of_stream(session.starts_after()))
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
