//! The Worker as two modules: its wasm, and the JavaScript around it in one file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Stamp, read, write};
use crate::process::run_quietly;
use crate::repo::Repo;
use crate::steps::step;
use crate::wasm::{self, For, Profile};

const ENTRY: &str = "handlers/worker/src/entry.js";
/// The modules, which wrangler uploads and `serve.mjs` runs.
const MODULES: [&str; 2] = ["index.js", "index_bg.wasm"];
/// How wasm-bindgen names the wasm, by a kind of import that has not come to workerd yet, and how workerd knows it.
const IMPORTS: [&str; 2] = ["import source wasmModule from", "import wasmModule from"];
/// What rustc and wasm-bindgen use of WebAssembly, and workerd has. Of all that wasm-opt knows, it would use also what
/// workerd may not have.
const FEATURES: [&str; 7] = [
    "bulk-memory",
    "exception-handling",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// Where the bundle of this profile is: the one to deploy where wrangler.toml says, the other beside what cargo builds.
pub fn folder(repo: &Repo, profile: Profile) -> PathBuf {
    match profile {
        Profile::Release => repo.path("handlers/worker/build"),
        Profile::Dev => repo.target_dir().join("worker"),
    }
}

/// Compiles the Worker, and answers where its wasm file is.
///
/// # Errors
/// When it does not compile.
pub fn compile(repo: &Repo, profile: Profile) -> Result<PathBuf> {
    wasm::tool(repo)?;
    let what = match profile {
        Profile::Release => "compiling the Worker as it is deployed (two minutes, the first time)",
        Profile::Dev => "compiling the Worker (a minute, the first time)",
    };
    step(what, || wasm::compile(repo, "ssedge-worker", profile))
}

/// Makes the bundle, unless this very wasm has been bundled before.
///
/// # Errors
/// When a step fails.
pub fn bundle(repo: &Repo, profile: Profile, wasm: &Path) -> Result<()> {
    let folder = folder(repo, profile);
    let tools =
        [ENTRY, "Cargo.lock", "package-lock.json", "xtask/bindgen/src/main.rs", "xtask/src/bundle/worker.rs"];
    let inputs = [&[wasm.to_owned()], &tools.map(|file| repo.path(file))[..]].concat();
    let name = if profile == Profile::Dev { "worker-dev" } else { "worker" };
    let _lock = repo.lock(name)?;
    let stamp = Stamp::new(repo, name, &inputs)?;
    if stamp.is_current() && MODULES.iter().all(|module| folder.join(module).is_file()) {
        return Ok(());
    }
    step("bundling the Worker", || make(repo, profile, wasm, &folder, name))?;
    stamp.set()
}

fn make(repo: &Repo, profile: Profile, wasm: &Path, folder: &Path, name: &str) -> Result<()> {
    let glue = repo.target_dir().join(format!("{name}.glue"));
    let staging = folder.with_extension("new");
    for folder in [&glue, &staging] {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    wasm::bindgen(repo, For::Worker, wasm, &glue)?;
    let [script, module] = MODULES.map(|module| glue.join(module));
    let text = read(&script)?;
    ensure!(text.contains(IMPORTS[0]), "wasm-bindgen imports the wasm in another way than expected");
    write(&script, &text.replace(IMPORTS[0], IMPORTS[1]))?;
    write(&glue.join("entry.js"), &read(&repo.path(ENTRY))?)?;

    let mut esbuild = repo.command(repo.path("node_modules/.bin/esbuild"))?;
    esbuild.arg(glue.join("entry.js")).arg(format!("--outfile={}", staging.join(MODULES[0]).display()));
    esbuild.args(["--bundle", "--format=esm", "--external:cloudflare:*", "--external:./index_bg.wasm"]);
    if profile == Profile::Release {
        esbuild.arg("--minify");
        let mut shrink = repo.command(repo.path("node_modules/.bin/wasm-opt"))?;
        shrink.args(["-O", "--debuginfo"]).args(FEATURES.map(|feature| format!("--enable-{feature}")));
        run_quietly(shrink.arg(&module).arg("-o").arg(&module))?;
    }
    run_quietly(&mut esbuild)?;
    fs::rename(&module, staging.join(MODULES[1])).context("cannot put the wasm in place")?;
    let _ = fs::remove_dir_all(folder);
    fs::rename(&staging, folder).with_context(|| format!("cannot put {} in place", folder.display()))
}

/// Bytes of all modules, as they are and compressed together, as an upload is.
///
/// # Errors
/// When a module cannot be read.
pub fn size(bundle: &Path) -> Result<(usize, usize)> {
    let mut raw = 0;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for module in MODULES {
        let path = bundle.join(module);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        raw += bytes.len();
        gzip.write_all(&bytes).context("cannot compress")?;
    }
    Ok((raw, gzip.finish().context("cannot compress")?.len()))
}
