//! A local DynamoDB, dynoxide, with the table that template.yaml describes.
//!
//! The first line of its standard input is JSON:
//!
//! ```json
//! {"port": 8000, "state": "folder", "table": "ssedge"}
//! ```
//!
//! It listens on 127.0.0.1, at any free port if `port` is 0, and prints `{"port":8000}` once it does. The table is a
//! SQLite file in the folder `state`, and outlives this program. The program ends when its standard input does.
//!
//! Items that have expired are deleted when the program starts and then once in [`SWEEP_EVERY`]; DynamoDB takes days.

use std::fs;
use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dynoxide::{Database, DynoxideError, server};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

/// How often expired items are looked for. They are not read meanwhile, so this only bounds the size of the file.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    port: u16,
    state: PathBuf,
    table: String,
}

fn main() -> Result<()> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read standard input")?;
    let Settings { port, state, table } = serde_json::from_str(&line).context(
        "the first line of standard input is JSON: {\"port\": 0, \"state\": \"folder\", \"table\": \"name\"}",
    )?;
    let database = open(&state, &table)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    let listener = listener.with_context(|| format!("cannot listen on port {port}"))?;
    let port = listener.local_addr()?.port();
    runtime.spawn(server::serve_on(listener, database.clone()));
    thread::Builder::new().name("sweep".to_owned()).spawn(move || sweep(&database))?;
    let mut output = io::stdout();
    writeln!(output, "{}", json!({ "port": port })).and_then(|()| output.flush())?;
    io::copy(&mut input, &mut io::sink())?;
    runtime.shutdown_background();
    Ok(())
}

/// The database of this folder, with the table in it.
fn open(state: &Path, table: &str) -> Result<Database> {
    let file = state.join("table.sqlite");
    let what = || format!("cannot keep a table in {}", file.display());
    fs::create_dir_all(state).with_context(what)?;
    let path = file.to_str().ok_or_else(|| anyhow!("its path is not Unicode")).with_context(what)?;
    let database = Database::new(path).with_context(what)?;
    // Nothing waits for the disk: what was written outlives this program, though not a power cut.
    database.enable_bulk_loading().with_context(what)?;
    create(&database, table).with_context(what)?;
    Ok(database)
}

/// Makes the table, if it is not there.
fn create(database: &Database, table: &str) -> Result<()> {
    let schema = json!({
        "TableName": table,
        "AttributeDefinitions": [
            { "AttributeName": "channel", "AttributeType": "S" },
            { "AttributeName": "id", "AttributeType": "N" },
        ],
        "KeySchema": [
            { "AttributeName": "channel", "KeyType": "HASH" },
            { "AttributeName": "id", "KeyType": "RANGE" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
    });
    match database.create_table(serde_json::from_value(schema)?) {
        Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
        created => created?,
    };
    let expiry = json!({ "TableName": table, "TimeToLiveSpecification": { "AttributeName": "expires", "Enabled": true } });
    database.update_time_to_live(serde_json::from_value(expiry)?)?;
    Ok(())
}

/// Deletes for ever what has expired.
fn sweep(database: &Database) {
    loop {
        if let Err(error) = database.sweep_ttl() {
            eprintln!("expired items cannot be deleted: {error}");
        }
        thread::sleep(SWEEP_EVERY);
    }
}
