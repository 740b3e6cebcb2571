//! A host against the OpenAPI document that it serves: schemathesis makes requests of the document, and finds the answers
//! that it does not describe. How it asks stands in `tests/schemathesis`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ssedge::feeds::Feeds;
use ssedge::route::openapi;
use ssedge::settings::{Settings, Variables};

use crate::Host;
use crate::dev::free_port;
use crate::dev::server::{Platform, Served, Server, worker_program};
use crate::process::run;
use crate::repo::Repo;

/// How much is asked. The seed is fixed, so a run asks the same each time.
#[derive(Clone, Copy)]
pub enum Extent {
    /// What each run of the tests can bear.
    Short,
    /// Several times as many cases, of which a change of the document or of a parser is worth it.
    Long,
}

impl Extent {
    /// A host must answer so many generated cases.
    const fn cases_min(self) -> u64 {
        match self {
            Self::Short => 500,
            Self::Long => 2_000,
        }
    }
}

/// The key of the tokens that the cases bring.
const AUTH_SECRET: &str = "the key of the tokens of this test";
/// Streams are read to their end, and this is as short as they can be.
const STREAM_SECS: &str = "1";
/// Several times what schemathesis asks at once, because a process is busy for a moment longer than its reader.
const PLATFORM: Platform = Platform { concurrency: 32, timeout: 900 };
/// What the document describes, but no request is sure to bring about: a bad setting or a bug, a storage that is away, and a
/// sender that is too fast, which on a slow machine it is not. The contract asks for that one.
const NOT_ASKED_FOR: [&str; 3] = ["500", "503", "429"];
/// What schemathesis reads first.
const DOCUMENT: &str = "GET /openapi.json ";

/// One deployment.
struct Deployment {
    name: &'static str,
    /// How fast one sender may post to a channel of whatever feed: each second, and at once.
    pace: [&'static str; 2],
    /// Whether every feed is set so that it takes posts.
    takes_posts: bool,
    /// Cases for each operation, of those that are drawn at random: in a short run, and in a long one.
    examples: [u32; 2],
}

impl Deployment {
    const fn examples(&self, extent: Extent) -> u32 {
        let [short, long] = self.examples;
        match extent {
            Extent::Short => short,
            Extent::Long => long,
        }
    }
}

const DEPLOYMENTS: [Deployment; 2] = [
    // Everything can be posted, as fast as it comes.
    Deployment { name: "published", pace: ["1000000", "1000000"], takes_posts: true, examples: [12, 70] },
    // Every feed is as it is by default, and a sender has to wait.
    Deployment { name: "default", pace: ["1", "2"], takes_posts: false, examples: [6, 20] },
];

/// Which answers came, each as `GET /healthz 200`.
type Answers = BTreeSet<String>;

/// # Errors
/// When schemathesis finds something, or asked too little.
pub fn test(repo: &Repo, host: Host, extent: Extent) -> Result<()> {
    let mut cases = 0;
    let mut answers = Answers::new();
    for deployment in &DEPLOYMENTS {
        let folder = repo.target_dir().join("schemathesis").join(host.name()).join(deployment.name);
        // What was kept before would be there again.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut server = serve(repo, host, deployment, &folder)?;
        server.wait_until_healthy()?;
        cases += ask(repo, &server.url(), deployment.examples(extent), &folder)?;
        let came = read(&folder.join("answers.json"))?;
        answers.extend(came.as_object().into_iter().flat_map(|came| came.keys().cloned()));
    }
    println!("{cases} cases, {} kinds of answers", answers.len());
    let least = extent.cases_min();
    ensure!(cases >= least, "these are too few cases: there must be {least}");
    check_reached(host, &answers)
}

fn serve(repo: &Repo, host: Host, deployment: &Deployment, folder: &Path) -> Result<Server> {
    let mut vars = BTreeMap::from([("AUTH_SECRET", AUTH_SECRET), ("STREAM_SECS", STREAM_SECS)]);
    let feeds = Feeds::read(&Variables::new(&|_| None))?;
    for (end, value) in ["_RATE", "_BURST"].into_iter().zip(deployment.pace) {
        let names = Settings::NAMES.into_iter().chain(feeds.variables());
        vars.extend(names.filter(|name| name.ends_with(end)).map(|name| (name, value)));
    }
    vars.extend(feeds.for_posts().filter(|_| deployment.takes_posts));
    if matches!(host, Host::Lambda) {
        vars.insert("TABLE_NAME", "ssedge");
    }
    let (port, state) = (free_port(0)?, folder.join("state"));
    let served = Served { bundle: None, port, state: &state, vars: &vars, configured: false, build: None };
    match host {
        Host::Worker => Server::worker(worker_program(repo)?, &served),
        Host::Lambda => Server::lambda(repo, &served, &PLATFORM),
    }
}

/// Answers how many cases there were.
fn ask(repo: &Repo, url: &str, examples: u32, folder: &Path) -> Result<u64> {
    let report = folder.join("report.json");
    run(repo
        .command("schemathesis")?
        .args(["--config-file", "tests/schemathesis/schemathesis.toml", "run", "--no-color"])
        .args(["--max-examples", &examples.to_string(), "--report-json-path"])
        .arg(&report)
        .arg(format!("{url}/openapi.json"))
        .env("SCHEMATHESIS_HOOKS", "tests/schemathesis/hooks.py")
        .env("SSEDGE_AUTH_SECRET", AUTH_SECRET)
        .env("SSEDGE_ANSWERS", folder.join("answers.json"))
        .env("NO_PROXY", "127.0.0.1")
        // What would be kept in the checkout.
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1"))?;
    read(&report)?["test_cases"]["generated"]
        .as_u64()
        .context("the report of schemathesis tells no number of cases")
}

fn read(path: &Path) -> Result<Value> {
    let what = || format!("cannot read {}", path.display());
    serde_json::from_str(&fs::read_to_string(path).with_context(what)?).with_context(what)
}

/// A document that describes what never comes is as wrong as one that leaves something out: each operation must have
/// succeeded once, and each status must have come from somewhere.
fn check_reached(host: Host, answers: &Answers) -> Result<()> {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).context("the document is no JSON")?;
    let came = |operation: &str, status: &str| {
        answers.iter().any(|answer| answer.starts_with(operation) && answer.contains(status))
    };
    let mut statuses = BTreeSet::new();
    let paths = document["paths"].as_object().context("the document has no paths")?;
    for (path, item) in paths {
        let operations = item.as_object().into_iter().flatten();
        for (method, operation) in operations {
            let Some(responses) = operation["responses"].as_object() else { continue };
            let operation = format!("{} {path} ", method.to_uppercase());
            // The document itself is asked for before there is a case.
            ensure!(operation == DOCUMENT || came(&operation, " 2"), "{operation}never succeeded");
            statuses.extend(responses.keys().map(String::as_str));
        }
    }
    let other_host = if matches!(host, Host::Lambda) { "204" } else { "" };
    for status in statuses {
        let is_asked_for = !NOT_ASKED_FOR.contains(&status) && status != other_host;
        ensure!(!is_asked_for || came("", &format!(" {status}")), "{status} is described, and never came");
    }
    Ok(())
}
