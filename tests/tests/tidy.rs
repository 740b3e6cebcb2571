//! The architecture, as tests: one per invariant of ARCHITECTURE.md that is about the shape of the code, most of
//! them about what is absent; and the README and its fellows against the code that they describe.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use ssedge::feeds::stock::{self, DEFAULT_SYMBOLS, Price};
use ssedge::feeds::{channels, chat, events};
use ssedge::limits;
use ssedge::route::{Deployment, endpoints};
use ssedge::settings::{BadSetting, Host, TableSettings, Variables};
use ssedge_tests::tokens::{Token, tokens};

/// Lines of a file without its tests: what can be read at once.
const CORE_LINES: usize = 300;
const HANDLER_LINES: usize = 200;
const PAGE_LINES: usize = 250;
/// The files that are longer, and how long they may be at most.
const LONG_FILES: [(&str, usize); 1] = [("handlers/lambda/src/table.rs", 265)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What a command prints, run at the root.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The files that git tracks or would track, below `under` and with this ending.
fn files(under: &str, ending: &str) -> Vec<String> {
    let listed = run("git", &["ls-files", "--cached", "--others", "--exclude-standard"]);
    let is_file = |path: &&str| root().join(path).is_file();
    let wanted = listed.lines().filter(|path| path.starts_with(under) && path.ends_with(ending));
    let files: Vec<_> = wanted.filter(is_file).map(str::to_owned).collect();
    assert!(!files.is_empty(), "there is no file *{ending} under {under}");
    files
}

/// The lines of a source file before its tests, without comments; numbered from 1.
fn code(path: &str) -> Vec<(usize, String)> {
    let source = read(path);
    let lines = source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).zip(1..);
    let code = lines.filter(|(line, _)| !line.trim_start().starts_with("//"));
    code.map(|(line, number)| (number, line.to_owned())).collect()
}

