//! The page and its assets, which are in the binary: build.rs wrote the table from `web/dist`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

/// A file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// As `web/dist/_headers` has them, which Cloudflare reads itself.
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at this path, if there is one.
pub fn asset(path: &str) -> Option<Response<Bytes>> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let mut response = Response::new(Bytes::from_static(asset.body));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    for (name, value) in asset.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Some(response)
}
