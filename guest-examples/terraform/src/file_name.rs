//! The names of files that users' inputs may become: [`check`].

use thiserror::Error;

/// The variables file: loaded by the tool without being asked, and before (so with lower precedence than) those of a repository.
pub(crate) const VARIABLES: &str = "aaaaaa_meshstack-inputs.auto.tfvars.json";

/// Declares the variables that come from the run.
pub(crate) const RUN_VARIABLES: &str = "meshStack_run_vars.tf";

/// What the name of the file with the backend begins with.
pub(crate) const BACKEND: &str = "meshStack_backend";

/// Files with these names would be taken for something that only the host or the tool may write.
const RESERVED: &[&str] =
    &[".terraform", "errored.tfstate", "terraform.tfstate.d", VARIABLES, RUN_VARIABLES];

/// What file systems allow.
const BYTES_MAX: usize = 255;

/// Windows takes these for devices, whatever stands behind a dot.
const DEVICES: &[&str] = &["aux", "clock$", "con", "conin$", "conout$", "nul", "prn"];

/// Why a name is none for a file.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum FileNameError {
    #[error("it is the name of a device on Windows")]
    Device,
    #[error("it is empty")]
    Empty,
    #[error("it ends in a dot or a space, or begins with a space")]
    End,
    #[error("it is longer than {BYTES_MAX} bytes")]
    Long,
    #[error("a file of that name is written by the runner or the tool itself")]
    Reserved,
    #[error(
        "it has a character that is not plain: a separator, a colon, a quote, a wildcard or a control character"
    )]
    Special,
}

/// Whether this is a plain relative file name, on every system.
// SECURITY: terraform::file_name::tests::hostile_names_are_refused
pub(crate) fn check(name: &str) -> Result<(), FileNameError> {
    if name.is_empty() {
        return Err(FileNameError::Empty);
    }
    if name.len() > BYTES_MAX {
        return Err(FileNameError::Long);
    }
    let is_special = |c: char| {
        c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    if name.chars().any(is_special) {
        return Err(FileNameError::Special);
    }
    // Also `.` and `..`.
    if name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err(FileNameError::End);
    }
    let lower = name.to_lowercase();
    if is_device(&lower) {
        return Err(FileNameError::Device);
    }
    let is_reserved = RESERVED.iter().any(|reserved| reserved.to_lowercase() == lower);
    if is_reserved || lower.starts_with(&BACKEND.to_lowercase()) {
        return Err(FileNameError::Reserved);
    }
    Ok(())
}

fn is_device(lower: &str) -> bool {
    let stem = lower.split('.').next().unwrap_or_default().trim_end();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|number| {
        let mut digits = number.chars();
        matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
    });
    is_port || DEVICES.contains(&stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "...",
            "a/b",
            "/a",
            "../a",
            "a\\b",
            "\\\\server\\share",
            "c:a",
            "C:\\a",
            "a:stream",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            "a ",
            " a",
            "a.",
            "con",
            "NUL",
            "Aux.txt",
            "nul .txt",
            "COM1",
            "lpt9.tf",
            "com¹",
            "CONIN$",
            "clock$",
            "a*",
            "a?",
            "a\"b",
            "<a>",
            "a|b",
            "AAAAAA_meshstack-inputs.auto.tfvars.json",
            "meshstack_RUN_vars.tf",
            "meshStack_backend.tf",
            "meshstack_backend_2.tf",
            "errored.tfstate",
            ".Terraform",
            &"a".repeat(256),
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn plain_names_are_taken() {
        for name in [
            "a",
            "main.tf",
            ".env",
            "-x",
            "a b.txt",
            "ключ.pem",
            "terraform.tfvars",
            "console.log",
            "com10",
            "..a",
            "a..b",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
