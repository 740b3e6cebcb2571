//! What ssedge is measured against: packages with a lock file of their own, which nothing else needs.

use std::fs;

use anyhow::{Context, Result};

use crate::process::run_quietly;
use crate::repo::{Repo, fingerprint};
use crate::steps::step;

/// Where they are installed. Node looks for packages from a script's own folder on upward, so the scripts are here too.
const FOLDER: &str = ".tools/bench";
/// What is copied there.
const SOURCE: &str = "xtask/bench";
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];
const SCRIPTS: &str = "peers";

/// Installs the packages, unless these very ones are here, and copies the scripts.
///
/// # Errors
/// When the installation fails.
pub fn install(repo: &Repo) -> Result<()> {
    let _lock = repo.lock("bench")?;
    let (source, folder) = (repo.path(SOURCE), repo.path(FOLDER));
    let scripts = folder.join(SCRIPTS);
    fs::create_dir_all(&scripts).with_context(|| format!("cannot make {}", scripts.display()))?;
    for entry in fs::read_dir(source.join(SCRIPTS)).context("the scripts of the peers are missing")? {
        let script = entry?.path();
        let name = script.file_name().context("a script has a name")?;
        fs::copy(&script, scripts.join(name)).with_context(|| format!("cannot copy {}", script.display()))?;
    }
    let stamp = folder.join(".ssedge-installed");
    let wanted = fingerprint(&LISTS.map(|list| source.join(list)))?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    for list in LISTS {
        fs::copy(source.join(list), folder.join(list)).with_context(|| format!("cannot copy {list}"))?;
    }
    let install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    step("installing what ssedge is measured against (seconds, once)", || {
        run_quietly(repo.command("npm")?.args(install).current_dir(&folder))
    })?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
