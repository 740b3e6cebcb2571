//! Health, documents and the page: what is no feed.

use super::{Case, Context};

pub(super) const CASES: &[Case] = cases! {
    "Health, documents and the page", "/healthz says the host and the version" => health;
    "Health, documents and the page", "/openapi.json is OpenAPI 3.1 or newer" => openapi;
    "Health, documents and the page", "/ is the page, with what it refers to" => page;
};

async fn health(c: Context) {
    let answer = c.client.get("/healthz", &[]).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "application/json"), "{answer:?}");
    let version = answer.json()["version"].clone();
    assert!(version.as_str().is_some_and(|version| !version.is_empty()), "{answer:?}");
    let expected = format!(r#"{{"status":"ok","host":"{}","version":{version}}}"#, c.host);
    assert_eq!(answer.text, expected);
    // A probe sends what it likes.
    for accept in ["*/*", "text/html", "text/event-stream"] {
        assert_eq!(c.client.get("/healthz?x=y", &[("Accept", accept)]).await.text, answer.text);
    }
}

async fn openapi(c: Context) {
    let answer = c.client.get("/openapi.json", &[]).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "application/json"), "{answer:?}");
    let document = answer.json();
    let version = document["openapi"].as_str().unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').filter_map(|number| number.parse().ok()).collect();
    assert!(numbers.len() == 3 && numbers >= vec![3, 1], "{version:?}");
}

async fn page(c: Context) {
    let page = c.client.get("/", &[("Accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.header("Content-Type").starts_with("text/html"), "{page:?}");
    let references: Vec<_> = page.text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(references.len() >= 2, "a script and a style: {}", page.text);
    for path in references {
        let asset = c.client.get(path, &[]).await;
        let kind = asset.header("Content-Type");
        assert!(
            asset.status == 200 && ["text/javascript", "text/css"].iter().any(|k| kind.starts_with(k)),
            "{path}: {asset:?}"
        );
    }
}
