//! Who may use whom: the layers of the core, and that no two modules of a crate need each other.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ssedge_tests::host::root;
use ssedge_tests::tokens::{Token, tokens};

/// The modules of the core, each of which may use only those before it.
const LAYERS: [&str; 14] = [
    "time", "limits", "json", "chance", "backoff", "sse", "log", "session", "access", "store", "settings",
    "problem", "feeds", "route",
];
/// The crates whose modules are looked at.
const CRATES: [&str; 4] = ["shared/src", "handlers/lambda/src", "handlers/worker/src", "xtask/emulator/src"];

/// The modules of its own crate that the code names: in `use crate::a`, `use crate::{a, b::c}`, `crate::a::B`.
fn used(code: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => Some((*word).to_owned()),
        _ => None,
    };
    let is_sign =
        |at: usize, sign: char| matches!(tokens.get(at), Some(Token::Sign(found)) if *found == sign);
    let mut used = BTreeSet::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].is_word("crate")) {
        if !(is_sign(at + 1, ':') && is_sign(at + 2, ':')) {
            continue;
        }
        if !is_sign(at + 3, '{') {
            used.extend(word(at + 3));
            continue;
        }
        let (mut depth, mut next) = (1, at + 4);
        let mut begins = true;
        while depth > 0 {
            if begins && depth == 1 {
                used.extend(word(next));
            }
            begins = is_sign(next, ',');
            depth += i32::from(is_sign(next, '{')) - i32::from(is_sign(next, '}'));
            next += 1;
        }
    }
    used
}

/// Each module of a crate with those that it uses. A folder is one module with all of its files.
fn modules(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    fn read(path: &Path, into: &mut BTreeSet<String>) {
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| read(&entry.unwrap().path(), into));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.extend(used(&fs::read_to_string(path).unwrap()));
        }
    }
    let mut modules = BTreeMap::<_, BTreeSet<_>>::new();
    for entry in fs::read_dir(root().join(source)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_module = path.is_dir() || path.extension().is_some_and(|ending| ending == "rs");
        if is_module && name != "lib" && name != "main" {
            read(&path, modules.entry(name).or_default());
        }
    }
    let names: BTreeSet<_> = modules.keys().cloned().collect();
    for (name, used) in &mut modules {
        used.retain(|other| other != name && names.contains(other));
    }
    modules
}

#[test]
fn each_module_of_the_core_uses_only_those_before_it() {
    let modules = modules("shared/src");
    assert_eq!(modules.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(LAYERS));
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name).unwrap();
    for (name, used) in &modules {
        for other in used {
            assert!(rank(other) < rank(name), "{name} uses {other}, which is a layer above it");
        }
    }
    assert!(modules["route"].contains("feeds") && modules["log"].contains("sse"), "imports are read");
}

#[test]
fn no_two_modules_of_a_crate_need_each_other() {
    for source in CRATES {
        let mut modules = modules(source);
        assert!(modules.len() > 5, "{source} has modules");
        // What is left when all are taken away that need nothing of what is left goes round in a circle.
        while let Some(free) = modules.iter().find(|(_, used)| used.is_empty()).map(|(name, _)| name.clone())
        {
            modules.remove(&free);
            modules.values_mut().for_each(|used| {
                used.remove(&free);
            });
        }
        assert!(modules.is_empty(), "{source} has a circle among {modules:?}");
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let check = |code: &str, expected: &[&str]| {
        assert_eq!(used(code).iter().map(String::as_str).collect::<Vec<_>>(), expected, "{code}");
    };
    check("use crate::log::{Entry, Filter};", &["log"]);
    check("use crate::{cors, log::Entry, sse::{self, Event}};", &["cors", "log", "sse"]);
    check("let a = crate::json::line(&b);", &["json"]);
    check("// use crate::route;\n/// [`crate::route`]\nlet a = \"crate::route\";", &[]);
    check("pub(crate) fn a() {}", &[]);
}
