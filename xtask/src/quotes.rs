//! `cargo xtask quotes`: quotes of a file, or of a program that writes them, for the readers of a deployment.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use ssedge::feeds::stock::{InvalidSymbol, Symbol};

use crate::process::Group;
use crate::repo::Repo;
use crate::steps::step;

/// What publishes. It is compiled when it is needed, since it has a client with TLS.
const PROGRAM: &str = "ssedge-quotes";
/// The variable that can have the token.
const TOKEN: &str = "SSEDGE_TOKEN";
/// Where to have one from.
const MINT: &str = "`cargo xtask token --publish stock` makes one for a server on this machine";

#[derive(clap::Args)]
pub struct Quotes {
    /// Where the deployment is: its URL without /api/stock
    #[arg(long, value_name = "URL", value_parser = address)]
    url: String,
    /// A file that has a token which may publish stock; without it, the token is that of SSEDGE_TOKEN
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Only the quotes of these symbols, a list
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', value_parser = symbol)]
    symbols: Option<Vec<String>>,
    /// The pause between two quotes in ms; without it they are published as fast as the deployment takes them
    #[arg(long, value_name = "MS", default_value_t = 0)]
    every: u64,
    /// The quotes, symbol,price in each line; without it they are read from standard input
    file: Option<PathBuf>,
}

/// What came of it, as the program says.
#[derive(Deserialize)]
struct Outcome {
    published: u64,
    error: Option<String>,
}

fn symbol(text: &str) -> Result<String, InvalidSymbol> {
    Symbol::new(text).map(|_| text.to_owned())
}

/// Checks that the token can be sent there.
fn address(text: &str) -> Result<String, &'static str> {
    let is_here = |host: &str| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    if let Some(rest) = text.strip_prefix("http://") {
        let authority = rest.split('/').next().unwrap_or_default();
        let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let host = port.map_or(authority, |(host, _)| host);
        if !is_here(host) {
            return Err("everybody on the way could read the token: use https://");
        }
    } else if text.strip_prefix("https://").is_none_or(str::is_empty) {
        return Err("it begins with https://, or with http:// for this machine");
    }
    Ok(text.to_owned())
}

/// Publishes, and says how many quotes were published.
///
/// # Errors
/// When there is no token or no such file, or when a line is refused.
pub fn quotes(repo: &Repo, quotes: &Quotes) -> Result<()> {
    let (token, input) = (quotes.token()?, quotes.input()?);
    step("compiling what publishes (half a minute, the first time)", || repo.compile(&[PROGRAM]))?;
    let settings =
        json!({ "url": quotes.url, "token": token, "symbols": quotes.symbols, "every": quotes.every });
    let mut program = repo.command(repo.built(PROGRAM))?;
    let mut program = Group::spawn(program.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let pipe = program.child().stdin.take().context("its input is not a pipe")?;
    // It may end before its input does, so nobody waits for this.
    thread::spawn(move || pass_on(&settings.to_string(), input, pipe));
    let output = program.child().stdout.take().context("its output is not a pipe")?;
    let output = io::read_to_string(output)?;
    program.wait()?;
    let Outcome { published, error } =
        serde_json::from_str(&output).context("it does not say what it did")?;
    println!("published: {published}");
    error.map_or(Ok(()), |error| bail!(error))
}

fn pass_on(settings: &str, mut quotes: impl Read, mut program: impl Write) {
    let passed = writeln!(program, "{settings}").and_then(|()| io::copy(&mut quotes, &mut program));
    // One that has ended says itself why.
    if let Err(error) = passed
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("the quotes cannot be read: {error}");
    }
}

impl Quotes {
    fn token(&self) -> Result<String> {
        let Some(path) = &self.token else {
            let token = env::var(TOKEN)
                .with_context(|| format!("it takes a token, by --token or {TOKEN}; {MINT}"))?;
            return one_line(&token, TOKEN);
        };
        // A token has two dots, and as a file's name, which it is not, it would be shown.
        let is_token = path.to_string_lossy().split('.').count() == 3 && !path.exists();
        ensure!(
            !is_token,
            "--token takes the name of a file: everybody on this machine can list the arguments of a program. A token \
             itself goes into {TOKEN}"
        );
        let token = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        one_line(&token, &path.display().to_string())
    }

    fn input(&self) -> Result<Box<dyn Read + Send>> {
        let Some(path) = &self.file else { return Ok(Box::new(io::stdin())) };
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Box::new(file))
    }
}

/// The token that this is, if it can be one.
fn one_line(text: &str, origin: &str) -> Result<String> {
    let token = text.trim();
    let is_one = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_one, "{origin} has no token; {MINT}");
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_encrypted_or_not_at_all() {
        for url in [
            "https://a.example",
            "https://a.example/live/",
            "http://127.0.0.1:8787",
            "http://localhost",
            "http://[::1]:9000/",
        ] {
            assert_eq!(address(url), Ok(url.to_owned()));
        }
        for url in [
            "http://a.example",
            "http://10.0.0.1:80/",
            "http://localhost.example",
            "http://localhost:x@a.example",
        ] {
            assert!(address(url).unwrap_err().contains("use https://"), "{url}");
        }
        for url in ["a.example", "https://", "ftp://a.example", ""] {
            assert!(address(url).unwrap_err().contains("begins with https://"), "{url}");
        }
    }

    #[test]
    fn a_token_is_one_line_without_spaces() {
        assert_eq!(one_line(" a.b.c\n", "f").ok().as_deref(), Some("a.b.c"));
        for text in ["", " \n", "a b", "a\nb", "é"] {
            assert!(one_line(text, "f").is_err(), "{text}");
        }
    }
}
