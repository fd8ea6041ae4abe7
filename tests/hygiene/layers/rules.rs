//! One file against the tables.

use super::table::{Layer, Tables, View};
use crate::rust::{Named, Rust};

/// The file that is checked.
pub(super) struct Place<'a> {
    /// Such as `meshstack::wire`.
    pub(super) module: &'a str,
    pub(super) path: &'a str,
    /// Whether all of it is test code.
    pub(super) is_test: bool,
}

impl Place<'_> {
    /// The module of the crate that the file belongs to.
    fn top(&self) -> &str {
        self.module.split_once("::").map_or(self.module, |(top, _)| top)
    }

    /// Whether the file is this module or below it.
    fn is_in(&self, module: &str) -> bool {
        self.module
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// Everything in this file that the tables don't allow.
pub(super) fn check(tables: &Tables, place: &Place<'_>, rust: &Rust) -> Vec<String> {
    let Some(layer) = tables.layer(place.top()) else {
        return vec![format!("{}: `{}` is in no layer", place.path, place.top())];
    };
    let mut found = Vec::new();
    let mut add = |offset: usize, what: String| {
        found.push(format!("{}:{}: {what}", place.path, rust.line(offset)));
    };
    for path in rust.paths() {
        let is_test = place.is_test || rust.is_test(path.offset);
        if let Some(wrong) = wrong_import(tables, layer, place, &path, is_test) {
            add(path.offset, wrong);
        }
    }
    for only in &tables.only {
        if only.modules.iter().any(|module| place.is_in(module)) {
            continue;
        }
        for used in &only.uses {
            let offsets = uses(rust, used).into_iter();
            let counts =
                |offset: &usize| !(only.tests_aside && (place.is_test || rust.is_test(*offset)));
            for offset in offsets.filter(counts) {
                let modules = match only.modules.as_slice() {
                    [] => "nobody".to_owned(),
                    modules => format!("`{}` only", modules.join("`, `")),
                };
                add(offset, format!("`{used}` is for {modules}"));
            }
        }
    }
    found.sort();
    found
}

fn wrong_import(
    tables: &Tables,
    layer: &Layer,
    place: &Place<'_>,
    path: &Named,
    is_test: bool,
) -> Option<String> {
    let own = place.top();
    if path.has(&["super", "super"]) || path.has(&["crate", "*"]) {
        return Some(format!("`{}`: name it from `crate`", path.segments.join("::")));
    }
    let is_banned = |path: &[String]| {
        let named = path.join("::");
        let excepted = layer.excepted.iter().any(|excepted| named.starts_with(excepted.as_str()));
        !is_test && !excepted && path.first().is_some_and(|first| layer.banned.contains(first))
    };
    // In a file at the top, outside of its tests, `super` is the crate; the program sees the library by its name.
    let is_crate = match path.first() {
        "crate" => true,
        "super" => own == place.module && !is_test,
        "blockhouse" => own == "main",
        _ => false,
    };
    let level = layer.level;
    if !is_crate {
        let name = path.first();
        return is_banned(&path.segments)
            .then(|| format!("L{level} `{own}` uses the crate `{name}`"));
    }
    let target = path.segments.get(1).filter(|target| *target != own)?;
    let what = format!("L{level} `{own}` uses `{}`", path.segments[1..].join("::"));
    match tables.view(own, target)? {
        View::Above => Some(format!("{what}, which is above it")),
        View::Beside if !is_test => Some(format!("{what}, which is beside it")),
        _ if is_banned(&path.segments[1..]) => {
            Some(format!("{what}, which its layer may not import"))
        }
        _ => None,
    }
}

/// Where the code uses a keyword, a crate, a path, or a condition such as `cfg(unix)`.
fn uses(rust: &Rust, what: &str) -> Vec<usize> {
    if let Some(condition) = what.strip_prefix("cfg(").and_then(|rest| rest.strip_suffix(')')) {
        let attributes = rust.attributes().filter(|(_, text)| text.contains("cfg"));
        let macros = rust
            .find("cfg!(")
            .map(|offset| (offset, rust.code[offset..].split(')').next().unwrap_or("")));
        return attributes
            .chain(macros)
            .filter(|(_, text)| has_word(text, condition))
            .map(|(offset, _)| offset)
            .collect();
    }
    let parts: Vec<_> = what.split("::").collect();
    match parts.as_slice() {
        ["unsafe"] => {
            rust.words().filter(|(_, word)| *word == what).map(|(offset, _)| offset).collect()
        }
        [name] => rust
            .paths()
            .iter()
            .filter(|path| path.first() == *name)
            .map(|path| path.offset)
            .collect(),
        parts => {
            rust.paths().iter().filter(|path| path.has(parts)).map(|path| path.offset).collect()
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::{Place, Rust, Tables, check};

    const TABLES: &str = "\
        //! | layer | modules | may not import |\n\
        //! |---|---|---|\n\
        //! | L0 words | `run`, `outcome` → `timeline` | `tokio` |\n\
        //! | L1 means | `shutdown` → `os` | `run`, `outcome` except `outcome::Reason` |\n\
        //! | L2 walls | `sandbox` ⇄ `capability` | |\n\
        //! | L3 stages | `poll` → `admit` | |\n\
        //! | L3 sink | `report` | |\n\
        //! | L4 top | `main` | |\n\
        //!\n\
        //! | only in | may be used |\n\
        //! |---|---|\n\
        //! | `sandbox` | `wasmtime` |\n\
        //! | `os` (tests aside) | `cfg(unix)` |\n\
        //! | `os` | `unsafe` |\n\
        //! | – | `process::Command` |\n";

    #[track_caller]
    fn check_in(module: &str, text: &str) -> Vec<String> {
        let place = Place { module, path: "f.rs", is_test: false };
        check(&Tables::parse(TABLES).unwrap(), &place, &Rust::new(text))
    }

    #[test]
    fn a_planted_violation_is_found() {
        for (module, text, expected) in [
            (
                "run",
                "\nuse crate::admit::X;",
                "f.rs:2: L0 `run` uses `admit::X`, which is above it",
            ),
            (
                "run",
                "fn f() { crate::{os::f}() }",
                "f.rs:1: L0 `run` uses `os::f`, which is above it",
            ),
            ("run", "use super::poll;", "f.rs:1: L0 `run` uses `poll`, which is above it"),
            (
                "run",
                "use crate::outcome::X;",
                "f.rs:1: L0 `run` uses `outcome::X`, which is beside it",
            ),
            (
                "outcome",
                "use crate::timeline::X;",
                "f.rs:1: L0 `outcome` uses `timeline::X`, which is above it",
            ),
            ("run::json", "use tokio::time;", "f.rs:1: L0 `run` uses the crate `tokio`"),
            (
                "os",
                "use crate::run::X;",
                "f.rs:1: L1 `os` uses `run::X`, which its layer may not import",
            ),
            (
                "os",
                "use crate::outcome::X;",
                "f.rs:1: L1 `os` uses `outcome::X`, which its layer may not import",
            ),
            (
                "poll",
                "use crate::{run, admit::X};",
                "f.rs:1: L3 `poll` uses `admit::X`, which is above it",
            ),
            (
                "report",
                "use crate::poll::X;",
                "f.rs:1: L3 `report` uses `poll::X`, which is beside it",
            ),
            ("poll", "use super::super::run;", "f.rs:1: `super::super::run`: name it from `crate`"),
            ("poll", "use crate::*;", "f.rs:1: `crate::*`: name it from `crate`"),
            ("poll", "wasmtime::bindgen!({});", "f.rs:1: `wasmtime` is for `sandbox` only"),
            ("poll", "unsafe { f() }", "f.rs:1: `unsafe` is for `os` only"),
            ("poll", "#[cfg(all(unix, x))] mod a;", "f.rs:1: `cfg(unix)` is for `os` only"),
            ("poll", "if cfg!(unix) {}", "f.rs:1: `cfg(unix)` is for `os` only"),
            (
                "os",
                "use std::process::{self, Command};",
                "f.rs:1: `process::Command` is for nobody",
            ),
            (
                "poll",
                "#[cfg(test)] mod t { use crate::admit; }",
                "f.rs:1: L3 `poll` uses `admit`, which is above it",
            ),
            ("new", "", "f.rs: `new` is in no layer"),
        ] {
            assert_eq!(check_in(module, text), [expected], "{module}: {text}");
        }
    }

    #[test]
    fn what_the_tables_allow_is_no_violation() {
        for (module, text) in [
            ("timeline", "use crate::{run::X, outcome::Y};"),
            ("shutdown", "use crate::outcome::Reason;"),
            ("os::unix", "use crate::shutdown::X; use super::Y; unsafe { } #[cfg(unix)] mod a;"),
            ("sandbox", "use crate::capability::X; use wasmtime::Y;"),
            ("capability", "use crate::sandbox::X;"),
            (
                "admit",
                "use crate::poll::X; use crate::admit::Y; // crate::report\nlet x = \"wasmtime::Y\";",
            ),
            ("report", "#[cfg(test)] mod t { use crate::poll::X; #[cfg(unix)] mod b; }"),
            ("main", "fn main() { blockhouse::report::main() }"),
            ("run", "#[cfg(test)] mod t { use tokio::time; use crate::outcome::X; }"),
        ] {
            assert_eq!(check_in(module, text), [""; 0], "{module}: {text}");
        }
    }

    #[test]
    fn a_row_that_is_not_understood_is_an_error() {
        for text in
            ["", "//! | layer | modules | may not import |\n//! |---|---|---|\n//! | Lx | `a` | |"]
        {
            assert!(Tables::parse(text).is_err(), "{text}");
        }
    }
}
