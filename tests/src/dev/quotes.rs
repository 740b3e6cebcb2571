//! `cargo xtask quotes`, to a server of `cargo xtask dev`.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::dev::{Dev, token, xtask};
use crate::host::Folder;

const SYMBOLS: [&str; 2] = ["ACME", "GLBX"];
/// More than a sender may post at once, so that the server asks to wait.
const QUOTES: usize = 25;

/// What the command says: whether it did all, its output, and its errors.
fn quotes(arguments: &[&str], input: Stdio) -> (bool, String, String) {
    let mut quotes = xtask("quotes", arguments);
    let Output { status, stdout, stderr } = quotes.stdin(input).env_remove("SSEDGE_TOKEN").output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn write(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file is published in its order, and what the server refuses is told by its line.
pub async fn a_file_is_published_and_read_back(host: &str) {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (state, dev_vars) = (path("state"), path(".dev.vars"));
    let publisher = token(Path::new(&dev_vars), &["--publish", "stock"]).token;
    let dev = Dev::start(
        &[
            &[host, "--port", "0", "--state", &state, "--dev-vars", &dev_vars],
            &["--var", "STOCK_SOURCE=published", "--var", "STOCK_SYMBOLS=ACME,GLBX"][..],
        ]
        .concat(),
    );
    let (client, secret) = (dev.client(), write(&folder, "token", &publisher));
    let url = client.url("/");
    let mut stream = client.open("/api/stock", &[]).await;
    stream.message().await;

    let expected: Vec<_> = (1..=QUOTES).map(|n| (SYMBOLS[n % 2], format!("{n}.5"))).collect();
    let lines = expected.iter().map(|(symbol, price)| format!("{symbol},{price}\n"));
    let file = write(&folder, "quotes.csv", &format!("symbol,price\n{}", lines.collect::<String>()));
    let (done, said, errors) = quotes(&["--url", &url, "--token", &secret, &file], Stdio::null());
    assert!(done && said == format!("published: {QUOTES}\n"), "{said}{errors}");
    let read = |data: &str| {
        let quote: Value = serde_json::from_str(data).unwrap();
        (quote["symbol"].as_str().unwrap().to_owned(), quote["price"].to_string())
    };
    let heard: Vec<_> = stream.plain(QUOTES).await.iter().map(|message| read(&message.data)).collect();
    let expected: Vec<_> = expected.into_iter().map(|(symbol, price)| (symbol.to_owned(), price)).collect();
    assert_eq!(heard, expected);

    // From standard input, those of one symbol, up to a line that is bad.
    let input = write(&folder, "more.csv", "ACME,7\nGLBX,8\nACME,9.25\nACME,0\nACME,10\n");
    let input = Stdio::from(File::open(input).unwrap());
    let one = ["--url", &url, "--token", &secret, "--symbols", "ACME", "--every", "1"];
    let (done, said, errors) = quotes(&one, input);
    assert!(!done && said == "published: 2\n" && errors.contains("error: line 4, price"), "{said}{errors}");
    let more: Vec<_> = stream.plain(2).await.iter().map(|message| read(&message.data)).collect();
    assert_eq!(more, [("ACME", "7"), ("ACME", "9.25")].map(|(s, p)| (s.to_owned(), p.to_owned())));

    // What only the server knows.
    let unlisted = write(&folder, "unlisted.csv", "\nINTK,1\n");
    let (done, said, errors) = quotes(&["--url", &url, "--token", &secret, &unlisted], Stdio::null());
    let names_it = errors.contains("error: line 2, symbol") && errors.contains("ACME, GLBX");
    assert!(!done && said == "published: 0\n" && names_it, "{said}{errors}");
    let reader = write(&folder, "reader", &token(Path::new(&dev_vars), &["--subscribe", "stock"]).token);
    let (done, _, errors) = quotes(&["--url", &url, "--token", &reader, &file], Stdio::null());
    assert!(!done && errors.contains("error: line 2: ") && errors.contains("403"), "{errors}");
}

/// Nothing is started for a command line that cannot work, and a token is not taken from one.
pub fn what_cannot_work_is_a_sentence() {
    let folder = Folder::new();
    let file = write(&folder, "quotes.csv", "ACME,1\n");
    let empty = write(&folder, "empty", "\n");
    let url = "http://127.0.0.1:1";
    for (arguments, says) in [
        (&["--url", url, &file][..], "--token or SSEDGE_TOKEN"),
        (&["--url", url, "--token", "a.b.c", &file], "list the arguments"),
        (&["--url", url, "--token", &empty, &file], "has no token"),
        (&["--url", url, "--token", &file, "no such file"], "cannot read no such file"),
        (&["--url", url, "--token", &file, &file], "nobody answers at http://127.0.0.1:1/api/stock"),
        (&["--url", "http://a.example", "--token", &file, &file], "use https://"),
        (&["--url", url, "--token", &file, "--symbols", "acme", &file], "--symbols"),
    ] {
        let (done, _, errors) = quotes(arguments, Stdio::null());
        assert!(!done && errors.contains(says), "{arguments:?}: {errors}");
        assert!(!errors.contains("a.b.c"), "the token is not shown: {errors}");
    }
}
