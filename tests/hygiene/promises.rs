//! `SECURITY` comments: each stands on a line that a change could weaken, and names the test that would notice.

use crate::expect_none;
use crate::repository::File;
use crate::rust::{Rust, sources};

/// Every test with its path, such as `walls::memory::huge_memory::is_refused` or `unseal::key::tests::x`.
fn tests() -> Vec<Vec<String>> {
    let mut tests = Vec::new();
    for (file, rust) in sources() {
        let modules: Vec<_> =
            file.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        tests.extend(rust.tests().into_iter().map(|test| [modules.clone(), test].concat()));
    }
    tests
}

/// What is wrong with the promises of one file.
fn broken(file: &File, rust: &Rust, tests: &[Vec<String>]) -> Vec<String> {
    let mut found = Vec::new();
    for (line, promise) in promises(&rust.comments) {
        let wrong = match named_test(&promise) {
            None => "names no test".to_owned(),
            Some(name) if !tests.iter().any(|test| is_named(test, name)) => {
                format!("there is no test `{name}`")
            }
            Some(_) => continue,
        };
        found.push(format!("{}:{line}: {wrong}", file.path));
    }
    found
}

/// The lines and texts of the promises; a text goes on over the comment's next lines.
fn promises(comments: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut promises: Vec<(usize, String)> = Vec::new();
    let mut last = 0;
    for (line, comment) in comments {
        let text = comment.trim_start_matches(['/', '!']).trim();
        if let Some(promise) = text.strip_prefix("SECURITY:") {
            promises.push((*line, promise.to_owned()));
            last = *line;
        } else if let Some((_, promise)) = promises.last_mut().filter(|_| *line == last + 1) {
            *promise = format!("{promise} {text}");
            last = *line;
        }
    }
    promises
}

/// `SECURITY: walls::a_test`, with or without more behind it, or `SECURITY: why (a_test)`.
fn named_test(promise: &str) -> Option<&str> {
    let is_name = |text: &&str| {
        (text.contains('_') || text.contains("::"))
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':'))
    };
    let first = promise.split_whitespace().next().filter(is_name);
    first.or_else(|| promise.rsplit_once('(')?.1.split(')').next().filter(is_name))
}

/// Whether this is the test's name, with some of its modules, in order, before it.
fn is_named(test: &[String], name: &str) -> bool {
    let mut modules = test.iter().rev();
    let mut parts = name.rsplit("::");
    parts.next() == modules.next().map(String::as_str)
        && parts.all(|part| modules.any(|module| module == part))
}

#[test]
fn every_security_comment_names_a_test() {
    let tests = tests();
    expect_none(sources().flat_map(|(file, rust)| broken(file, rust, &tests)).collect());
}

#[cfg(test)]
mod tests {
    use super::{File, Rust, broken};

    #[test]
    fn a_promise_without_its_test_is_found() {
        let tests = [["walls", "memory", "a_test"].map(str::to_owned).to_vec()];
        for (comment, expected) in [
            ("// SECURITY: walls::a_test", None),
            ("// SECURITY: walls::memory::a_test (a plan's address may be signed)", None),
            ("/// SECURITY: a long story\n/// about this line (a_test)", None),
            (
                "// SECURITY: memory::walls::a_test",
                Some("f.rs:1: there is no test `memory::walls::a_test`"),
            ),
            (
                "\n// SECURITY: walls::another_test",
                Some("f.rs:2: there is no test `walls::another_test`"),
            ),
            ("// SECURITY: so that nothing happens (honestly)", Some("f.rs:1: names no test")),
            ("// SECURITY: walls::nothing", Some("f.rs:1: there is no test `walls::nothing`")),
            ("// SECURITY: a story\n\n// (a_test)", Some("f.rs:1: names no test")),
        ] {
            let file = File { path: "f.rs".to_owned(), text: comment.to_owned() };
            assert_eq!(
                broken(&file, &Rust::new(comment), &tests).first().map(String::as_str),
                expected,
                "{comment}"
            );
        }
    }
}