/// No line of code under `under` may be one that `breaks` the rule.
#[track_caller]
fn check_code(under: &str, except: &[&str], rule: &str, breaks: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    let excepted = |path: &String| except.iter().any(|end| path.ends_with(end));
    for path in files(under, ".rs").into_iter().filter(|path| !excepted(path)) {
        let lines = code(&path).into_iter().filter(|(_, line)| breaks(line));
        found.extend(lines.map(|(number, line)| format!("{path}:{number}: {}", line.trim())));
    }
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The table under a heading of the README: its rows, each with its cells.
fn readme_table(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

const fn contains_any<'a>(words: &'a [&'a str]) -> impl Fn(&str) -> bool + 'a {
    move |line| words.iter().any(|word| line.contains(word))
}

// --- The core ---

#[test]
fn the_core_has_no_platform_in_its_tree() {
    // What jwt-compact brings: interfaces to a clock and to chance, which are switched off.
    const IDLE: [(&str, &[&str]); 2] =
        [("chrono", &["clock", "now", "std"]), ("rand_core", &["getrandom", "std"])];
    const PLATFORM: [&str; 18] = [
        "tokio",
        "worker",
        "wasm-bindgen",
        "js-sys",
        "web-sys",
        "lambda",
        "hyper",
        "getrandom",
        "rand",
        "fastrand",
        "nanoid",
        "nanorand",
        "oorandom",
        "ulid",
        "uuid",
        "chrono",
        "web-time",
        "aws",
    ];
    let tree =
        ["tree", "--locked", "-p", "ssedge", "-e", "normal", "--prefix", "none", "--format", "{p} {f}"];
    for target in ["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"] {
        let tree = run(env!("CARGO"), &[&tree[..], &["--target", target]].concat());
        let packages: BTreeMap<_, _> = tree.lines().filter_map(|line| line.split_once(' ')).collect();
        assert!(
            packages.contains_key("ssedge") && packages.contains_key("serde_json"),
            "this is no tree: {tree}"
        );
        for (name, rest) in packages {
            if let Some((_, sources)) = IDLE.iter().find(|(idle, _)| *idle == name) {
                let mut features =
                    rest.trim_end_matches(" (*)").rsplit(' ').next().unwrap_or_default().split(',');
                assert!(!features.any(|feature| sources.contains(&feature)), "{name} is switched on: {rest}");
                continue;
            }
            // `worker-sys` is of the platform, and so is `rand_core`.
            let family =
                PLATFORM.iter().find(|word| name.split(['-', '_']).next() == Some(**word) || name == **word);
            assert_eq!(family, None, "{name} is in the tree of the core for {target}");
        }
    }
}

/// The files of `store::table`.
const TABLE_FILES: [&str; 10] = [
    "/store/table/buckets.rs",
    "/store/table/claims.rs",
    "/store/table/interface.rs",
    "/store/table/item.rs",
    "/store/table/memory.rs",
    "/store/table/news.rs",
    "/store/table/posts.rs",
    "/store/table/reader.rs",
    "/store/table/reading.rs",
    "/store/table/writer.rs",
];

#[test]
fn the_core_reads_no_clock_and_no_environment() {
    const SOURCES: [&str; 11] = [
        "SystemTime",
        "Instant",
        "Date::now",
        "Timestamp::now",
        "Zoned::now",
        "std::env",
        "env::var",
        "option_env!",
        "std::net",
        "std::fs",
        "std::thread",
    ];
    check_code("shared/src/", &[], "the core takes what it needs as arguments", contains_any(&SOURCES));
    // The log in a table asks one question after another, of a table that answers later. Written as functions that return
    // what to ask next, it could not be read. It awaits only what the `Table` gives it, so it needs no runtime.
    let waits = contains_any(&["async "]);
    check_code("shared/src/", &TABLE_FILES, "only the log in a table waits, for its table", waits);
}

/// No file under `under` may have what `faults` finds in its tokens. The rule is tried first: on code that keeps it, and
/// on code that breaks it each way.
#[track_caller]
fn check_tokens(
    under: &str,
    except: &[&str],
    rule: &str,
    faults: impl Fn(&[Token]) -> Vec<String>,
    keep_it: &[&str],
    break_it: &[&str],
) {
    for code in keep_it {
        assert_eq!(faults(&tokens(code)), [""; 0], "{code} keeps the rule");
    }
    for code in break_it {
        assert!(!faults(&tokens(code)).is_empty(), "{code} breaks the rule, and nobody sees it");
    }
    let mut found = Vec::new();
    for path in files(under, ".rs").into_iter().filter(|path| !except.iter().any(|end| path.ends_with(end))) {
        found.extend(faults(&tokens(&read(&path))).into_iter().map(|fault| format!("{path}: {fault}")));
    }
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The words of these that are among the tokens.
fn words_of(words: &[&str]) -> impl Fn(&[Token]) -> Vec<String> {
    move |tokens| {
        let is_one = |word: &&&str| tokens.iter().any(|token| token.is_word(word));
        words.iter().filter(is_one).map(|word| (*word).to_owned()).collect()
    }
}

/// Crates that draw by chance, and what of the standard library is in an order of chance.
const CHANCE: [&str; 13] = [
    "HashMap",
    "HashSet",
    "RandomState",
    "fastrand",
    "getrandom",
    "nanoid",
    "nanorand",
    "oorandom",
    "rand",
    "thread_rng",
    "ulid",
    "uuid",
    "new_v4",
];

#[test]
fn the_core_draws_nothing_by_chance() {
    check_tokens(
        "shared/src/",
        &[],
        "what is drawn comes from a seed that the host gives",
        words_of(&CHANCE),
        &["// rand::random()\nlet seed = \"random\";", "fn draw(&mut self) -> u64 { self.rng.next() }"],
        &[
            "fastrand :: u64(..)",
            "use std::collections::{BTreeMap, HashMap};",
            "let n: u64 = rand::random();",
        ],
    );
}

// --- The hosts ---

#[test]
fn handlers_write_no_sse() {
    check_tokens(
        "handlers/",
        // A build script runs on no platform.
        &["/build.rs"],
        "what a reader sees is written in the core",
        sse_in,
        &[
            r#"let sql = "SELECT id FROM entries";"#,
            r#"log(&format!("the data: {n}")); // event: x"#,
            r#"let a = "valid: yes"; let b = "id";"#,
            "let sql = \"\n  SELECT 1\"; let by = \":by\";",
        ],
        &[
            r#"let a = "data: hi";"#,
            r#"let a = format!("{head}\nevent:{name}");"#,
            r#"let a = b"id:";"#,
            r##"let a = r#"retry: 7"#;"##,
            "let a = \"\ndata: hi\";",
            r#"body.push_str("\n");"#,
            r#"body.push('\n');"#,
            r#"body.push(b'\r');"#,
            r#"let a = "\u{A}";"#,
            r#"let a = "\x0d";"#,
            r#"let a = ":";"#,
            r#"let a = ": skipped 3";"#,
            r#"let a = "text/event-stream; charset=utf-8";"#,
            "use ssedge::sse::Event;",
        ],
    );
}

/// What writes, or could write, a line of a stream.
fn sse_in(tokens: &[Token]) -> Vec<String> {
    const FIELDS: [&str; 4] = ["data", "event", "id", "retry"];
    const LINE_ENDS: [&str; 6] = ["\\n", "\\r", "\\x0a", "\\x0d", "\\u{a}", "\\u{d}"];
    let is_syntax = |token: &&Token| {
        let Some(text) = token.text() else { return token.is_word("sse") };
        let text = text.to_ascii_lowercase();
        let is_field = |line: &str| match line.split_once(':') {
            // A comment; `:name` is a place in a question to a table.
            Some(("", rest)) => rest.is_empty() || rest.starts_with(' '),
            Some((name, _)) => FIELDS.contains(&name.trim_start_matches([' ', '{', '}'])),
            None => false,
        };
        text.contains("event-stream")
            || LINE_ENDS.iter().any(|end| text.contains(end))
            || text.lines().any(is_field)
    };
    tokens.iter().filter(is_syntax).map(|token| format!("{token:?}")).collect()
}

#[test]
fn handlers_decide_no_status() {
    check_tokens(
        "handlers/",
        &[],
        "a status is that of a Problem, or of an answer of the core",
        statuses_in,
        &[
            "fn builder(status: StatusCode) -> B { B::new().with_status(status.as_u16()) }",
            "let close = 1008; let pause = 1_000; let end = parts.status;",
            r#"log("refused with 404");"#,
        ],
        &[
            "let a = StatusCode::NOT_FOUND;",
            "let a = http :: StatusCode\n::OK;",
            "use http::StatusCode as S;",
            "*response.status_mut() = status;",
            "const GONE: u16 = 410;",
            "let a = [4_04u16];",
            "let a = 0x194;",
            r#"Response::error("no", code)"#,
            "Response::redirect(url)",
            "StatusCode::from_u16(code)",
            "B::new().with_status(code)",
        ],
    );
}

/// What is, makes or renames a status.
fn statuses_in(tokens: &[Token]) -> Vec<String> {
    let starts = |at: usize, words: [&str; 4]| {
        let next = tokens[at..].iter().zip(words).filter(|(token, word)| match token {
            Token::Word(found) => found == word,
            Token::Sign(found) => word.starts_with(*found),
            Token::Literal(_) => false,
        });
        next.count() == words.iter().filter(|word| !word.is_empty()).count()
    };
    let is_status = |at: &usize| {
        tokens[*at].number().is_some_and(|number| (100..600).contains(&number))
            || ["status_mut", "from_u16"].iter().any(|word| tokens[*at].is_word(word))
            || starts(*at, ["StatusCode", ":", ":", ""])
            || starts(*at, ["StatusCode", "as", "", ""])
            || starts(*at, ["Response", ":", ":", "error"])
            || starts(*at, ["Response", ":", ":", "redirect"])
            || starts(*at, ["Response", ":", ":", "redirect_with_status"])
            || (tokens[*at].is_word("with_status") && !starts(*at, ["with_status", "(", "status", "."]))
    };
    (0..tokens.len())
        .filter(is_status)
        .map(|at| format!("{:?}", &tokens[at..tokens.len().min(at + 4)]))
        .collect()
}

#[test]
fn only_host_rs_reads_clock_and_environment() {
    const SOURCES: [&str; 15] = [
        "Date::now",
        "Date::new",
        "SystemTime",
        "Instant",
        "performance",
        "random",
        "getrandom",
        "fastrand",
        "rand::",
        "std::env",
        "env::var",
        ".var(",
        ".secret(",
        "set_timeout_with",
        "::now_utc",
    ];
    // A build script runs on no platform.
    check_code(
        "handlers/",
        &["/host.rs", "/build.rs"],
        "only host.rs knows the platform",
        contains_any(&SOURCES),
    );
}

#[test]
fn wrangler_toml_names_what_the_worker_has() {
    let toml = read("wrangler.toml");
    let values = |key: &str| -> Vec<String> {
        let lines = toml.lines().filter_map(|line| line.split_once(" = ")).filter(|(name, _)| *name == key);
        lines.flat_map(|(_, value)| value.split('"').skip(1).step_by(2).map(str::to_owned)).collect()
    };
    let source: String = files("handlers/worker/src/", ".rs").iter().map(|path| read(path)).collect();

    assert_eq!(values("class_name"), ["Channel"]);
    assert_eq!(values("new_sqlite_classes"), values("class_name"));
    assert!(source.contains("#[durable_object]\npub struct Channel"), "the Worker has no class Channel");

    let objects = toml.split("[[durable_objects.bindings]]").nth(1).unwrap();
    assert!(objects.trim_start().starts_with("name = \"CHANNELS\""), "{objects}");
    assert_eq!(values("binding"), ["ASSETS"]);
    for binding in ["\"CHANNELS\"", "\"ASSETS\""] {
        assert_eq!(source.matches(binding).count(), 1, "{binding} is a constant of the Worker");
    }

    let (set, shown) = vars();
    assert!(set.len() + shown.len() >= 10, "[vars] shows the settings");
    for (name, _) in set.iter().chain(&shown) {
        assert!(variables().contains(&&**name), "[vars] has {name}, which is not a setting");
    }
}

type Vars = Vec<(String, String)>;

/// The settings that wrangler.toml has, and those that it shows as a comment.
fn vars() -> (Vars, Vars) {
    let toml = read("wrangler.toml");
    let section = toml.split("[vars]").nth(1).unwrap().split("\n[").next().unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        let value = value.split('"').nth(1).unwrap_or_else(|| value.split(" #").next().unwrap());
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let (comments, set): (Vec<_>, Vec<_>) = section.lines().partition(|line| line.starts_with('#'));
    let shown = comments.iter().filter_map(|line| pair(line.trim_start_matches("# ")));
    (set.into_iter().filter_map(pair).collect(), shown.collect())
}

/// What a deployment sets is its own choice, as long as it can be read.
#[test]
fn wrangler_toml_shows_the_defaults() {
    let (set, shown) = vars();
    for (name, value) in shown {
        assert_default(&name, &value);
    }
    let lookup = |name: &str| set.iter().find(|(var, _)| var == name).map(|(_, value)| value.clone());
    Deployment::read(Host::Worker, lookup).unwrap_or_else(|bad| panic!("wrangler.toml: {bad}"));
}

/// A Worker that is set so is as one that is not set at all.
#[track_caller]
fn assert_default(name: &str, value: &str) {
    let [none, set] = [None, Some(value)].map(|value| {
        Deployment::read(Host::Worker, |var| value.filter(|_| var == name).map(str::to_owned)).unwrap()
    });
    assert_eq!(format!("{set:?}"), format!("{none:?}"), "{name}={value} is not the default");
}

/// Every variable that is read, on either host.
fn variables() -> Vec<&'static str> {
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    deployment.variables().chain(TableSettings::NAMES).collect()
}

/// What a function reads when it starts.
fn function(lookup: impl Fn(&str) -> Option<String>) -> Result<TableSettings, BadSetting> {
    Deployment::read(Host::Lambda, &lookup)?;
    TableSettings::read(&Variables::new(&lookup))
}

/// The settings that template.yaml passes to the function, each with the default of its parameter.
fn template_vars() -> Vars {
    let template = read("template.yaml");
    let default = |parameter: &str| {
        let (_, declared) = template.split_once(&format!("\n  {parameter}:\n")).unwrap();
        let lines = declared.lines().take_while(|line| line.starts_with("    "));
        let value = lines.filter_map(|line| line.strip_prefix("    Default: ")).next().unwrap();
        value.split(" #").next().unwrap().trim().trim_matches('"').to_owned()
    };
    let (_, variables) = template.split_once("        Variables:\n").unwrap();
    let lines = variables.lines().take_while(|line| line.starts_with("          "));
    let vars = lines.filter_map(|line| line.trim().split_once(": !Ref "));
    vars.filter(|(name, _)| *name != "TABLE_NAME")
        .map(|(name, parameter)| (name.to_owned(), default(parameter)))
        .collect()
}

/// A deployment may change each default, as long as the function starts with it.
#[test]
fn template_yaml_has_settings_that_can_be_read() {
    let vars = template_vars();
    assert!(vars.len() >= 10, "the function is passed settings");
    let names = variables();
    for (name, _) in &vars {
        assert!(names.contains(&&**name), "template.yaml has {name}, which is not a setting");
    }
    let lookup = |name: &str| match name {
        "TABLE_NAME" => Some("ssedge".to_owned()),
        _ => vars.iter().find(|(var, _)| var == name).map(|(_, value)| value.clone()),
    };
    function(lookup).unwrap_or_else(|bad| panic!("template.yaml: {bad}"));
}

/// What a check of the contract cites is written there, and each part of the contract is checked.
#[test]
fn each_statement_of_the_contract_cites_its_heading() {
    let api = read("docs/api.md");
    let headings: BTreeSet<_> = api.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let sources: Vec<_> = files("tests/src/contract/", ".rs").iter().map(|path| read(path)).collect();
    let cases = sources.iter().flat_map(|source| source.split("cases! {").skip(1));
    let lines = cases.flat_map(|cases| cases.split("};").next().unwrap_or_default().lines());
    let cited: BTreeSet<_> =
        lines.filter_map(|line| line.trim_start().strip_prefix('"')?.split('"').next()).collect();
    let of_statements: BTreeSet<_> = cited.iter().filter(|cited| !headings.contains(*cited)).collect();
    assert!(of_statements.is_empty(), "docs/api.md has no such headings: {of_statements:?}");
    let unchecked: Vec<_> = headings.difference(&cited).collect();
    assert!(unchecked.is_empty(), "nothing checks {unchecked:?}");
}

/// A second stack would make the function half as large again, which is time at each cold start.
#[test]
fn there_is_one_tls_stack_and_one_http() {
    const OTHERS: [&str; 4] = ["aws-config", "aws-lc", "native-tls", "openssl-sys"];
    let lock = read("Cargo.lock");
    let quoted = |line: &str| line.split('"').nth(1).unwrap().to_owned();
    let lines: Vec<_> = lock.lines().collect();
    let named = lines.windows(2).filter(|lines| lines[0].starts_with("name = "));
    let packages: Vec<_> = named.map(|lines| (quoted(lines[0]), quoted(lines[1]))).collect();
    for (name, version) in &packages {
        let other = OTHERS.iter().find(|other| name.starts_with(**other));
        assert_eq!(other, None, "{name} {version}");
    }
    for (name, parts) in [("rustls", 3), ("ring", 3), ("hyper", 1), ("http", 1)] {
        let versions = packages.iter().filter(|(package, _)| package == name);
        let versions: BTreeSet<_> =
            versions.map(|(_, version)| version.split('.').take(parts).collect::<Vec<_>>()).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn files_stay_short() {
    for (under, ending, most) in [
        ("shared/src/", ".rs", CORE_LINES),
        ("handlers/", ".rs", HANDLER_LINES),
        ("web/src/", "", PAGE_LINES),
        ("packages/client/src/", "", PAGE_LINES),
        ("packages/client/test/", "", PAGE_LINES),
        ("tests/browser/", ".mjs", PAGE_LINES),
        ("tests/page/", ".mjs", PAGE_LINES),
    ] {
        for path in files(under, ending) {
            let source = read(&path);
            let lines = source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
            let long = LONG_FILES.iter().find(|(long, _)| *long == path);
            let most = long.map_or(most, |(_, most)| *most);
            assert!(lines <= most, "{path} has {lines} lines without its tests, more than {most}");
        }
    }
}

// --- The page and its client ---

/// The folders of TypeScript.
const SCRIPTS: [&str; 2] = ["packages/client/src/", "web/src/"];

fn scripts() -> Vec<String> {
    SCRIPTS.iter().flat_map(|folder| files(folder, ".ts")).collect()
}

#[test]
fn the_page_makes_no_markup_of_text() {
    const MARKUP: [&str; 6] =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval("];
    for path in scripts() {
        let source = read(&path);
        for word in MARKUP {
            assert!(!source.contains(word), "{path} has {word}");
        }
    }
    let document = read("web/src/index.html");
    let policy = document.split("http-equiv=\"Content-Security-Policy\"").nth(1).unwrap();
    let policy = policy.split('>').next().unwrap();
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"] {
        assert!(policy.contains(rule), "the policy has {rule}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for inline in ["<style", " style=", "<script>", " onclick="] {
        assert!(!document.contains(inline), "index.html has {inline}");
    }
}

#[test]
fn the_client_stands_alone() {
    for path in files("packages/client/src/", ".ts") {
        let source = read(&path);
        for import in source.lines().filter_map(|line| line.split_once(" from \"")) {
            // Only a program that has React takes this entry.
            let is_react = path.ends_with("/react.ts") && import.1.starts_with("react\"");
            assert!(import.1.starts_with("./") || is_react, "{path} imports {}", import.1);
        }
    }
}

/// Modules by name, each with the names of those that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Whatever names a module of the same folder, types included: `from "./a.js"`, `import "./a.js"`, `import("./a.js")`.
fn imports(source: &str) -> BTreeSet<String> {
    let strings = source.split(['"', '\'', '`']);
    let names = strings.filter_map(|string| string.strip_prefix("./")?.strip_suffix(".js"));
    names.map(str::to_owned).collect()
}

/// A circle of modules that import each other, if there is one. Modules that import nothing of what is left are taken
/// away until none is found: those that stay are in a circle, or lead into one.
fn circle(mut modules: Imports) -> Option<Vec<String>> {
    loop {
        let left: BTreeSet<_> = modules.keys().cloned().collect();
        modules.retain(|_, imported| !imported.is_disjoint(&left));
        if modules.len() == left.len() {
            break;
        }
    }
    let mut way = vec![modules.keys().next()?.clone()];
    loop {
        let next = modules[way.last()?].iter().find(|name| modules.contains_key(*name))?;
        let seen = way.iter().position(|name| name == next);
        way.push(next.clone());
        if let Some(first) = seen {
            return Some(way.split_off(first));
        }
    }
}

#[test]
fn no_modules_of_the_page_import_each_other() {
    let examples = |modules: &[(&str, &str)]| -> Imports {
        modules.iter().map(|(name, source)| ((*name).to_owned(), imports(source))).collect()
    };
    let (a_to_b, to_c) = (("a", "import { B } from \"./b.js\";"), "export * from './c.js';");
    let diamond = examples(&[a_to_b, ("b", to_c), ("c", ""), ("d", "import \"./b.js\"; import \"./a.js\";")]);
    assert_eq!(circle(diamond), None, "a module that two others import is not a circle");
    for (back, found) in [
        (("b", "import type { A } from \"./a.js\";"), vec!["a", "b", "a"]),
        (("c", "type A = import(\"./a.js\").A;"), vec!["a", "b", "c", "a"]),
        (("c", "void import(`./c.js`);"), vec!["c", "c"]),
    ] {
        let mut modules = examples(&[a_to_b, ("b", to_c), ("c", ""), ("d", "import \"./b.js\";")]);
        modules.extend(examples(&[back]));
        let found = Some(found.into_iter().map(str::to_owned).collect());
        assert_eq!(circle(modules), found, "a circle by {back:?}");
    }

    for folder in SCRIPTS {
        let name = |path: &String| Some(path.strip_prefix(folder)?.strip_suffix(".ts")?.to_owned());
        let paths = files(folder, ".ts");
        let modules: Imports =
            paths.iter().map(|path| (name(path).unwrap_or_default(), imports(&read(path)))).collect();
        for (module, imported) in &modules {
            let unknown = imported.iter().find(|name| !modules.contains_key(*name));
            assert_eq!(unknown, None, "{module} imports what is not in {folder}");
        }
        assert_eq!(circle(modules), None, "modules of {folder} import each other");
    }
}

/// A second source would have pauses that no test knows; a second back-off, bounds that nobody has looked at.
#[test]
fn the_page_draws_and_backs_off_in_one_place_each() {
    for (word, place) in [
        ("Math.random()", "packages/client/src/random.ts"),
        ("crypto.getRandomValues", "packages/client/src/random.ts"),
        ("2 ** ", "packages/client/src/retry.ts"),
        ("\"Retry-After\"", "packages/client/src/retry.ts"),
    ] {
        let is_comment = |line: &&str| line.trim_start().starts_with(['*', '/']);
        let has_word =
            |path: &String| read(path).lines().any(|line| !is_comment(&line) && line.contains(word));
        let paths: Vec<_> = scripts().into_iter().filter(has_word).collect();
        assert_eq!(paths, [place], "files with {word}");
    }
}

// --- The README and its fellows ---

#[test]
fn the_readme_lists_every_endpoint() {
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    let rows = endpoints(&deployment.feeds)
        .map(|(method, path, text)| [method.to_string(), format!("`{path}`"), (*text).to_owned()].to_vec());
    assert_eq!(readme_table("Endpoints"), rows.collect::<Vec<_>>());
}

/// The file that a reader would copy is the one that is tested.
#[test]
fn the_readme_shows_the_example_of_a_feed() {
    let shown = read("README.md");
    let shown = shown.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(&*read("examples/weather/mod.rs")));
}

#[test]
fn the_readme_lists_every_limit() {
    use limits::*;
    let price = |cents| Price::from_cents(cents).unwrap();
    let [of_events, of_chat, of_channels] =
        [events::HISTORY, chat::HISTORY, channels::HISTORY].map(|range| *range.end());
    let rows = [
        ("body of a POST, to a channel of your own", format!("{BODY_BYTES}, {POST_BYTES} bytes")),
        (
            "of a channel of your own: entries of a POST, one entry",
            format!("{POST_ENTRIES}, {ENTRY_BYTES} bytes"),
        ),
        (
            "its name, a segment of that, a key",
            format!(
                "{}, {}, {} characters",
                channels::NAME_CHARS,
                channels::SEGMENT_CHARS,
                channels::KEY_CHARS
            ),
        ),
        ("keys of a stream", channels::KEYS.to_string()),
        ("token, `Idempotency-Key`", format!("{TOKEN_BYTES}, {IDEMPOTENCY_KEY_CHARS} bytes")),
        ("text of a message, user", format!("{}, {} characters", chat::TEXT_CHARS, chat::USER_CHARS)),
        (
            "room, topic, event name",
            format!("{}, {}, {EVENT_NAME_CHARS} characters", chat::ROOM_CHARS, events::TOPIC_CHARS),
        ),
        ("symbol", format!("{} characters", stock::MAX_SYMBOL_LEN)),
        ("price", format!("{} to {}", price(1), price(stock::MAX_PRICE_CENTS))),
        ("topics of a stream", events::TOPICS.to_string()),
        (
            "new channels of a sender, of one with a `sub`",
            format!("{NEW_CHANNELS}, {NEW_CHANNELS_OF_SUB} an hour"),
        ),
        ("symbols of a deployment", stock::SYMBOLS.to_string()),
        ("`tick`, `interval`", format!("{} to {} ms", INTERVAL_MS.start(), INTERVAL_MS.end())),
        (
            "`history` of events, stock, chat, channels of your own",
            format!("{of_events}, {}, {of_chat}, {of_channels}", stock::TICKS),
        ),
        (
            "entries of a snapshot, of a channel of your own",
            format!("{SNAPSHOT_ENTRIES}, {SNAPSHOT_DATA} and {SNAPSHOT_BYTES} bytes"),
        ),
        ("bytes held for a slow reader", BACKLOG_BYTES.to_string()),
        ("page of replay", format!("{PAGE_BYTES} bytes")),
        ("ids", format!("up to {ID_MAX}")),
    ];
    let rows: Vec<_> = rows.map(|(what, limit)| vec![what.to_owned(), limit]).into();
    assert_eq!(readme_table("Limits"), rows);
}

#[test]
fn the_readme_lists_every_setting() {
    let table = readme_table("Settings");
    let names: Vec<_> = table.iter().map(|row| row[0].as_str()).collect();
    let mut expected = variables();
    let mut listed = names.clone();
    expected.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, expected);

    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    let (none, of_channels) = (&deployment.settings, deployment.feeds.named("channels").unwrap());
    let of_channels = of_channels.rules(none);
    let poll = function(|name| (name == "TABLE_NAME").then(|| "ssedge".to_owned())).unwrap().poll;
    let millis = |at: &std::time::Duration| u64::try_from(at.as_millis()).unwrap();
    for (name, default, range) in [
        ("HEARTBEAT_SECS", none.heartbeat.as_secs(), limits::HEARTBEAT_SECS),
        ("RETRY_MS", millis(&none.retry), limits::RETRY_MS),
        ("STREAM_SECS", none.stream_life.map_or(0, |life| life.as_secs()), limits::STREAM_SECS),
        ("HISTORY_MAX", none.retention.max, limits::HISTORY_MAX),
        ("HISTORY_SECS", none.retention.age.as_secs(), limits::HISTORY_SECS),
        ("POST_RATE", none.post_rate, limits::POST_RATE),
        ("POST_BURST", none.post_burst, limits::POST_BURST),
        ("CHANNEL_RATE", of_channels.rate, limits::POST_RATE),
        ("CHANNEL_BURST", of_channels.burst, limits::POST_BURST),
        ("CHANNEL_ENTRIES", of_channels.retention.max, limits::CHANNEL_ENTRIES),
        ("STREAMS_PER_CHANNEL", none.streams_per_channel.unwrap_or(0), limits::STREAMS_PER_CHANNEL),
        ("STREAMS_PER_SENDER", none.streams_per_sender.unwrap_or(0), limits::STREAMS_PER_SENDER),
        ("POLL_MIN_MS", millis(poll.start()), limits::POLL_MS),
        ("POLL_MAX_MS", millis(poll.end()), limits::POLL_MS),
    ] {
        check_number(&table, name, default, &range);
    }
    for name in ["ANONYMOUS", "ALLOWED_ORIGINS", "STOCK_SOURCE", "LOG_LEVEL"] {
        assert_default(name, row(&table, name)[1].trim_matches('`'));
    }
    for name in ["AUTH_SECRET", "AUTH_SECRET_PREVIOUS"] {
        assert_eq!(row(&table, name)[2], format!("{} bytes or more", limits::AUTH_SECRET_BYTES));
    }
    assert_eq!(row(&table, "STOCK_SYMBOLS")[1], format!("{} made-up ones", DEFAULT_SYMBOLS.len()));
    assert_eq!(row(&table, "STOCK_SYMBOLS")[2], format!("up to {}", stock::SYMBOLS));
}

/// The two commands of `cargo lambda watch`: the table that is started is the one that the function is told of.
#[test]
fn the_readme_starts_the_table_that_it_names() {
    let readme = read("README.md");
    let between = |from: &str, to: &str| readme.split(from).nth(1).unwrap().split(to).next().unwrap();
    let table: Value = serde_json::from_str(between("(echo '", "'; cat) | ")).unwrap();
    let variables: BTreeMap<_, _> = between("--env-var ", "\n")
        .split(',')
        .map(|variable| variable.split_once('=').unwrap_or_else(|| panic!("{variable} has no value")))
        .collect();
    let settings = function(|name| variables.get(name).map(|value| (*value).to_owned()));
    let settings = settings.unwrap_or_else(|bad| panic!("{bad}"));
    assert_eq!(table["table"], *settings.name);
    assert_eq!(settings.endpoint, Some(format!("http://127.0.0.1:{}", table["port"])));
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(variables.contains_key(name), "the SDK signs with {name}");
    }
}

fn row<'a>(table: &'a [Vec<String>], name: &str) -> &'a [String] {
    table.iter().find(|row| row[0] == name).unwrap()
}

#[track_caller]
fn check_number(table: &[Vec<String>], name: &str, default: u64, range: &RangeInclusive<u64>) {
    let expected = [default.to_string(), format!("{}–{}", range.start(), range.end())];
    assert_eq!(row(table, name)[1..3], expected, "{name}");
}

#[test]
fn links_lead_to_files() {
    for document in files("", ".md") {
        let text = read(&document);
        let folder = Path::new(&document).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !link.contains("://") {
                assert!(root().join(folder).join(path).exists(), "{document}: {link} leads nowhere");
            }
        }
    }
}

