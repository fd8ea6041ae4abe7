//! What a component consists of and asks for, read from its bytes without compiling them: [`Anatomy`]. For `blockhouse inspect`,
//! which is a process of its own: the daemon never parses a component.

use crate::excerpt::line;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload};

/// Bytes of a name that are kept; the component chooses its names.
const NAME_MAX: usize = 200;

/// Imports and exports that a component may have each; those of today's toolchains have some dozens. What is not looked at
/// must not pass for harmless.
const NAMES_MAX: usize = 1_000;

/// What is needed for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The grant of files. Toolchains import the interface even if the program has no use for it, so the import alone is
    /// never refused: without the grant there is no directory.
    Files,
    /// The grant of outbound HTTP. Nobody imports this interface without meaning it.
    Http,
    /// The grant of outbound HTTP, as with files only when it is used: without the grant every request is denied.
    HttpWhenUsed,
    /// The grant of signing with a secret. Nobody imports this interface without meaning it.
    Jwt,
    /// Nothing: it does no harm.
    Nothing,
    /// The grant of Terraform. Nobody imports these interfaces without meaning it.
    Terraform,
    /// It does not exist here, whatever the policy.
    Unknown,
}

/// All that is linked, without versions, and what it needs.
const INTERFACES: &[(&str, Need)] = &[
    ("blockhouse:block/artifacts", Need::Terraform),
    ("blockhouse:block/configuration", Need::Nothing),
    ("blockhouse:block/http", Need::Http),
    ("blockhouse:block/jwt", Need::Jwt),
    ("blockhouse:block/progress", Need::Nothing),
    ("blockhouse:block/sources", Need::Terraform),
    ("blockhouse:block/terraform", Need::Terraform),
    ("blockhouse:block/types", Need::Nothing),
    ("wasi:cli/environment", Need::Nothing),
    ("wasi:cli/exit", Need::Nothing),
    ("wasi:cli/stderr", Need::Nothing),
    ("wasi:cli/stdin", Need::Nothing),
    ("wasi:cli/stdout", Need::Nothing),
    ("wasi:cli/terminal-input", Need::Nothing),
    ("wasi:cli/terminal-output", Need::Nothing),
    ("wasi:cli/terminal-stderr", Need::Nothing),
    ("wasi:cli/terminal-stdin", Need::Nothing),
    ("wasi:cli/terminal-stdout", Need::Nothing),
    ("wasi:clocks/monotonic-clock", Need::Nothing),
    ("wasi:clocks/wall-clock", Need::Nothing),
    ("wasi:filesystem/preopens", Need::Files),
    ("wasi:filesystem/types", Need::Files),
    ("wasi:http/outgoing-handler", Need::HttpWhenUsed),
    ("wasi:http/types", Need::HttpWhenUsed),
    ("wasi:io/error", Need::Nothing),
    ("wasi:io/poll", Need::Nothing),
    ("wasi:io/streams", Need::Nothing),
    ("wasi:random/insecure", Need::Nothing),
    ("wasi:random/insecure-seed", Need::Nothing),
    ("wasi:random/random", Need::Nothing),
];

/// The versions of the packages, up to the part that may differ.
const VERSIONS: &[(&str, &str)] = &[("blockhouse", "0.1."), ("wasi", "0.2.")];

/// What the bytes of a component say about it. Read from hostile bytes: nothing in it is checked beyond its form, which
/// compiling does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// The names of the imports, with versions, in the component's order.
    pub imports: Vec<String>,
    /// The names of the exports.
    pub exports: Vec<String>,
    /// Core modules in it, at all depths.
    pub modules: usize,
    /// Bytes of WebAssembly code in them.
    pub code_bytes: usize,
    /// Bytes of initial data in them.
    pub data_bytes: usize,
    /// Bytes of linear memory that they start with.
    pub memory_bytes: u64,
}

/// The bytes are no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnatomyError {
    /// It is a core module.
    #[error(
        "it is a core module, not a component; `wasm-tools component new` makes a component of it"
    )]
    Module,
    /// It is no WebAssembly at all.
    #[error("it is not WebAssembly")]
    Other,
    /// More imports or exports than are looked at.
    #[error("it has more than {NAMES_MAX} imports or exports")]
    TooMany,
    /// It is broken.
    #[error("it can't be read: {0}")]
    Unreadable(String),
}

