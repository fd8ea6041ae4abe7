//! Builds every component of the workspace and writes a constant for each; see `src/lib.rs`.

#[path = "build/text.rs"]
mod text;

use anyhow::{Context, Result};
use blockhouse_guest_build::{build, depend_on, workspace};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The paths of components by name.
type Components = BTreeMap<String, PathBuf>;

fn main() -> Result<()> {
    let workspace = workspace()?;
    let out = PathBuf::from(env::var("OUT_DIR").context("not run by Cargo")?);
    let guests = workspace.join("tests/guests");
    let examples_directory = workspace.join("guest-examples");
    // Whole folders, so that a new file is noticed.
    for directory in [&guests, &examples_directory, Path::new("build"), Path::new("build.rs")] {
        depend_on(directory);
    }

    let mut example_names = names(&examples_directory, "")?;
    // The library that components are built with is none itself.
    example_names.retain(|name| name != "sdk");
    let mut packages = vec!["guests"];
    packages.extend(example_names.iter().map(String::as_str));
    let built = build(&packages)?;

    let mut walls = Components::new();
    for name in names(&guests.join("src/bin"), "rs")? {
        let component = built.binary(&name)?;
        walls.insert(name, component);
    }
    text::assemble(&workspace.join("wit"), &guests.join("wat"), |name, component| {
        let path = out.join(format!("{name}.wasm"));
        fs::write(&path, component)?;
        walls.insert(name.to_owned(), path);
        Ok(())
    })?;
    let mut examples = Components::new();
    for name in example_names {
        let component = built.cdylib(&name)?;
        examples.insert(name.replace('-', "_"), component);
    }

    let mut code = String::new();
    write_constants(&mut code, "wall", "hostile guest", &walls)?;
    write_constants(&mut code, "example", "example", &examples)?;
    fs::write(out.join("components.rs"), code).context("failed to write the constants")
}

/// The names of the files with this extension; without one, of the folders.
fn names(directory: &Path, extension: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("failed to list `{}`", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let wanted = match extension {
            "" => path.join("Cargo.toml").is_file(),
            _ => path.extension().is_some_and(|found| found == extension),
        };
        if wanted && let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// One constant per component, and a macro that calls another one with each name.
fn write_constants(
    code: &mut String,
    kind: &str,
    what: &str,
    components: &Components,
) -> Result<()> {
    let mut calls = String::new();
    for (name, path) in components {
        let constant = name.to_uppercase();
        writeln!(
            code,
            "/// The {what} `{name}`.\npub const {constant}: &[u8] = include_bytes!({path:?});"
        )?;
        writeln!(calls, "        $each!({name});")?;
    }
    writeln!(
        code,
        "/// Calls a macro with the name of each {what}.\n#[macro_export]\nmacro_rules! foreach_{kind} {{\n    \
         ($each:ident) => {{\n{calls}    }};\n}}"
    )?;
    Ok(())
}