/// A paragraph that is longer is read by nobody who reads English slowly. Where a link leads does not count.
#[test]
fn no_paragraph_is_too_long() {
    const PARAGRAPH_CHARS: usize = 600;
    for document in files("", ".md") {
        for (line, number) in read(&document).lines().zip(1..) {
            let mut parts = line.split("](");
            let first = parts.next().map_or(0, |text| text.chars().count());
            let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, text)| text).chars().count());
            let length = first + rest.sum::<usize>();
            assert!(length <= PARAGRAPH_CHARS, "{document}:{number} has {length} characters");
        }
    }
}

#[test]
fn every_invariant_has_its_test() {
    let text = read("ARCHITECTURE.md");
    let sources: String = files("", ".rs").iter().map(|path| read(path)).collect();
    let sources = sources.replace("#[tokio::test", "#[test]");
    let is_test = |name: &str| {
        sources.split("#[test]").skip(1).any(|after| {
            let function = after.split("fn ").nth(1).unwrap_or_default();
            function.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
        })
    };
    let invariants: Vec<_> = text.lines().filter(|line| line.contains("**Architecture Invariant")).collect();
    assert!(invariants.len() >= 10, "{invariants:?}");
    for invariant in invariants {
        let (_, names) = invariant.rsplit_once(" (`").unwrap_or_else(|| panic!("no test: {invariant}"));
        for name in names.trim_end_matches("`)").split("`, `") {
            assert!(is_test(name), "there is no test {name}: {invariant}");
        }
    }
}

// --- The repository ---

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // In halves, so that this file does not hold what it looks for.
    let places =
        [["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"], ["/wo", "rk/"], ["/tm", "p/"], ["C:", "\\"]];
    let places = places.map(|halves| halves.concat());
    for path in files("", "") {
        // What is no text is no document of ours.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for place in &places {
            assert!(!text.contains(place), "{path} names {place}");
        }
    }
}

#[test]
fn packages_come_from_the_public_registries() {
    let cargo = read("Cargo.lock");
    for source in cargo.lines().filter_map(|line| line.strip_prefix("source = ")) {
        assert_eq!(source, "\"registry+https://github.com/rust-lang/crates.io-index\"");
    }
    let npm = read("package-lock.json");
    for resolved in npm.lines().filter_map(|line| line.trim().strip_prefix("\"resolved\": ")) {
        // The examples use the client as its users do.
        let is_own = resolved == "\"packages/client\",";
        assert!(is_own || resolved.starts_with("\"https://registry.npmjs.org/"), "{resolved}");
    }
    for path in files("", "") {
        assert!(!path.ends_with(".npmrc"), "{path} would choose a registry");
    }
    let config = read(".cargo/config.toml");
    assert!(!config.contains("[source") && !config.contains("[registr"), "{config}");
}
