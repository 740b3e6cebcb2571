//! `cargo xtask openapi`: writes the documents of the API, of a base and of what each feed says of itself.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;
use ssedge::feeds::Feeds;
use ssedge::route::documents;
use ssedge::settings::Variables;

use crate::repo::Repo;

/// Writes both documents.
///
/// # Errors
/// When a file cannot be read or written, or is not JSON.
pub fn openapi(repo: &Repo) -> Result<()> {
    let feeds = Feeds::read(&Variables::new(&|_| None))?;
    let read = |path: &str| -> Result<Value> {
        let text = fs::read_to_string(repo.path(path)).with_context(|| format!("cannot read {path}"))?;
        serde_json::from_str(&text).with_context(|| format!("{path} is not JSON"))
    };
    let mut failed = None;
    let mut or_null = |path: &str| {
        read(path).unwrap_or_else(|error| {
            failed = Some(error);
            Value::Null
        })
    };
    let openapi = documents::openapi(&feeds, &mut or_null);
    let asyncapi = documents::asyncapi(&feeds, &mut or_null);
    if let Some(error) = failed {
        return Err(error);
    }
    for (path, document) in [(documents::OPENAPI, openapi), (documents::ASYNCAPI, asyncapi)] {
        let text = serde_json::to_string_pretty(&document)? + "\n";
        // A file that is the same keeps its time, so nothing is compiled anew for it.
        if fs::read_to_string(repo.path(path)).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(repo.path(path), text).with_context(|| format!("cannot write {path}"))?;
        println!("{path} is written anew");
    }
    Ok(())
}
