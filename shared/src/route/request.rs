//! Requests as the platforms hand them over.

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request};

use crate::problem::Problem;

/// The head of a request, with path and query byte for byte as they came: a path that was cleaned up would be another.
///
/// # Errors
/// [`Problem::NotFound`] if the target is not a URL.
pub fn request_head(
    method: &str,
    target: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<Parts, Problem> {
    let unreadable = |_| Problem::NotFound("no such path");
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
    let (mut parts, ()) =
        Request::builder().method(method).uri(target).body(()).map_err(unreadable)?.into_parts();
    parts.headers = request_headers(headers);
    Ok(parts)
}

/// The headers of a request.
///
/// A platform may let through what HTTP does not allow. Characters that no header may have are read as spaces
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)), so that a bad token stays a bad one and
/// a bad cursor is a gap. A header whose name cannot be one is left out.
pub fn request_headers(headers: impl IntoIterator<Item = (String, String)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = value.replace(|c: char| c.is_ascii_control() && c != '\t', " ");
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            // More than a map of them can hold are more than are asked for.
            let _ = map.try_append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> impl Iterator<Item = (String, String)> {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    #[test]
    fn what_no_header_may_have_is_a_space() {
        for byte in (0..=8).chain(10..=31).chain([127]) {
            let value = format!("Bearer a{}b", char::from(byte));
            let parts = request_head("GET", "/", headers([("Authorization", &*value)])).unwrap();
            assert_eq!(parts.headers["authorization"], "Bearer a b", "{byte}");
        }
        let kept = "a\tb ü";
        let parts = request_head("GET", "/", headers([("Cookie", kept), ("Cookie", "c")])).unwrap();
        assert_eq!(parts.headers["cookie"].as_bytes(), kept.as_bytes());
        assert_eq!(parts.headers.get_all("cookie").iter().count(), 2);
    }

    #[test]
    fn a_name_that_is_none_and_a_header_too_many_are_left_out() {
        let parts =
            request_head("GET", "/", headers([("", "a"), ("a b", "a"), ("é", "a"), ("b", "c")])).unwrap();
        assert_eq!(parts.headers.len(), 1);
        let many = (0..100_000).map(|at| (format!("x-{at}"), String::new()));
        assert!(request_head("GET", "/", many).unwrap().headers.len() > 10_000);
    }

    #[test]
    fn a_target_that_is_no_url_leads_nowhere() {
        assert_eq!(request_head("GET", "/a b", []).unwrap_err(), Problem::NotFound("no such path"));
        assert_eq!(request_head("GET it", "/a?b", []).unwrap().method, Method::TRACE);
    }
}
