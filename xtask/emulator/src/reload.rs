//! Not as on Lambda, and only if it is asked for: the page of the function runs a script, which can find out whether
//! another build is served than the one that the page is from, and then load it again.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use crate::body::ReplyBody;

const HEAD_END: &str = "</head>";
/// Of a page, with much to spare.
const PAGE_BYTES: usize = 1024 * 1024;

/// What is served, and by what a page finds out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// The name of what is served.
    pub build: String,
    /// What the page runs: a JavaScript module.
    pub script: String,
}

impl Reload {
    /// The answer to a request that is not for the function.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<ReplyBody>> {
        let (text, content_type) = match request.uri().path() {
            "/__dev/build" => (&self.build, "text/plain"),
            "/__dev/reload.js" => (&self.script, "text/javascript"),
            _ => return None,
        };
        let mut response = Response::new(ReplyBody::whole(text.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        do_not_store(response.headers_mut());
        Some(response)
    }

    /// Whether this is a request for the page. If so, the function is not told of what a browser has kept: that would
    /// name an older build.
    pub fn is_for_page<B>(request: &mut Request<B>) -> bool {
        let is_page = request.method() == Method::GET && request.uri().path() == "/";
        if is_page {
            request.headers_mut().remove(IF_NONE_MATCH);
            request.headers_mut().remove(IF_MODIFIED_SINCE);
        }
        is_page
    }

    /// Adds the script to a page. Any other answer stays as it is.
    pub async fn add_to(&self, response: Response<ReplyBody>) -> Response<ReplyBody> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|value| value.starts_with("text/html")) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let page = match Limited::new(body, PAGE_BYTES).collect().await {
            Ok(page) => String::from_utf8_lossy(&page.to_bytes()).into_owned(),
            Err(error) => format!("the page cannot be shown: {error}"),
        };
        let tag = format!(
            "<script type=\"module\" src=\"/__dev/reload.js?build={}\"></script>{HEAD_END}",
            self.build
        );
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(ETAG);
        do_not_store(&mut parts.headers);
        Response::from_parts(parts, ReplyBody::whole(page.replacen(HEAD_END, &tag, 1)))
    }
}

fn do_not_store(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Reload {
        Reload { build: "7".to_owned(), script: "run();".to_owned() }
    }

    fn page(content_type: &'static str, text: &'static str) -> Response<ReplyBody> {
        let response = Response::builder().header(CONTENT_TYPE, content_type).header(ETAG, "\"1\"");
        response.body(ReplyBody::whole(text)).unwrap()
    }

    async fn text(response: Response<ReplyBody>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_page_and_nothing_else_runs_the_script() {
        let reload = served();
        let changed = reload.add_to(page("text/html; charset=utf-8", "<head>a</head>b</head>")).await;
        assert!(!changed.headers().contains_key(ETAG));
        assert_eq!(changed.headers()[CACHE_CONTROL], "no-store");
        let script = r#"<script type="module" src="/__dev/reload.js?build=7"></script>"#;
        assert_eq!(text(changed).await, format!("<head>a{script}</head>b</head>"));

        let other = reload.add_to(page("application/json", "\"</head>\"")).await;
        assert_eq!(other.headers()[ETAG], "\"1\"");
        assert_eq!(text(other).await, "\"</head>\"");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn it_says_which_build_this_is() {
        let reload = served();
        let ask = |path: &str| reload.answer(&Request::get(path).body(()).unwrap());
        assert_eq!(text(ask("/__dev/build").unwrap()).await, "7");
        assert_eq!(text(ask("/__dev/reload.js?build=7").unwrap()).await, "run();");
        assert!(ask("/").is_none() && ask("/healthz").is_none());
    }
}