impl Need {
    /// What an import such as `wasi:io/poll@0.2.6` needs. Another minor version is another interface.
    #[must_use]
    pub fn of(import: &str) -> Self {
        let (name, version) = import.split_once('@').unwrap_or((import, ""));
        let package = name.split_once(':').map_or("", |(package, _)| package);
        let offered = VERSIONS.iter().find(|(known, _)| *known == package);
        let is_offered = offered.is_some_and(|(_, minor)| version.starts_with(minor));
        let known = INTERFACES.iter().find(|(known, _)| *known == name);
        known.filter(|_| is_offered).map_or(Self::Unknown, |(_, need)| *need)
    }
}

impl Anatomy {
    /// Reads the parts of a component.
    ///
    /// # Errors
    /// [`AnatomyError`] if the bytes have not even the form of one.
    pub fn read(bytes: &[u8]) -> Result<Self, AnatomyError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(AnatomyError::Other);
        }
        let mut anatomy = Self::default();
        // Nested modules and components are read in place, so that the depth tells whose section it is.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(unreadable)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(AnatomyError::Module);
                }
                Payload::CodeSectionStart { size, .. } => {
                    anatomy.code_bytes = anatomy.code_bytes.saturating_add(size as usize);
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        push(&mut anatomy.exports, export.map_err(unreadable)?.name.name)?;
                    }
                }
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        let import = import.map_err(unreadable)?;
                        // A name for a type of another import: nothing that could be had.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            push(&mut anatomy.imports, import.name.name)?;
                        }
                    }
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::DataSection(data) => {
                    anatomy.data_bytes = anatomy.data_bytes.saturating_add(data.range().len());
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let memory = memory.map_err(unreadable)?;
                        let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
                        let bytes = memory.initial.saturating_mul(page);
                        anatomy.memory_bytes = anatomy.memory_bytes.saturating_add(bytes);
                    }
                }
                Payload::ModuleSection { .. } => {
                    depth += 1;
                    anatomy.modules += 1;
                }
                _ => {}
            }
        }
        Ok(anatomy)
    }

    /// The imports that need something, with what they need.
    pub fn needs(&self) -> impl Iterator<Item = (&str, Need)> {
        let needs = self.imports.iter().map(|import| (import.as_str(), Need::of(import)));
        needs.filter(|(_, need)| *need != Need::Nothing)
    }
}

fn push(names: &mut Vec<String>, name: &str) -> Result<(), AnatomyError> {
    if names.len() >= NAMES_MAX {
        return Err(AnatomyError::TooMany);
    }
    names.push(line(name, NAME_MAX));
    Ok(())
}

fn unreadable(error: wasmparser::BinaryReaderError) -> AnatomyError {
    AnatomyError::Unreadable(line(&error.to_string(), NAME_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &[u8] = include_bytes!(env!("MANUAL_COMPONENT"));

    #[test]
    fn an_embedded_component_has_our_interfaces_a_module_and_an_entry() {
        let anatomy = Anatomy::read(MANUAL).unwrap();
        assert!(anatomy.imports.iter().any(|name| name.starts_with("blockhouse:block/progress@")));
        assert!(anatomy.exports.contains(&"execute".to_owned()), "{:?}", anatomy.exports);
        assert!(anatomy.modules > 0 && anatomy.code_bytes > 1_000);
        assert!(anatomy.memory_bytes >= 65_536);
        assert!(anatomy.needs().all(|(_, need)| need != Need::Unknown));
    }

    #[test]
    fn every_prefix_of_a_component_is_read_or_refused() {
        let bytes = MANUAL;
        for end in (0..bytes.len()).step_by(97) {
            let _ = Anatomy::read(&bytes[..end]);
        }
        assert!(Anatomy::read(&bytes[..bytes.len() / 2]).is_err());
    }

    #[test]
    fn a_core_module_is_told_from_a_component() {
        assert_eq!(Anatomy::read(b"\0asm\x01\0\0\0"), Err(AnatomyError::Module));
        for bytes in [&b"(component)"[..], b"", b"#!/bin/sh"] {
            assert_eq!(Anatomy::read(bytes), Err(AnatomyError::Other));
        }
    }

    #[test]
    fn an_import_is_known_by_its_name_and_its_version() {
        assert_eq!(Need::of("wasi:http/types@0.2.9"), Need::HttpWhenUsed);
        assert_eq!(Need::of("blockhouse:block/http@0.1.0"), Need::Http);
        assert_eq!(Need::of("blockhouse:block/jwt@0.1.0"), Need::Jwt);
        for other in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:http/types@0.3.0",
            "wasi:http/types@0.20.0",
            "blockhouse:block/progress@0.2.0",
            "wasi:io/poll",
            "",
        ] {
            assert_eq!(Need::of(other), Need::Unknown, "{other}");
        }
    }
}
