//! What the build of the components must not inherit from the build that started it.

use std::env;
use std::process::Command;

/// Prefixes of the variables that change how Cargo builds: those that it sets for build scripts, and the user's own choices
/// for the outer build (another target, another target directory, coverage, sanitizers, a job server).
const PREFIXES: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_LLVM_COV",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "DEP_",
];

const NAMES: &[&str] = &[
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "MAKEFLAGS",
    "MFLAGS",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "__CARGO_DEFAULT_LIB_METADATA",
    "__CARGO_FIX_PLZ",
];

/// Set to nothing rather than removed: an empty value also overrules Cargo's configuration files.
const EMPTY: &[&str] = &["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"];

/// Clears all that could make the components differ from what `cargo build` in a clean shell makes.
pub(super) fn clear(cargo: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_foreign) {
            cargo.env_remove(&name);
        }
    }
    for name in EMPTY {
        cargo.env(name, "");
    }
}

fn is_foreign(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn choices_for_the_outer_build_are_not_passed_on() {
        for name in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "CARGO_MAKEFLAGS"] {
            assert!(is_foreign(name), "{name}");
        }
    }

    #[test]
    fn the_way_to_the_registry_is_passed_on() {
        for name in ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "HTTPS_PROXY"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
