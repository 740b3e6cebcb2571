//! Publishes quotes to a deployment, one after another. `cargo xtask quotes` starts it.
//!
//! It is a program of its own, so that no other command waits for a client with TLS to be compiled.
//!
//! The first line of its standard input is JSON, because everybody on the machine can list the arguments of a program:
//!
//! ```json
//! {"url": "https://example.com", "token": "…", "symbols": ["ACME"], "every": 250}
//! ```
//!
//! Without `symbols` it publishes those of all; `every` is in milliseconds. Then come the quotes, one a line. It answers
//! with one line of JSON: how many were published, and what stopped it: `{"published": 41, "error": "line 42, …"}`.

mod lines;
mod publisher;

use std::io::{BufRead, stdin};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;

use crate::lines::{Line, Lines};
use crate::publisher::{Publisher, QUOTES_PER_REQUEST};

/// The first line of standard input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: String,
    token: String,
    symbols: Option<Vec<String>>,
    #[serde(default)]
    every: u64,
}

fn main() -> Result<()> {
    let mut input = stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read standard input")?;
    let settings: Settings = serde_json::from_str(&line).context("the first line is JSON: {\"url\": …}")?;
    let mut published = 0;
    let end = publish_all(&settings, input, &mut published);
    let error = end.err().map(|error| format!("{error:#}"));
    println!("{}", json!({ "published": published, "error": error }));
    Ok(())
}

/// Publishes each quote when all before it are published, and counts them.
fn publish_all(settings: &Settings, input: impl BufRead, published: &mut u64) -> Result<()> {
    let mut publisher = Publisher::new(&settings.url, &settings.token);
    let is_wanted = |line: &Line| {
        let symbols = settings.symbols.as_ref();
        symbols.is_none_or(|all| all.iter().any(|symbol| symbol == line.quote.symbol.as_str()))
    };
    let mut batch = Vec::with_capacity(QUOTES_PER_REQUEST);
    let mut publish = |batch: &mut Vec<Line>| -> Result<()> {
        if *published > 0 && !batch.is_empty() {
            sleep(Duration::from_millis(settings.every));
        }
        publisher.publish(batch)?;
        *published += batch.len() as u64;
        batch.clear();
        Ok(())
    };
    for line in Lines::new(input) {
        // Of what stands before a line that is bad, all is published.
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                publish(&mut batch)?;
                return Err(error);
            }
        };
        batch.extend(Some(line).filter(is_wanted));
        if batch.len() == QUOTES_PER_REQUEST {
            publish(&mut batch)?;
        }
    }
    publish(&mut batch)
}
