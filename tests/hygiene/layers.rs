//! The layers of `host/src`: its crate documentation has them as tables, and every file keeps to them.

mod rules;
mod table;

use crate::expect_none;
use crate::places::is_test_file;
use crate::repository::{File, files, text};
use crate::rust::{Rust, sources};
use crate::toml::{Table, dependencies};
use rules::{Place, check};
use table::Tables;

const ROOT: &str = "host/src/";
const TABLES: &str = "host/src/lib.rs";

fn tables() -> Tables {
    Tables::parse(text(TABLES)).unwrap_or_else(|error| panic!("{TABLES}: {error}"))
}

/// The module of a file, such as `meshstack::wire`; the crate's own root has none.
fn module(path: &str) -> Option<String> {
    let path = path.strip_prefix(ROOT)?.strip_suffix(".rs")?;
    (path != "lib").then(|| path.replace('/', "::"))
}

#[test]
fn every_file_keeps_to_its_layer() {
    let tables = tables();
    let mut found = Vec::new();
    for (file, rust) in sources() {
        let Some(module) = module(&file.path) else { continue };
        let place = Place { module: &module, path: &file.path, is_test: is_test_file(&file.path) };
        found.extend(check(&tables, &place, rust));
    }
    expect_none(found);
}

#[test]
fn every_module_is_in_one_layer() {
    let tables = tables();
    let root = Rust::new(text(TABLES));
    let modules = root.declared_modules().map(|(name, _)| name).chain(["main"]).collect::<Vec<_>>();
    let mut found = Vec::new();
    for module in &modules {
        match tables.layers_of(module) {
            1 => {}
            count => found.push(format!("{TABLES}: `{module}` is in {count} layers")),
        }
    }
    for module in tables.modules().filter(|module| !modules.contains(module)) {
        found.push(format!("{TABLES}: there is no module `{module}`"));
    }
    expect_none(found);
}

#[test]
fn policy_decides_and_does_nothing() {
    let banned: &[&[&str]] = &[
        &["std", "env"],
        &["std", "fs"],
        &["std", "io"],
        &["std", "net"],
        &["std", "process"],
        &["std", "thread"],
        &["Instant", "now"],
        &["SystemTime", "now"],
        &["blockhouse"],
        &["log"],
        &["tokio"],
        &["tracing"],
    ];
    let mut found = Vec::new();
    for (file, rust) in sources().filter(|(file, _)| file.is_in(&["host/policy/src/"])) {
        for path in rust.paths().iter().filter(|path| banned.iter().any(|banned| path.has(banned)))
        {
            let line = rust.line(path.offset);
            found.push(format!("{}:{line}: policy uses `{}`", file.path, path.segments.join("::")));
        }
    }
    if !text("host/policy/src/lib.rs").contains("#![forbid(unsafe_code)]") {
        found.push("host/policy/src/lib.rs: unsafe code is not forbidden".to_owned());
    }
    expect_none(found);
}

#[test]
fn fake_servers_know_nothing_of_the_host() {
    let manifests = ["tests/emulator/Cargo.toml", "tests/remotes/Cargo.toml"];
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_in(&manifests)) {
        for key in dependencies(&Table::all(&file.text)) {
            if ["blockhouse", "blockhouse-policy"].contains(&key.name.as_str()) {
                found.push(format!("{}:{}: depends on the host", file.path, key.line));
            }
        }
    }
    let is_fake = |file: &File| file.is_in(&["tests/emulator/", "tests/remotes/"]);
    for (file, rust) in sources().filter(|(file, _)| is_fake(file)) {
        for path in rust.paths() {
            if ["blockhouse", "blockhouse_policy"].contains(&path.first()) {
                found.push(format!("{}:{}: uses the host", file.path, rust.line(path.offset)));
            }
        }
    }
    expect_none(found);
}
