//! Mirrors of providers, as `terraform providers mirror` lays them out: [`ProviderMirror`], and the same over https: [`MirrorServer`].

mod server;

pub use server::{MirrorMode, MirrorServer};

use anyhow::{Context as _, Result};
use blockhouse::digest::Digest;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// What is in a provider's archive.
#[derive(Clone, Debug)]
pub enum ProviderProgram {
    /// These files, with any names. What Terraform starts has a name that begins with `terraform-provider-<type>`.
    Files(Vec<(String, Vec<u8>)>),
    /// The provider that tests have: `terraform-provider-blockhousetest`, which Terraform can use.
    Real,
    /// A program that can be installed and started but is no provider: a script for `/bin/sh`.
    Script(String),
}

/// A directory of providers, removed when dropped.
#[derive(Debug)]
pub struct ProviderMirror {
    directory: TempDir,
}

/// A version of a provider, as it was put into a mirror.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MirroredProvider {
    /// Host, namespace and type: `example.com/blockhouse/blockhousetest`.
    pub source: String,
    /// The version.
    pub version: String,
    /// Where its archive is.
    pub archive: PathBuf,
    /// The hash of what is in the archive, as in a lock file: `h1:…`.
    pub h1: String,
    /// The hash of the archive, as in a lock file: `zh:…`.
    pub zh: String,
}

impl MirroredProvider {
    /// What a lock file says of it.
    #[must_use]
    pub fn lock(&self) -> String {
        let Self { source, version, h1, zh, .. } = self;
        format!(
            "provider \"{source}\" {{\n  version = \"{version}\"\n  hashes = [\n    \"{h1}\",\n    \"{zh}\",\n  ]\n}}\n"
        )
    }
}

/// This machine, as archives are named: `linux_amd64`.
#[must_use]
pub fn platform() -> String {
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    };
    format!("{}_{processor}", std::env::consts::OS)
}

impl ProviderMirror {
    /// An empty one.
    ///
    /// # Errors
    /// If there is no place for it.
    pub fn new() -> Result<Self> {
        Ok(Self { directory: tempfile::tempdir()? })
    }

    /// The directory, for `filesystem_mirror`.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a version of a provider into it, in place of what is there.
    ///
    /// # Errors
    /// If files can't be written.
    pub fn add(
        &self,
        source: &str,
        version: &str,
        program: &ProviderProgram,
    ) -> Result<MirroredProvider> {
        let (_, kind) = source.rsplit_once('/').context("a source without a type")?;
        let name = format!("terraform-provider-{kind}_v{version}");
        let files = match program {
            ProviderProgram::Files(files) => files.clone(),
            ProviderProgram::Real => {
                let program = crate::program_named("terraform-provider-blockhousetest");
                vec![(name, fs::read(program)?)]
            }
            ProviderProgram::Script(text) => {
                vec![(name, format!("#!/bin/sh\n{text}\n").into_bytes())]
            }
        };
        let bytes = archive(&files)?;
        let folder = self.path().join(source);
        fs::create_dir_all(&folder)?;
        let platform = platform();
        let file = format!("terraform-provider-{kind}_{version}_{platform}.zip");
        let provider = MirroredProvider {
            source: source.to_owned(),
            version: version.to_owned(),
            archive: folder.join(&file),
            h1: h1(&files),
            zh: format!("zh:{}", hex(&bytes)),
        };
        fs::write(&provider.archive, &bytes)?;
        let hashes = [&provider.h1, &provider.zh];
        let archives = json!({"archives": {platform: {"url": file, "hashes": hashes}}});
        fs::write(folder.join(format!("{version}.json")), archives.to_string())?;
        let index = folder.join("index.json");
        let known = fs::read(&index).unwrap_or_default();
        let mut versions = serde_json::from_slice::<Value>(&known).unwrap_or_else(|_| json!({}));
        if let Some(versions) = versions.as_object_mut() {
            let entry = versions.entry("versions").or_insert_with(|| json!({}));
            entry.as_object_mut().and_then(|entry| entry.insert(version.to_owned(), json!({})));
        }
        fs::write(index, versions.to_string())?;
        Ok(provider)
    }
}

fn archive(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // Not compressed: a test's program has megabytes, and compressing them takes longer than the test.
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in files {
        writer.start_file(name.as_str(), stored.unix_permissions(0o755))?;
        writer.write_all(content)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Hash 1 of Go's `dirhash`, which lock files name.
fn h1(files: &[(String, Vec<u8>)]) -> String {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let list = sorted.iter().fold(String::new(), |mut list, (name, content)| {
        // Writing to a text can't fail.
        let _ = writeln!(list, "{}  {name}", hex(content));
        list
    });
    format!("h1:{}", crate::base64(Digest::of(list.as_bytes()).as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(Digest::of(bytes).as_bytes())
}
