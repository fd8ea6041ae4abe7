//! Cargo's manifests: one place for versions and lints, and no suite, crate or entry that nothing uses.

use crate::expect_none;
use crate::repository::{File, exists, files, folder, text};
use crate::rust::sources;
use crate::toml::{Key, Table, dependencies};
use std::collections::BTreeSet;

const FROM_WORKSPACE: &[&str] = &["edition", "license", "publish", "rust-version", "version"];

/// Folders of `tests` that aren't a suite, and aren't a package of their own.
const NO_SUITES: &[&str] = &["benches", "bins", "fixtures", "src"];

/// The packages of the workspace. The fuzz targets are none: a sanitizer builds them, and only `cargo fuzz` does.
fn packages() -> impl Iterator<Item = (&'static File, Vec<Table>)> {
    let is_package =
        |file: &&File| file.path.ends_with("/Cargo.toml") && file.path != "host/fuzz/Cargo.toml";
    let manifests = files().iter().filter(is_package);
    manifests.map(|file| (file, Table::all(&file.text)))
}

fn workspace_dependencies() -> Vec<Key> {
    let tables = Table::all(text("Cargo.toml")).into_iter();
    tables
        .filter(|table| table.name == "workspace.dependencies")
        .flat_map(|table| table.keys)
        .collect()
}

#[test]
fn versions_are_in_one_place() {
    let shared = workspace_dependencies();
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    let mut own: Vec<(String, String)> = Vec::new();
    for (file, tables) in packages() {
        for key in dependencies(&tables) {
            let is_shared = shared.iter().any(|shared| shared.name == key.name);
            used.insert(key.name.clone());
            if is_shared && !key.value.contains("workspace = true") {
                found.push(format!(
                    "{}:{}: `{}` has its version in the workspace",
                    file.path, key.line, key.name
                ));
            }
            if !is_shared {
                if let Some((other, _)) =
                    own.iter().find(|(other, name)| *name == key.name && *other != file.path)
                {
                    found.push(format!(
                        "{}:{}: `{}` is in {other}, too: move it to the workspace",
                        file.path, key.line, key.name
                    ));
                }
                own.push((file.path.clone(), key.name.clone()));
            }
        }
    }
    let unused = shared.iter().filter(|key| !used.contains(&key.name));
    found.extend(
        unused.map(|key| format!("Cargo.toml:{}: no package uses `{}`", key.line, key.name)),
    );
    expect_none(found);
}

/// Every word in the code of a package, packages inside of it aside.
fn words(manifest: &File) -> BTreeSet<&'static str> {
    let folders: Vec<_> = packages().map(|(file, _)| folder(&file.path)).collect();
    let is_own = |file: &File| {
        let around = folders.iter().filter(|around| file.path.starts_with(**around));
        around.max_by_key(|around| around.len()) == Some(&folder(&manifest.path))
    };
    let own = sources().filter(|(file, _)| is_own(file));
    own.flat_map(|(_, rust)| rust.words().map(|(_, word)| word)).collect()
}

/// Here for its features only; the manifest says why.
const UNIFIES: &[(&str, &str)] = &[("tests/artifacts/Cargo.toml", "indexmap")];

#[test]
fn every_dependency_is_used() {
    let mut found = Vec::new();
    for (file, tables) in packages() {
        let words = words(file);
        let unused = dependencies(&tables)
            .filter(|key| !words.contains(key.name.replace('-', "_").as_str()))
            .filter(|key| !UNIFIES.contains(&(file.path.as_str(), key.name.as_str())));
        found.extend(
            unused.map(|key| format!("{}:{}: `{}` is not used", file.path, key.line, key.name)),
        );
    }
    expect_none(found);
}

#[test]
fn packages_inherit_from_the_workspace() {
    let mut found = Vec::new();
    for (file, tables) in packages() {
        let has = |table: &str, key: &str| {
            let mut tables = tables.iter().filter(|found| found.name == table);
            tables.any(|table| {
                table.keys.iter().any(|found| found.name == key && found.value.ends_with("= true"))
            })
        };
        if !file.text.contains("[lints]\nworkspace = true\n") {
            found.push(format!("{}: the lints are not the workspace's", file.path));
        }
        for key in FROM_WORKSPACE.iter().filter(|key| !has("package", key)) {
            found.push(format!("{}: `{key}` is not the workspace's", file.path));
        }
    }
    expect_none(found);
}

#[test]
fn no_suite_is_forgotten() {
    let tables = Table::all(text("tests/Cargo.toml"));
    let suites: Vec<_> = tables.iter().filter(|table| table.name == "[test]").collect();
    let mut found = Vec::new();
    for suite in &suites {
        let (name, path) =
            (suite.value("name").unwrap_or_default(), suite.value("path").unwrap_or_default());
        if path != format!("{name}/main.rs") || !exists(&format!("tests/{path}")) {
            found.push(format!("tests/Cargo.toml: the suite `{name}` is not in `{name}/main.rs`"));
        }
    }
    let inside =
        files().iter().filter_map(|file| file.path.strip_prefix("tests/")?.split_once('/'));
    for folder in inside.map(|(folder, _)| folder).collect::<BTreeSet<_>>() {
        let is_package = exists(&format!("tests/{folder}/Cargo.toml"));
        let is_suite = suites.iter().any(|suite| suite.value("name") == Some(folder));
        if !is_package && !is_suite && !NO_SUITES.contains(&folder) {
            found.push(format!("tests/{folder}: no `[[test]]` in tests/Cargo.toml"));
        }
    }
    expect_none(found);
}

#[test]
fn no_bench_is_forgotten() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        let Some((package, bench)) = file.path.split_once("/benches/") else { continue };
        let tables = Table::all(text(&format!("{package}/Cargo.toml")));
        let mut benches = tables.iter().filter(|table| table.name == "[bench]");
        let is_named = |table: &Table| {
            table.value("name") == bench.strip_suffix(".rs")
                && table.value("harness") == Some("false")
        };
        if !bench.contains('/') && !benches.any(is_named) {
            found.push(format!("{}: no `[[bench]]` without a harness", file.path));
        }
    }
    expect_none(found);
}
