//! Repositories for tests, made by git with a fixed author and date, and trees that git itself would not make.

use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What is committed under a path.
#[derive(Clone, Copy, Debug)]
pub enum GitFile<'a> {
    /// A file that may be executed.
    Executable(&'a [u8]),
    /// A symbolic link to this.
    Link(&'a str),
    /// A submodule.
    Submodule,
    /// A file.
    Text(&'a [u8]),
}

/// A bare repository in a directory of its own, removed when dropped.
#[derive(Debug)]
pub struct GitRepository {
    directory: TempDir,
}

/// `git`, with nothing of this process's environment but its place.
#[expect(clippy::disallowed_methods, reason = "tests make repositories with git")]
#[must_use]
pub fn git() -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test");
        command.env(format!("GIT_{who}_EMAIL"), "test@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command
}

/// The program, by its path.
///
/// # Panics
/// If it is not on PATH.
#[must_use]
pub fn on_path(name: &str) -> PathBuf {
    let found = find_on_path(name);
    assert!(found.is_some(), "there is no `{name}` on PATH");
    found.unwrap_or_default()
}

/// The program, by its path, if there is one.
#[must_use]
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path).map(|place| place.join(&name)).find(|path| path.is_file())
}

impl GitRepository {
    /// An empty one, named `repository.git`.
    ///
    /// # Errors
    /// If git can't make it.
    pub fn new() -> Result<Self> {
        let repository = Self { directory: tempfile::tempdir()? };
        let path = repository.path();
        let init = ["init", "--quiet", "--bare", "--initial-branch=main"].map(OsStr::new);
        run(git().args(init).arg(&path), b"")?;
        Ok(repository)
    }

    /// The repository.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("repository.git")
    }

    /// The directory that it is in, for servers.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Runs git in it and returns what it prints, without white space around it.
    ///
    /// # Errors
    /// If git fails.
    pub fn git(&self, arguments: &[&str], stdin: &[u8]) -> Result<String> {
        let output = run(git().arg("--git-dir").arg(self.path()).args(arguments), stdin)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Commits exactly these files on top of a branch, which is made if need be. Returns the commit.
    ///
    /// # Errors
    /// If git fails.
    pub fn commit(&self, branch: &str, files: &[(&str, GitFile<'_>)]) -> Result<String> {
        let mut stream = Vec::new();
        let reference = format!("refs/heads/{branch}");
        writeln!(stream, "commit {reference}\ncommitter Test <test@example.com> 1700000000 +0000")?;
        writeln!(stream, "data 0")?;
        if let Ok(parent) = self.git(&["rev-parse", "--verify", "--quiet", &reference], b"") {
            writeln!(stream, "from {parent}")?;
        }
        writeln!(stream, "deleteall")?;
        for (path, file) in files {
            let (mode, bytes) = match file {
                GitFile::Executable(bytes) => ("100755", *bytes),
                GitFile::Link(target) => ("120000", target.as_bytes()),
                GitFile::Submodule => {
                    writeln!(stream, "M 160000 {} {}", "1".repeat(40), quoted(path))?;
                    continue;
                }
                GitFile::Text(bytes) => ("100644", *bytes),
            };
            writeln!(stream, "M {mode} inline {}\ndata {}", quoted(path), bytes.len())?;
            stream.extend_from_slice(bytes);
            stream.push(b'\n');
        }
        self.git(&["fast-import", "--quiet", "--force"], &stream)?;
        self.git(&["rev-parse", &reference], b"")
    }

    /// Stores a file.
    ///
    /// # Errors
    /// If git fails.
    pub fn blob(&self, bytes: &[u8]) -> Result<String> {
        self.git(&["hash-object", "-w", "--stdin"], bytes)
    }

    /// Stores a tree of modes, names and ids, whatever the names are.
    ///
    /// # Errors
    /// If git fails.
    pub fn tree(&self, entries: &[(&str, &[u8], &str)]) -> Result<String> {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend(data_encoding::HEXLOWER.decode(id.as_bytes())?);
        }
        self.git(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &bytes)
    }

    /// Makes a tree the content of a branch. Returns the commit.
    ///
    /// # Errors
    /// If git fails.
    pub fn commit_tree(&self, branch: &str, tree: &str) -> Result<String> {
        let mut text = format!("tree {tree}\n");
        for who in ["author", "committer"] {
            writeln!(text, "{who} Test <test@example.com> 1700000000 +0000")?;
        }
        text.push_str("\nx\n");
        let kind = ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"];
        let commit = self.git(&kind, text.as_bytes())?;
        self.git(&["update-ref", &format!("refs/heads/{branch}"), &commit], b"")?;
        Ok(commit)
    }
}

fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Runs it to its end.
fn run(command: &mut Command, stdin: &[u8]) -> Result<Vec<u8>> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("git can't be started")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let output = std::thread::scope(|scope| {
        // If it reads no further, its end says why.
        scope.spawn(move || input.write_all(stdin));
        child.wait_with_output()
    })?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git failed: {stderr}");
    Ok(output.stdout)
}
