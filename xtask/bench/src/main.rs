//! Measures ssedge and its peers in one run. `cargo xtask bench` builds and installs what this needs, and starts it at
//! the root of the checkout.
//!
//! All systems do the same job: readers hold streams of one room, and what is posted there goes to each of them. The
//! load comes from this one process. A run of a system is on a server of its own, and runs are interleaved: the first
//! of each system, then the second of each. What is noise of the machine so meets all of them alike.

mod client;
mod document;
mod figure;
mod load;
mod machine;
mod message;
mod picture;
mod report;
mod server;
mod stats;
mod system;
mod targets;
mod token;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::load::{Load, Size};
use crate::report::Report;
use crate::server::{Server, is_here};
use crate::system::System;

/// What quick looks at: one system of each kind.
const QUICK: [System; 4] = [System::Ssedge, System::HonoDo, System::JsWs, System::Express];
const QUICK_LOADS: [Load; 4] = [Load::Connect, Load::Paced, Load::Burst16, Load::Post];

#[derive(Parser)]
struct Options {
    /// A load, `quick` (some of them in two minutes), or `none` (write anew what was recorded)
    #[arg(long, default_value = "all", value_parser = loads)]
    load: Plan,
    /// Systems, by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<System>,
    /// Runs of each system
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Print a line of JSON for each figure
    #[arg(long)]
    json: bool,
}

#[derive(Clone)]
struct Plan {
    loads: Vec<Load>,
    size: Size,
}

fn loads(name: &str) -> Result<Plan, String> {
    match name {
        "all" => Ok(Plan { loads: Load::ALL.to_vec(), size: Size::Full }),
        "none" => Ok(Plan { loads: Vec::new(), size: Size::Full }),
        "quick" => Ok(Plan { loads: QUICK_LOADS.to_vec(), size: Size::Quick }),
        name => Load::from_str(name, false)
            .map(|load| Plan { loads: vec![load], size: Size::Full })
            .map_err(|_| format!("the loads are all, quick, none, {}", Load::ALL.map(Load::name).join(", "))),
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let Plan { loads, size } = &options.load;
    let systems = match (&options.only[..], size) {
        ([], Size::Full) => System::ALL.to_vec(),
        ([], Size::Quick) => QUICK.to_vec(),
        (some, _) => some.to_vec(),
    };
    let (systems, absent): (Vec<_>, Vec<_>) = systems.into_iter().partition(|system| is_here(*system));
    for system in absent {
        eprintln!("{} is not on this machine", system.name());
    }
    let runs = if *size == Size::Quick { 1 } else { options.runs };
    let runtime = Builder::new_current_thread().enable_all().build().context("there is no runtime")?;
    // What is written down is measured in full, with all systems.
    let writes = *size == Size::Full && options.only.is_empty();
    let mut report = if writes { document::recorded() } else { Report::default() };
    if loads.is_empty() {
        document::write(&report)?;
    }
    for load in loads {
        eprintln!("\n{}: {}", load.name(), load.describe(*size));
        let mut measured: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for run in 1..=runs {
            for system in &systems {
                eprint!("\r  run {run} of {runs}: {:<20}", system.name());
                match runtime.block_on(LocalSet::new().run_until(measure(*load, *size, *system))) {
                    Ok(figures) => {
                        for (figure, value) in figures {
                            measured.entry((figure, *system)).or_default().push(value);
                        }
                    }
                    Err(error) => eprintln!("\r  {} fails: {error:#}", system.name()),
                }
            }
        }
        report.put(*load, machine::circumstances(*load, &systems, runs), &measured);
        eprint!("\r{:40}\r{}", "", report.table(*load));
        if writes {
            document::write(&report)?;
        }
    }
    let stores = systems.iter().filter(|system| system.stores()).map(|system| system.name());
    eprintln!(
        "× is ssedge by the other. Stored before the answer: {}",
        stores.collect::<Vec<_>>().join(", ")
    );
    for outcome in targets::outcomes(&report) {
        let met = if outcome.is_met { "met" } else { "not met" };
        eprintln!("  {:<60} {:>7} {:>8}  {met}", outcome.what, outcome.target, outcome.measured);
    }
    if options.json {
        report.lines().iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

async fn measure(load: Load, size: Size, system: System) -> Result<Vec<(figure::Figure, f64)>> {
    let server = Server::start(system, load.counts()).await?;
    let figures = load.run(&server, size).await.with_context(|| server.log());
    server.stop().await;
    figures
}
