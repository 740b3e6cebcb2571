//! Writes the JavaScript around a wasm file: the library behind the program `wasm-bindgen`, without that program's HTTP
//! client and test runner, which take most of its compile time.
//!
//! The version of this library must be that of the crate `wasm-bindgen` in the wasm file. Cargo takes care of that: both
//! want the same version of `wasm-bindgen-shared`, of which a lock file can have one only.

use std::env;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "ssedge-bindgen worker|web FILE.wasm FOLDER";

/// Writes `index.js` and `index_bg.wasm` into the folder.
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, wasm, folder] = &arguments[..] else { bail!("usage: {USAGE}") };
    let mut bindgen = Bindgen::new();
    match target.as_str() {
        // The crate `worker` schedules a fresh instance when a panic has ended one. Both options are for that.
        "worker" => bindgen.module(true)?.reset_state_function(true).force_enable_abort_handler(true),
        "web" => bindgen.web(true)?,
        other => bail!("`{other}` is not a target: {USAGE}"),
    };
    bindgen.input_path(wasm).out_name("index").typescript(false);
    bindgen.generate(folder).with_context(|| format!("cannot write the JavaScript around {wasm}"))
}
