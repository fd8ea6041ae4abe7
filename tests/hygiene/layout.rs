//! What lies where: the root, the licence, keys, and the commands that a change must pass.

use crate::expect_none;
use crate::repository::{File, files, root, text};
use std::fs;

/// What the root shows. Everything else there is a dotfile.
const ROOT: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "guest-examples",
    "host",
    "policies",
    "rust-toolchain.toml",
    "tests",
    "wit",
];

/// In the names of files that hold keys.
const TEST_ONLY: &str = "TEST-ONLY";

/// Shorter is no key, but a text about one.
const KEY_CHARS_MIN: usize = 64;

#[test]
fn the_root_shows_what_the_design_says() {
    let entries = fs::read_dir(root()).unwrap().flatten();
    let names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let is_known =
        |name: &String| name.starts_with('.') || name == "target" || ROOT.contains(&name.as_str());
    let unknown = names
        .iter()
        .filter(|name| !is_known(name))
        .map(|name| format!("{name}: not in the root's layout"));
    let missing = ROOT.iter().filter(|name| !names.iter().any(|found| found == *name));
    expect_none(unknown.chain(missing.map(|name| format!("{name}: missing"))).collect());
}

#[test]
fn the_licence_is_apache_2() {
    let licence = text("LICENSE");
    let parts = ["Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"];
    assert!(parts.iter().all(|part| licence.contains(part)));
    assert!(text("Cargo.toml").contains("\nlicense = \"Apache-2.0\"\n"));
}

/// What is wrong with the keys in one file.
fn misplaced_keys(file: &File) -> Vec<String> {
    let is_fixture = file.is_in(&["tests/fixtures/"]);
    let is_named = file.name().contains(TEST_ONLY);
    let mut found = Vec::new();
    if is_named && !is_fixture {
        found.push(format!("{}: `{TEST_ONLY}` is for tests/fixtures", file.path));
    }
    if has_private_key(&file.text) && !(is_fixture && is_named) {
        found.push(format!("{}: a private key", file.path));
    }
    if is_fixture
        && !is_named
        && [".pem", ".key", ".p12", ".der"].iter().any(|end| file.path.ends_with(end))
    {
        found.push(format!("{}: not named `{TEST_ONLY}`", file.path));
    }
    found
}

fn has_private_key(text: &str) -> bool {
    text.split("PRIVATE KEY-----").skip(1).any(|body| {
        // In a string of code or JSON, lines end in `\n`.
        let body = body.replace("\\n", "\n").replace("\\r", "\n");
        let is_around = |c: &char| c.is_whitespace() || matches!(c, '"' | '\\');
        let body = body.chars().filter(|c| !is_around(c));
        body.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).count()
            >= KEY_CHARS_MIN
    })
}

#[test]
fn keys_are_in_the_fixtures_and_named_so() {
    expect_none(files().iter().flat_map(misplaced_keys).collect());
}

#[test]
#[cfg(unix)]
fn ci_can_be_started() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(root().join(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");
}

#[test]
fn what_ci_runs_can_be_run_by_hand() {
    let recipes: Vec<_> = text(".justfile").lines().map(str::trim).collect();
    let commands =
        text(".ci/run").lines().filter_map(|line| line.strip_prefix("step ")?.split_once(' '));
    let mut found = Vec::new();
    let mut count = 0;
    for (name, command) in commands.filter(|(_, command)| command.contains("cargo ")) {
        count += 1;
        let recipe = recipes.iter().position(|line| line.strip_suffix(':') == Some(name));
        let lines = recipe.map(|at| &recipes[at + 1..]).unwrap_or_default();
        let lines = lines.iter().take_while(|line| !line.is_empty());
        if !lines.into_iter().any(|line| *line == command.trim_start_matches("env ")) {
            found.push(format!(".justfile: the recipe `{name}` does not run `{command}`"));
        }
    }
    assert!(count > 3, ".ci/run has {count} steps");
    expect_none(found);
}

#[cfg(test)]
mod tests {
    use super::{File, misplaced_keys};

    #[test]
    fn a_planted_key_is_found() {
        let key = |end: &str| {
            format!("-----BEGIN RSA PRIVATE {}-----{end}{}{end}x", "KEY", "Ab9+".repeat(20))
        };
        for (path, text, count) in [
            ("host/src/x.rs", key("\n"), 1),
            ("host/src/x.rs", key("\\n"), 1),
            ("tests/fixtures/TEST-ONLY-x.pem", key("\r\n"), 0),
            ("tests/fixtures/x.pem", key("\n"), 2),
            ("tests/fixtures/x.pem", String::new(), 1),
            ("tests/walls/TEST-ONLY-x.pem", String::new(), 1),
            (
                "host/src/x.rs",
                format!("text.contains(\"PRIVATE {}-----\") {}", "KEY", "a".repeat(99)),
                0,
            ),
        ] {
            let file = File { path: path.to_owned(), text };
            assert_eq!(misplaced_keys(&file).len(), count, "{path}");
        }
    }
}
