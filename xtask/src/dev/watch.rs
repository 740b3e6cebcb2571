//! Which files have changed. It looks at all of them again and again, a few hundred, in less than a millisecond: that
//! works on every file system, network drives and folders of virtual machines among them, where notices do not come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// Editors and git write several files, and some of them twice: a change is over when nothing else changes for so long.
const SETTLE: Duration = Duration::from_millis(100);

/// When a file was written, and how long it is.
type Files = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Files, and all the files in folders.
pub struct Watch {
    roots: Vec<PathBuf>,
    seen: Files,
}

impl Watch {
    /// From now on. What is not there yet may come.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        let seen = look(&roots);
        Self { roots, seen }
    }

    /// The files that were written, have come or have gone since the last time.
    pub fn changes(&mut self) -> Vec<PathBuf> {
        let mut now = look(&self.roots);
        if now == self.seen {
            return Vec::new();
        }
        loop {
            thread::sleep(SETTLE);
            let later = look(&self.roots);
            if later == now {
                break;
            }
            now = later;
        }
        let before = std::mem::replace(&mut self.seen, now);
        let all = before.keys().chain(self.seen.keys());
        let mut changed: Vec<_> =
            all.filter(|path| before.get(*path) != self.seen.get(*path)).cloned().collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

fn look(roots: &[PathBuf]) -> Files {
    let mut files = Files::new();
    for root in roots {
        add(root, &mut files);
    }
    files
}

/// What goes away while it is looked at is not there.
fn add(path: &Path, files: &mut Files) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_dir() {
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        files.insert(path.to_owned(), (written, metadata.len()));
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        // Those that editors keep beside a file.
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(['.', '#']) && !name.ends_with('~') {
            add(&entry.path(), files);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Watch;

    #[test]
    fn each_change_is_told_once() {
        let folder = std::env::temp_dir().join(format!("ssedge-xtask-{}-watch", std::process::id()));
        let path = |name: &str| folder.join(name);
        fs::create_dir_all(path("src/inner")).unwrap();
        fs::write(path("src/inner/a.rs"), "1").unwrap();
        let mut watch = Watch::new(vec![path("src"), path(".dev.vars")]);
        assert!(watch.changes().is_empty());

        fs::write(path("src/inner/a.rs"), "12").unwrap();
        fs::write(path("src/b.rs"), "1").unwrap();
        fs::write(path(".dev.vars"), "A=1").unwrap();
        assert_eq!(watch.changes(), [path(".dev.vars"), path("src/b.rs"), path("src/inner/a.rs")]);
        assert!(watch.changes().is_empty());

        for beside in ["src/.b.rs.swp", "src/b.rs~", "src/#b.rs#", "other.rs"] {
            fs::write(path(beside), "1").unwrap();
        }
        assert!(watch.changes().is_empty(), "{:?}", watch.seen);

        fs::remove_file(path("src/b.rs")).unwrap();
        assert_eq!(watch.changes(), [path("src/b.rs")]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
