//! How ssh is called: [`SshCommand`], which git and Terraform get as `GIT_SSH_COMMAND`.

use super::{Config, GitError};
use crate::excerpt::line;
use crate::os;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of a key, and of a file of known hosts.
const FILE_MAX: u64 = 1 << 20;

/// A value for `GIT_SSH_COMMAND`: paths and nothing secret.
///
/// The files that it names are in the directory that it was made for, and stay there: whoever made the directory removes them.
#[derive(Clone, Debug)]
pub struct SshCommand {
    /// For `GIT_SSH_COMMAND`.
    pub command: String,
    /// For the operator: that host keys go unchecked.
    pub notes: Vec<String>,
}

impl SshCommand {
    /// Writes the key, the known hosts and a configuration into `directory`, which is ours alone. Blocks.
    pub(super) fn write(
        config: &Config,
        private_key: Option<&SecretString>,
        known_host: Option<&(String, String, String)>,
        directory: &Path,
    ) -> Result<Self, GitError> {
        let fault = |what: &str, source: std::io::Error| {
            GitError::Fault(format!("failed to write {what} for ssh: {source}"))
        };
        let mut notes = Vec::new();
        let known_hosts = directory.join("known_hosts");
        let (is_checked, hosts, algorithms) = hosts(config, known_host, &mut notes)?;
        write(&known_hosts, hosts.as_bytes()).map_err(|error| fault("the known hosts", error))?;
        let key = match private_key {
            None => "none".to_owned(),
            Some(key) => {
                let path = directory.join("key");
                // SECURITY: walls::sources::a_private_key_is_in_no_argument_and_gone_afterwards
                write(&path, with_final_newline(key.expose_secret()).expose_secret().as_bytes())
                    .map_err(|error| fault("the private key", error))?;
                quoted(&path)?
            }
        };
        let file = directory.join("ssh_config");
        let text = configuration(&key, &quoted(&known_hosts)?, is_checked, algorithms.as_deref());
        write(&file, text.as_bytes()).map_err(|error| fault("the configuration", error))?;
        let command = format!("{} -F {}", for_shell(&config.ssh)?, for_shell(&file)?);
        Ok(Self { command, notes })
    }
}

/// Whether host keys are checked, the known ones, and the algorithms that they are limited to.
fn hosts(
    config: &Config,
    known_host: Option<&(String, String, String)>,
    notes: &mut Vec<String>,
) -> Result<(bool, String, Option<String>), GitError> {
    if let Some((host, kind, value)) = known_host {
        let (line, algorithms) = pinned(host, kind, value)?;
        return Ok((true, line, Some(algorithms)));
    }
    if config.insecure_host_keys {
        notes.push(
            "the server's host key was not checked, since the runner is configured so: anybody in between can choose \
             what is fetched"
                .to_owned(),
        );
        return Ok((false, String::new(), None));
    }
    // SECURITY: walls::sources::a_server_with_an_unknown_host_key_is_not_talked_to
    let missing = "no host key is known for this server, so that nobody can say who it is: give the repository's known host, \
                   or configure known hosts for the runner (SSH_KNOWN_HOSTS, or ~/.ssh/known_hosts)";
    let path = config.known_hosts.as_ref().ok_or_else(|| GitError::Failed(missing.to_owned()))?;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok((true, text, None)),
        Err(error) => Err(GitError::Failed(format!("{missing}; `{}`: {error}", path.display()))),
    }
}

/// A line of a file of known hosts, and the algorithms that such a key signs with.
fn pinned(host: &str, kind: &str, value: &str) -> Result<(String, String), GitError> {
    let invalid = |what: &str, text: &str| {
        let text = line(text, 80);
        Err(GitError::Invalid(format!("the {what} of the known host can't be used: `{text}`")))
    };
    let (host, kind, value) = (host.trim(), kind.trim(), value.trim());
    // No patterns, lists, markers or hashes: it is to be this host.
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(is_host) {
        return invalid("name", host);
    }
    let is_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-@.".contains(c);
    if kind.is_empty()
        || kind.starts_with('-')
        || kind.contains("-cert-")
        || !kind.chars().all(is_kind)
    {
        return invalid("key type", kind);
    }
    // A key says itself of which type it is.
    let decoded = data_encoding::BASE64.decode(value.as_bytes()).unwrap_or_default();
    let named = decoded.get(4..).and_then(|rest| rest.get(..kind.len()));
    if named != Some(kind.as_bytes()) {
        return invalid("key", value);
    }
    let algorithms = match kind {
        "ssh-rsa" => "rsa-sha2-512,rsa-sha2-256,ssh-rsa",
        other => other,
    };
    let line = format!("{} {kind} {value}\n", host.to_ascii_lowercase());
    Ok((line, algorithms.to_owned()))
}

