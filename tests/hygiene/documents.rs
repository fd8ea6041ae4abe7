//! Documents: what they link to and name exists, and the operator's manual knows every variable.

use crate::expect_none;
use crate::markdown::Markdown;
use crate::repository::{File, exists, files, folder, root, text};

const VARIABLES: &str = "host/src/config/variables.rs";
/// Which run survives which crash.
const CRASHES: &str = "host/docs/reliability.md";
const MANUAL: &str = "host/docs/operating.md";

/// Ends of names that make a code span a file of the repository, when there is a `/` in it.
const FILE_ENDS: &[&str] = &[".json", ".md", ".pem", ".rs", ".sh", ".toml", ".wat", ".wit"];

/// Folders that documents leave out in front of a path when it's clear what they talk about.
const UNDERSTOOD: &[&str] = &["", "host/", "host/policy/", "host/src/", "tests/", "tests/guests/"];

fn documents() -> impl Iterator<Item = &'static File> {
    files().iter().filter(|file| file.path.ends_with(".md") && !file.is_in(&["wit/deps/"]))
}

fn broken_links(
    file: &File,
    exists: impl Fn(&str) -> bool,
    anchors: impl Fn(&str) -> Vec<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (line, link) in Markdown::new(&file.text).links() {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match target {
            "" => file.path.clone(),
            _ => format!("{}{target}", folder(&file.path)),
        };
        let is_there = exists(&target);
        if !is_there
            || !anchor.is_empty()
                && target.ends_with(".md")
                && !anchors(&target).iter().any(|found| found == anchor)
        {
            found.push(format!("{}:{line}: `{link}` leads nowhere", file.path));
        }
    }
    found
}

fn anchors(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    Markdown::new(&text).anchors().collect()
}

#[test]
fn links_lead_somewhere() {
    expect_none(documents().flat_map(|file| broken_links(file, exists, anchors)).collect());
}

/// Whether a code span is meant as a path in this repository.
fn is_path(span: &str, root: &[&str]) -> bool {
    let is_plain =
        span.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    let has_start =
        root.iter().any(|name| span.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')));
    let has_end = span.contains('/') && FILE_ENDS.iter().any(|end| span.ends_with(end));
    // `/etc/x`, `./x` and `guest-examples/my-x` are the reader's own.
    let is_readers = span.starts_with(['/', '.']) || span.contains("/my-");
    is_plain && !is_readers && (has_start || has_end)
}

fn missing_paths(file: &File, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let root = ["guest-examples", "host", "policies", "tests", "wit"];
    let spans = Markdown::new(&file.text)
        .spans()
        .filter(|(_, span)| is_path(span, &root))
        .collect::<Vec<_>>();
    let is_missing = |span: &str| {
        let folders = UNDERSTOOD.iter().copied().chain([folder(&file.path)]);
        !folders.into_iter().any(|folder| exists(&format!("{folder}{span}")))
    };
    let missing = spans.into_iter().filter(|(_, span)| is_missing(span));
    missing.map(|(line, span)| format!("{}:{line}: there is no `{span}`", file.path)).collect()
}

#[test]
fn named_files_exist() {
    expect_none(documents().flat_map(|file| missing_paths(file, exists)).collect());
}

/// Links to tests that the linked file does not have: ``[`name`](path.rs)``.
fn missing_tests(file: &File, source: impl Fn(&str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for link in line.split("[`").skip(1) {
            let Some((name, target)) = link.split_once("`](") else { continue };
            let path = target.split(')').next().unwrap_or_default();
            let is_test = name.contains('_')
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_test && path.ends_with(".rs") && !source(path).contains(&format!("fn {name}(")) {
                found.push(format!("{}:{}: `{path}` has no `{name}`", file.path, index + 1));
            }
        }
    }
    found
}

#[test]
fn linked_tests_exist() {
    let of = |file: &File| {
        let folder = root().join(folder(&file.path));
        missing_tests(file, |path| std::fs::read_to_string(folder.join(path)).unwrap_or_default())
    };
    expect_none(documents().flat_map(of).collect());
}

#[test]
fn the_manual_knows_every_variable() {
    let manual =
        files().iter().find(|file| file.path == MANUAL).map_or("", |file| file.text.as_str());
    let values = text(VARIABLES)
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
    let values: Vec<_> = values.collect();
    assert!(values.len() > 5, "{VARIABLES} has {} variables", values.len());
    let is_missing = |value: &&&str| !manual.contains(&format!("`{value}`"));
    expect_none(
        values
            .iter()
            .filter(is_missing)
            .map(|value| format!("{MANUAL}: `{value}` is missing"))
            .collect(),
    );
}

#[test]
fn the_documented_crash_points_are_those_that_are_played() {
    let (document, table) = (text(CRASHES), blockhouse_tests::crash_matrix::table());
    assert!(document.contains(&table), "{CRASHES} must have this table:\n{table}");
}

#[cfg(test)]
mod tests {
    use super::{File, broken_links, missing_paths, missing_tests};

    #[test]
    fn a_link_to_a_test_that_is_gone_is_found() {
        let file = |text: &str| File { path: "a.md".to_owned(), text: text.to_owned() };
        let source = |_: &str| "fn one_test() {}".to_owned();
        let good = file("([`one_test`](x.rs), [`Other`](y.rs), [`one`](z.md))");
        assert!(missing_tests(&good, source).is_empty());
        assert_eq!(
            missing_tests(&file("[`two_tests`](x.rs)"), source),
            ["a.md:1: `x.rs` has no `two_tests`"]
        );
    }

    #[test]
    fn planted_mistakes_are_found() {
        let text = "[a](b.md) [c](../d.md#e) [f](#g) [h](https://i.j/k) [l](m.md#n) [o](p.md)\n\
                    `host/src/q.rs` `r/s.rs` `/etc/t.toml` `host/my-block` `host/src/{u,v}.rs` `w/x` `src/y.rs`";
        let file = File { path: "host/docs/z.md".to_owned(), text: text.to_owned() };
        let exists = |path: &str| {
            [
                "host/docs/b.md",
                "host/docs/../d.md",
                "host/docs/z.md",
                "host/docs/m.md",
                "host/src/y.rs",
            ]
            .contains(&path)
        };
        let anchors =
            |path: &str| if path.ends_with("d.md") { vec!["e".to_owned()] } else { Vec::new() };
        let links = broken_links(&file, exists, anchors);
        assert_eq!(
            links,
            ["#g", "m.md#n", "p.md"]
                .map(|link| format!("host/docs/z.md:1: `{link}` leads nowhere"))
        );
        let paths = missing_paths(&file, exists);
        assert_eq!(
            paths,
            ["host/src/q.rs", "r/s.rs"]
                .map(|path| format!("host/docs/z.md:2: there is no `{path}`"))
        );
    }
}
