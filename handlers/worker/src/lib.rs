//! ssedge on Cloudflare.
//!
//! A stateless Worker holds the readers' responses, because it is billed for CPU and not for waiting. The messages
//! of a channel come to it over a hibernatable WebSocket from the channel's Durable Object, which sleeps between
//! two messages. What a reader sees is decided in the core.

mod admission;
mod body;
mod channel;
mod crossing;
mod fan_out;
mod frame;
mod host;
mod hubs;
mod link;
mod reply;
mod storage;
mod stream;
mod subscription;

use http::{Method, Response as Reply};
use ssedge::problem::Problem;
use ssedge::route::{self, Deployment, Peer, Plan, Subscriber};
use ssedge::session::{Session, StreamRequest};
use ssedge::settings::Settings;
use ssedge::store::Receipt;
use web_sys::{Request, Response};
use worker::{Context, Env, Result, event};

use crate::admission::Admission;
use crate::frame::JsFrame;
use crate::link::{Link, Question};
use crate::stream::Stream;

pub use channel::Channel;

/// The Durable Object binding in wrangler.toml.
const BINDING: &str = "CHANNELS";
/// The binding of the page and its assets in wrangler.toml.
const ASSETS: &str = "ASSETS";

#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> Result<Response> {
    let deployment = match host::deployment(&env) {
        Ok(deployment) => deployment,
        Err(bad) => return reply::whole(Problem::from(bad).response()),
    };
    let parts = match reply::parts(&request) {
        Ok(parts) => parts,
        Err(problem) => return reply::whole(problem.response()),
    };
    Exchange { request, env, parts: &parts, deployment: &deployment }.answer().await
}

struct Exchange<'a> {
    request: Request,
    env: Env,
    parts: &'a http::request::Parts,
    deployment: &'a Deployment,
}

impl Exchange<'_> {
    async fn answer(self) -> Result<Response> {
        let parts = self.parts;
        let peer = Peer { address: host::address(&parts.headers), scheme: parts.uri.scheme_str() };
        let reply = match route::plan(parts, peer, self.deployment, host::now()) {
            Ok(Plan::Page) => {
                let page = self.env.assets(ASSETS)?.fetch_request(self.request).await?;
                return Ok(page.into());
            }
            Ok(Plan::Stream(request, subscriber)) if parts.method != Method::HEAD => {
                return self.stream(*request, subscriber).await;
            }
            Ok(plan) => self.reply(plan).await,
            Err(problem) => {
                if let Some(body) = reply::stream(&self.request) {
                    reply::discard(body).await;
                }
                Err(problem)
            }
        };
        let reply = reply.unwrap_or_else(|problem| {
            reply::log(&problem, self.settings().log_level);
            problem.response()
        });
        reply::whole(self.finish(reply))
    }

    const fn settings(&self) -> &Settings {
        &self.deployment.settings
    }

    fn finish(&self, mut reply: Reply<bytes::Bytes>) -> Reply<bytes::Bytes> {
        route::finish(&mut reply, &self.parts.method, &self.parts.headers, self.settings());
        reply
    }

    async fn reply(&self, plan: Plan<'_>) -> std::result::Result<Reply<bytes::Bytes>, Problem> {
        match plan {
            Plan::Reply(reply) => Ok(reply),
            Plan::Read(read) => {
                let snapshot = self.link(&read.channel)?.ask(&Question::Read(read.subscribe.clone())).await?;
                read.response(snapshot)
            }
            Plan::Entry(read) => {
                read.response(self.link(&read.channel)?.ask(&Question::Entry(read.id)).await?)
            }
            Plan::Append(append) => {
                let body = reply::body(&self.request, &self.parts.headers).await.map_err(internal)?;
                let post = append.post(&body)?;
                let wait = admission::count_channel(&append.sender, append.beginning_rate(), host::now());
                let question = Question::Append(post, wait);
                let receipt = self.link(&append.channel)?.ask(&question).await?;
                if let Receipt::Begun(stored) | Receipt::Stored(stored) | Receipt::Replayed(stored) = &receipt
                {
                    hubs::heard_of(&append.channel, stored.id);
                }
                if wait.is_none() && !matches!(receipt, Receipt::Begun(_)) {
                    admission::discount_channel(&append.sender, append.beginning_rate());
                }
                append.response(receipt, self.settings())
            }
            Plan::Stream(request, _) => Ok(route::head_of_stream(self.start(*request).await?)),
            Plan::Page => Err(Problem::NotFound("no page")),
        }
    }

    /// Where a stream would start, for a HEAD.
    async fn start(
        &self,
        request: StreamRequest,
    ) -> std::result::Result<Option<ssedge::log::EntryId>, Problem> {
        if let Some((channel, subscribe)) = request.log {
            let start: ssedge::log::Start = self.link(&channel)?.ask(&Question::Start(subscribe)).await?;
            return Ok(Some(start.after));
        }
        let session = Session::<JsFrame>::open(request, self.settings().stream(), 0, host::now());
        Ok(session.starts_after())
    }

    async fn stream(self, request: StreamRequest, subscriber: Subscriber) -> Result<Response> {
        let settings = self.settings();
        let Some(admission) = Admission::request(subscriber.sender, settings.streams_per_sender, host::now())
        else {
            return reply::whole(self.finish(route::overloaded(host::seed())));
        };
        let link = match &request.log {
            Some((channel, _)) => Some(Link::new(&self.env, channel)?),
            None => None,
        };
        let signal = self.request.signal();
        let config = settings.stream().expiring(subscriber.expires);
        let (stream, body) = Stream::open(request, config, link, admission, self.deployment, &signal).await?;
        let head = self.finish(route::head_of_stream(stream.starts_after()));
        reply::streamed(&head, &body)
    }

    fn link(&self, channel: &ssedge::log::ChannelName) -> std::result::Result<Link, Problem> {
        Link::new(&self.env, channel).map_err(internal)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn internal(e: worker::Error) -> Problem {
    Problem::Internal { cause: e.to_string() }
}