/// Everything that a configuration of the user or the machine could say is said here.
fn configuration(key: &str, hosts: &str, is_checked: bool, algorithms: Option<&str>) -> String {
    let check = if is_checked { "yes" } else { "no" };
    let mut text = format!(
        "Host *\n\
         AddKeysToAgent no\n\
         BatchMode yes\n\
         CanonicalizeHostname no\n\
         CheckHostIP no\n\
         ClearAllForwardings yes\n\
         ConnectTimeout 20\n\
         ControlMaster no\n\
         ControlPath none\n\
         EscapeChar none\n\
         ForwardAgent no\n\
         ForwardX11 no\n\
         GlobalKnownHostsFile /dev/null\n\
         GSSAPIAuthentication no\n\
         HostbasedAuthentication no\n\
         IdentitiesOnly yes\n\
         IdentityAgent none\n\
         IdentityFile {key}\n\
         KbdInteractiveAuthentication no\n\
         KnownHostsCommand none\n\
         LogLevel INFO\n\
         PasswordAuthentication no\n\
         PermitLocalCommand no\n\
         PreferredAuthentications publickey\n\
         ProxyCommand none\n\
         RequestTTY no\n\
         ServerAliveCountMax 4\n\
         ServerAliveInterval 15\n\
         StrictHostKeyChecking {check}\n\
         Tunnel no\n\
         User git\n\
         UpdateHostKeys no\n\
         UserKnownHostsFile {hosts}\n\
         VerifyHostKeyDNS no\n"
    );
    if let Some(algorithms) = algorithms {
        let _ = writeln!(text, "HostKeyAlgorithms {algorithms}");
    }
    text
}

/// ssh takes no key without it, nor one with carriage returns, and forms on web pages lose and add them.
fn with_final_newline(key: &str) -> SecretString {
    let mut key = key.replace("\r\n", "\n");
    if !key.ends_with('\n') {
        key.push('\n');
    }
    key.into()
}

/// For ssh's configuration, in which some characters stand for something.
fn quoted(path: &Path) -> Result<String, GitError> {
    let text = path.to_str().filter(|text| !text.contains(['"', '%', '$', '~', '\\']));
    match text.filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Ok(format!("\"{text}\"")),
        None => Err(unusable(path)),
    }
}

/// git has a shell read the command.
fn for_shell(path: &Path) -> Result<String, GitError> {
    let text = path.to_str().filter(|text| !text.contains('\''));
    match text.filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Ok(format!("'{text}'")),
        None => Err(unusable(path)),
    }
}

fn unusable(path: &Path) -> GitError {
    let path = path.display();
    GitError::Fault(format!("`{path}` has characters that ssh's configuration can't express"))
}

/// Replaces what an earlier attempt has left.
fn write(path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    os::create_private_file(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str) -> String {
        let length = u32::try_from(kind.len()).unwrap().to_be_bytes();
        data_encoding::BASE64.encode(&[&length[..], kind.as_bytes(), b"rest"].concat())
    }

    #[test]
    fn a_known_host_pins_its_algorithms() {
        let (line, algorithms) =
            pinned("Host.example", "ssh-ed25519", &key("ssh-ed25519")).unwrap();
        assert_eq!(line, format!("host.example ssh-ed25519 {}\n", key("ssh-ed25519")));
        assert_eq!(algorithms, "ssh-ed25519");
        let (_, algorithms) = pinned("[h]:2222", "ssh-rsa", &key("ssh-rsa")).unwrap();
        assert_eq!(algorithms, "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    }

    #[test]
    fn a_known_host_is_one_host_and_one_key() {
        let good = key("ssh-ed25519");
        for (host, kind, value) in [
            ("*", "ssh-ed25519", &*good),
            ("a,b", "ssh-ed25519", &good),
            ("@cert-authority", "ssh-ed25519", &good),
            ("a b", "ssh-ed25519", &good),
            ("a\nb", "ssh-ed25519", &good),
            ("", "ssh-ed25519", &good),
            ("h", "ssh-rsa", &good),
            ("h", "ssh-ed25519\n* ssh-rsa", &good),
            ("h", "ssh-ed25519-cert-v01@openssh.com", &good),
            ("h", "ssh-ed25519", "AAAA"),
            ("h", "ssh-ed25519", "not base64"),
        ] {
            assert!(
                matches!(pinned(host, kind, value), Err(GitError::Invalid(_))),
                "{host} {kind}"
            );
        }
    }

    #[test]
    fn a_key_gets_the_line_ends_that_ssh_wants() {
        for text in ["a\nb", "a\r\nb\r\n", "a\nb\n"] {
            assert_eq!(with_final_newline(text).expose_secret(), "a\nb\n");
        }
    }

    #[test]
    fn paths_are_quoted_or_refused() {
        assert_eq!(quoted(Path::new("/a b/c")).unwrap(), "\"/a b/c\"");
        assert_eq!(for_shell(Path::new("/a b/$(id)")).unwrap(), "'/a b/$(id)'");
        for path in ["/a\"b", "/a%d", "/${HOME}", "/a\nb"] {
            assert!(quoted(Path::new(path)).is_err(), "{path}");
        }
        for path in ["/a'b", "/a\nb"] {
            assert!(for_shell(Path::new(path)).is_err(), "{path}");
        }
    }
}
