//! Who may use whom: the layers of the core, and that no two modules of a crate need each other.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ssedge::feeds::Feeds;
use ssedge::settings::Variables;
use ssedge_tests::host::root;
use ssedge_tests::tokens::{Token, tokens};

/// The modules of the core, each of which may use only those before it.
const LAYERS: [&str; 15] = [
    "time", "limits", "json", "chance", "backoff", "sse", "log", "session", "hub", "access", "store",
    "settings", "problem", "feeds", "route",
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

// --- The table of feeds ---

/// Where no source may name a feed, so that a feed is a folder and a line of the table.
const NAMELESS: [&str; 6] =
    ["shared/src", "handlers", "xtask/src", "tests/src/fuzz", "tests/src/fuzz.rs", "tests/src/stream.rs"];
/// What is about one feed.
const NAMED: [&str; 2] = ["shared/src/feeds", "xtask/src/quotes"];

/// Texts that are as they are for another reason, although a feed has the same name: what AsyncAPI calls its list, and a kind of
/// problem that is older than the feed.
const OTHERS: [(&str, &[&str]); 2] = [
    ("shared/src/route/documents.rs", &["\"channels\"", "\"channels/{name}/messages\""]),
    ("shared/src/problem.rs", &["\"channels\""]),
];

/// The names by which the code means this feed: a module of it, a path, a channel, a grant, or one of its settings.
fn named(code: &str, feed: &str, variables: &[&str]) -> Vec<String> {
    let tokens = tokens(code);
    let is_sign =
        |at: usize, sign: char| matches!(tokens.get(at), Some(Token::Sign(found)) if *found == sign);
    let is_module = |at: usize| {
        if !(tokens[at].is_word("feeds") && is_sign(at + 1, ':') && is_sign(at + 2, ':')) {
            return false;
        }
        let rest = tokens[at + 3..].iter();
        let is_group = is_sign(at + 3, '{');
        let names = rest.take_while(|token| if is_group { **token != Token::Sign('}') } else { false });
        tokens.get(at + 3).is_some_and(|token| token.is_word(feed))
            || names.into_iter().any(|token| token.is_word(feed))
    };
    let modules = (0..tokens.len()).filter(|at| is_module(*at)).map(|_| format!("feeds::{feed}"));
    let texts = tokens.iter().filter_map(Token::text).filter(|text| {
        let mut parts = text.split(|c: char| c.is_whitespace() || "\"`',(".contains(c));
        let below = |part: &str| part.strip_prefix(feed).is_some_and(|rest| rest.starts_with('/'));
        *text == feed
            || ["api/", "subscribe ", "publish "]
                .iter()
                .any(|before| text.contains(&format!("{before}{feed}")))
            || parts.any(below)
            || variables.iter().any(|variable| text.contains(variable))
    });
    modules.chain(texts.map(|text| format!("{text:?}"))).collect()
}

#[test]
fn no_source_names_a_feed_but_its_own() {
    fn read(path: &Path, found: &mut Vec<String>, feeds: &Feeds) {
        let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if NAMED.iter().any(|named| relative.starts_with(named)) || relative.contains("/build/") {
            return;
        }
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            entries.for_each(|entry| read(&entry.unwrap().path(), found, feeds));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let code = fs::read_to_string(path).unwrap();
            for feed in feeds.iter() {
                let others =
                    OTHERS.iter().find(|(path, _)| *path == relative).map_or(&[][..], |(_, texts)| texts);
                let names = named(&code, feed.name(), feed.variables()).into_iter();
                let names = names.filter(|name| !others.contains(&name.as_str()));
                found.extend(names.map(|name| format!("{relative}: {name}")));
            }
        }
    }
    let feeds = Feeds::read(&Variables::new(&|_| None)).unwrap();
    let mut found = Vec::new();
    NAMELESS.iter().for_each(|path| read(&root().join(path), &mut found, &feeds));
    assert!(found.is_empty(), "ask the table of feeds instead:\n{}", found.join("\n"));
}

#[test]
fn a_feed_is_found_however_it_is_named() {
    let names = |code: &str| named(code, "chat", &["CHAT_ROOMS"]).len();
    for code in [
        "use ssedge::feeds::chat::Room;",
        "use ssedge::feeds::{Feed, chat, events};",
        "let a = feeds::chat::feed(b);",
        r#"let a = feeds.named("chat");"#,
        r#"let a = "/api/chat?history=1";"#,
        r#"let a = "subscribe *, publish chat/*";"#,
        r#"let a = "subscribe chat";"#,
        r#"let a = ["x/y", "chat/lobby"];"#,
        r#"let a = "CHAT_ROOMS=1";"#,
    ] {
        assert_eq!(names(code), 1, "{code} names the feed");
    }
    for code in [
        "// /api/chat",
        "let chat = 1;",
        r#"let a = "we chat";"#,
        r#"let a = "/api/chart";"#,
        "use crate::chat::A;",
    ] {
        assert_eq!(names(code), 0, "{code} names no feed");
    }
}
