//! What fuzzers have tried is tried again, by every run of the tests and without a fuzzer.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use ssedge_tests::fuzz::TARGETS;

/// What a checkout can bear. Of what a fuzzer finds, a corpus keeps what caught a fault: `cargo fuzz cmin` keeps one
/// input for each branch, and would keep no long story of a stream.
const MOST_FILES: usize = 400;
const MOST_BYTES: usize = 300 * 1024;

fn fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz").join(path)
}

/// The inputs of a target, by name. What a fuzzer left here by itself is named by 40 digits, and is not of the repository.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(fuzz("corpus").join(target)).unwrap_or_else(|e| panic!("{target}: {e}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.len() != 40));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_kept_input_keeps_every_promise() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 5, "{name} has a corpus of {}", inputs.len());
        for (path, input) in inputs {
            if panic::catch_unwind(|| target(&input)).is_err() {
                broken.push(format!("cargo +nightly fuzz run {name} {}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these show what went wrong, one by one:\n{}", broken.join("\n"));
}

#[test]
fn the_corpus_is_small() {
    let inputs: Vec<_> = TARGETS.iter().flat_map(|(target, _)| corpus(target)).collect();
    let bytes: usize = inputs.iter().map(|(_, input)| input.len()).sum();
    assert!(inputs.len() <= MOST_FILES && bytes <= MOST_BYTES, "{} files, {bytes} bytes", inputs.len());
}

#[test]
fn every_target_is_a_program_for_the_fuzzer() {
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    let programs = manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let targets = TARGETS.map(|(name, _)| name);
    assert_eq!(programs.skip(1).collect::<Vec<_>>(), targets, "the programs of fuzz/Cargo.toml");
    for target in targets {
        let source = fs::read_to_string(fuzz(&format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(&format!("ssedge_tests::fuzz::{target}(input)")), "{target}.rs: {source}");
    }
}
