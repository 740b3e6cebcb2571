//! What a host is asked with: plain HTTP, and streams as a browser reads them.

#![allow(clippy::missing_panics_doc, reason = "a host that cannot be asked is a failed test")]

mod raw;
mod source;
mod stream;

use std::net::Ipv4Addr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::time::{Instant, sleep, timeout};

pub use raw::Connection;
pub use source::EventSource;
pub use ssedge::sse::Message;
pub use stream::{End, Heard, Stream};

/// How long anything may take that is due at once, on a machine that is slow and does much else. Only a test that fails
/// waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is tried that has to be quick. A machine that does much else is slow now and then; what is broken
/// is slow each time.
pub const TRIES: u32 = 4;

/// An answer with the whole of its body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The value of the header; the empty text where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        text_of(&self.headers, name)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }
}

/// Asks one host.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// What stands in front of every path; empty, or as `/live`.
    stage: String,
    headers: HeaderMap,
}

impl Client {
    /// `base` is the URL of the host, without a path.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { http: http(None), base: base.to_owned(), stage: String::new(), headers: HeaderMap::new() }
    }

    /// The same host behind a REST API with this stage.
    #[must_use]
    pub fn below(&self, stage: &str) -> Self {
        Self { stage: format!("/{stage}"), ..self.clone() }
    }

    /// The same host, asked from 127.0.0.`n`. Behind the local Lambda the address of the connection is what counts; the
    /// Worker believes what Cloudflare says, and in workerd without Cloudflare that may be anybody.
    #[must_use]
    pub fn from_address(&self, n: u8) -> Self {
        let address = Ipv4Addr::new(127, 0, 0, n);
        let asked = Self { http: http(Some(address)), ..self.clone() };
        asked.with("CF-Connecting-IP", &address.to_string())
    }

    /// The same with this header in every request that does not have its own.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.headers.extend(header_map(&[(name, value)]));
        with
    }

    /// The same by somebody who holds this token.
    #[must_use]
    pub fn bearing(&self, token: &str) -> Self {
        self.with(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// The URL of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.base, self.stage)
    }

    /// What stands in front of every path, for requests of which every byte is written by a test.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Any request, with the whole of its answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let asked = format!("{method} {path}");
        let answer = timeout(PATIENCE, async {
            let response = self.send(method, path, headers, body).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok::<_, reqwest::Error>(Answer { status, headers, text: response.text().await? })
        });
        answer
            .await
            .unwrap_or_else(|_| panic!("{asked}: no answer in {PATIENCE:?}"))
            .unwrap_or_else(|e| panic!("{asked}: {e:?}"))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> reqwest::Result<reqwest::Response> {
        let request = self.http.request(method, self.url(path)).headers(self.headers.clone());
        let mut request = request.headers(header_map(headers));
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        request.send().await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, path, headers, None).await
    }

    /// The snapshot of a feed, or whatever else there is as JSON.
    pub async fn get_json(&self, path: &str) -> Answer {
        self.get(path, &[("Accept", "application/json")]).await
    }

    pub async fn head(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::HEAD, path, headers, None).await
    }

    pub async fn options(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::OPTIONS, path, headers, None).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.request(Method::POST, path, headers, Some(body)).await
    }

    /// Posts JSON.
    pub async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.post(path, &[("Content-Type", "application/json")], body).await
    }

    /// Says `text` in a room and answers the id, once it is stored.
    pub async fn say(&self, room: &str, text: &str) -> u64 {
        let body = serde_json::json!({ "user": "ada", "text": text }).to_string();
        let answer = self.post_json(&format!("/api/chat/{room}"), &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        id_of(&answer)
    }

    /// Says `text` in a room, again and again while the host answers 503, as a client does that must not lose it; answers
    /// the id. A host that is too slow to say that it is stored may have stored it, so it may be there more than once.
    pub async fn insist(&self, room: &str, text: &str) -> u64 {
        const PAUSE: Duration = Duration::from_millis(50);
        let body = serde_json::json!({ "user": "ada", "text": text }).to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.post_json(&format!("/api/chat/{room}"), &body).await;
            if answer.status == 201 {
                return id_of(&answer);
            }
            assert_eq!((answer.status, answer.header("Retry-After")), (503, "2"), "{answer:?}");
            assert!(Instant::now() < deadline, "it is not stored in {PATIENCE:?}: {answer:?}");
            sleep(PAUSE).await;
        }
    }

    /// Opens a stream and waits for its head. Whatever the status is, it is kept in the stream.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let stream = timeout(PATIENCE, self.try_open(path, headers)).await;
        let stream = stream.unwrap_or_else(|_| panic!("GET {path}: no head in {PATIENCE:?}"));
        stream.unwrap_or_else(|e| panic!("GET {path}: {e:?}"))
    }

    /// The same for a host that may be away.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn try_open(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Result<Stream> {
        Ok(Stream::new(self.send(Method::GET, path, headers, None).await?))
    }

    /// Sends these bytes over a connection of their own and answers all that comes back, as text. The request must make
    /// the host close the connection.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.rest().await
    }

    /// A connection to the host.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.authority()).await
    }

    /// Host and port, as the header `Host` has them.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
}

/// The id of the message that was stored.
///
/// # Panics
/// If the answer tells of none.
#[must_use]
pub fn id_of(answer: &Answer) -> u64 {
    let id = answer.json()["id"].as_str().and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("no id: {answer:?}"))
}

fn http(from: Option<Ipv4Addr>) -> reqwest::Client {
    // A connection that is kept might be closed by the host just when it is used again.
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    let http = http.local_address(from.map(Into::into));
    http.build().expect("a client without TLS needs nothing")
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a test names a header");
        (name, HeaderValue::from_bytes(value.as_bytes()).expect("a test gives a header's value"))
    };
    headers.iter().map(pair).collect()
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
