//! What a visitor of the page has to load.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

/// All files of the page together: half a second on a slow phone's connection (2 Mbit/s).
const PAGE_MAX_GZIP: usize = 120 * 1024;

/// Prints the size of the page.
///
/// # Errors
/// When it is over its bound.
pub fn page(dist: &Path) -> Result<()> {
    let bytes = folder(dist)?;
    println!("page: {} KB gzip", bytes.div_ceil(1024));
    ensure!(bytes <= PAGE_MAX_GZIP, "the page is over its bound of {} KB gzip", PAGE_MAX_GZIP / 1024);
    Ok(())
}

/// Each file is compressed by itself, as it is sent.
fn folder(folder: &Path) -> Result<usize> {
    let what = || format!("cannot read {}", folder.display());
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(what)? {
        let path = entry.with_context(what)?.path();
        if path.is_dir() {
            bytes += self::folder(&path)?;
        } else if path.file_name().is_some_and(|name| name != "_headers") {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&fs::read(&path).with_context(what)?).context("cannot compress")?;
            bytes += gzip.finish().context("cannot compress")?.len();
        }
    }
    Ok(bytes)
}
