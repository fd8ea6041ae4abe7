//! Words and marks that have no place in the code, and the length of files.

use crate::expect_none;
use crate::places::is_test_file;
use crate::repository::{File, files};
use crate::rust::{Rust, sources};

/// Where a file this long holds two things.
const LINES_MAX: usize = 500;

/// Names that say nothing; see `Words` and `Names` in the project's documents.
const EMPTY_NAMES: &[&str] = &[
    "common", "handler", "handlers", "helper", "helpers", "manager", "misc", "service", "util",
    "utils",
];

/// Implements an interface of WASI, whose names are given.
const NAMED_BY_WASI: &[&str] = &["host/src/sandbox/files.rs", "host/src/sandbox/random.rs"];

/// Windows itself says "service".
const NAMED_BY_WINDOWS: &[&str] = &["host/src/os.rs", "host/src/os/windows_service.rs"];

/// Left by a change that isn't finished. Written in halves, so that a search for them doesn't find this list.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!"),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
];

fn is_ours(file: &File) -> bool {
    !file.is_in(&["wit/deps/", "tests/fixtures/", "Cargo.lock", "LICENSE", "host/fuzz/Cargo.lock"])
}

#[test]
fn no_file_holds_two_things() {
    let long = files().iter().filter(|file| is_ours(file) && file.text.lines().count() > LINES_MAX);
    expect_none(
        long.map(|file| format!("{}: {} lines", file.path, file.text.lines().count())).collect(),
    );
}

fn unfinished(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let marked = lines.flat_map(|(index, line)| {
        let marks = UNFINISHED.iter().filter(move |mark| has_mark(line, mark));
        marks.map(move |mark| format!("{}:{}: `{mark}`", file.path, index + 1))
    });
    marked.collect()
}

/// Whether the mark stands on its own, not inside of a longer word.
fn has_mark(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_word(before) && (mark.starts_with('#') || !is_word(after))
    })
}

#[test]
fn nothing_is_unfinished() {
    expect_none(files().iter().filter(|file| is_ours(file)).flat_map(unfinished).collect());
}

/// Whether a name says nothing.
fn is_empty(name: &str) -> bool {
    name.split(['_', '-', '.']).any(|part| EMPTY_NAMES.contains(&part))
}

#[test]
fn names_say_something() {
    let is_excepted = |file: &File| NAMED_BY_WINDOWS.contains(&file.path.as_str());
    let mut found = Vec::new();
    for file in files().iter().filter(|file| is_ours(file) && !is_excepted(file)) {
        if file.path.split('/').any(is_empty) {
            found.push(format!("{}: a name that says nothing", file.path));
        }
    }
    for (file, rust) in sources().filter(|(file, _)| !is_excepted(file)) {
        let modules = rust.module_names().filter(|(_, name, _)| is_empty(name));
        let modules = modules.map(|(offset, name, _)| (offset, format!("a module `{name}`")));
        let is_named_here = !NAMED_BY_WASI.contains(&file.path.as_str());
        let functions = rust.find("fn get_").filter(|_| is_named_here);
        let functions = functions.map(|offset| (offset, "a function `get_…`".to_owned()));
        let wrong = modules.chain(functions);
        found.extend(
            wrong.map(|(offset, what)| format!("{}:{}: {what}", file.path, rust.line(offset))),
        );
    }
    expect_none(found);
}

fn suppressions(file: &File, rust: &Rust) -> Vec<String> {
    let mut found = Vec::new();
    for (offset, attribute) in rust.attributes() {
        let at = format!("{}:{}", file.path, rust.line(offset));
        let has = |word: &str| Rust::new(attribute).words().any(|(_, found)| found == word);
        if has("allow") {
            found.push(format!("{at}: `allow`; an `expect` goes away with its cause"));
        } else if has("expect") && !has("reason") {
            found.push(format!("{at}: `expect` without a reason"));
        }
    }
    found
}

#[test]
fn suppressions_are_expected_and_have_reasons() {
    expect_none(sources().flat_map(|(file, rust)| suppressions(file, rust)).collect());
}

#[test]
fn input_cannot_make_the_host_panic() {
    let mut found = Vec::new();
    let host = sources().filter(|(file, _)| file.is_in(&["host/src/", "host/policy/src/"]));
    for (file, rust) in host.filter(|(file, _)| !is_test_file(&file.path)) {
        for what in [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err("] {
            for offset in rust.find(what).filter(|offset| !rust.is_test(*offset)) {
                found.push(format!("{}:{}: `{what}`", file.path, rust.line(offset)));
            }
        }
    }
    expect_none(found);
}

#[cfg(test)]
mod tests {
    use super::{File, Rust, UNFINISHED, suppressions, unfinished};

    fn file(text: String) -> File {
        File { path: "f.rs".to_owned(), text }
    }

    #[test]
    fn a_planted_mark_is_found() {
        for mark in UNFINISHED {
            assert_eq!(unfinished(&file(format!("a\n  {mark} b"))), [format!("f.rs:2: `{mark}`")]);
            assert_eq!(unfinished(&file(format!("x_{mark}"))).len(), 0);
        }
    }

    #[test]
    fn a_planted_suppression_is_found() {
        for (text, count) in [
            ("#[allow(a)] fn f() {}", 1),
            ("#![cfg_attr(x, allow(a, reason = \"r\"))]", 1),
            ("#[expect(a)] fn f() {}", 1),
            ("#[expect(\n    a::b,\n    reason = \"r\"\n)] fn f() {}", 0),
            ("#[doc = \"allow\"] fn f() { allow() }", 0),
        ] {
            assert_eq!(
                suppressions(&file(text.to_owned()), &Rust::new(text)).len(),
                count,
                "{text}"
            );
        }
    }
}
