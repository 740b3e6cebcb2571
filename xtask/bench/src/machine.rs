//! On what, and of what, a load was measured.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::load::Load;
use crate::system::{Runtime, System};

/// The circumstances of a load.
pub fn circumstances(load: Load, systems: &[System], runs: u32) -> Value {
    let seconds = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let now = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let today = now.map(|now| now.to_string()).unwrap_or_default();
    json!({
        "load": load.name(),
        "runs": runs,
        "date": today.get(..10).unwrap_or_default(),
        "machine": machine(),
        "versions": versions(systems),
    })
}

fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores of {}, Linux {}",
        model.map_or("an unnamed processor", |(_, name)| name),
        kernel.split('-').next().unwrap_or_default().trim()
    )
}

/// ssedge by its commit, what it is measured against by what was installed.
fn versions(systems: &[System]) -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let mut versions =
        vec![format!("ssedge {commit}"), format!("workerd {}", package("node_modules/workerd"))];
    if systems.iter().any(|system| system.runtime() == Runtime::Node) {
        versions.push(format!("Node {}", said("node", &["--version"]).trim_start_matches('v')));
    }
    for (system, name) in [
        (System::HonoDo, "hono"),
        (System::HonoNode, "@hono/node-server"),
        (System::Express, "express"),
        (System::BetterSse, "better-sse"),
    ] {
        if systems.contains(&system) {
            versions.push(format!("{name} {}", package(&format!(".tools/bench/node_modules/{name}"))));
        }
    }
    if systems.contains(&System::Nchan) {
        versions.push(format!(
            "nchan of Debian, {}",
            said("nginx", &["-v"]).trim_start_matches("nginx version: ")
        ));
    }
    versions.join(", ")
}

fn package(folder: &str) -> String {
    let text = fs::read_to_string(format!("{folder}/package.json")).unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    package["version"].as_str().unwrap_or("?").to_owned()
}

/// What a program prints of itself.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return "?".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).trim().to_owned()
}
