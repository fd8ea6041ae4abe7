//! Starts git with nothing of ours but what it needs: [`Call`]. And tells what its complaints mean.

use super::url::{RepositoryUrl, Transport};
use super::{Config, GitError, HttpsCredentials};
use crate::excerpt::clip;
use crate::process::{Leash, ProcessError, Program, Surroundings};
use secrecy::{ExposeSecret as _, SecretString};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of git's own words that are shown.
const COMPLAINT_MAX: usize = 2000;

/// A server that sends fewer than a thousand bytes a second for this long has stalled.
const STALLED: Duration = Duration::from_secs(60);

/// Settings of every call. What a repository could choose to have done is off.
const SETTINGS: &[(&str, &str)] = &[
    ("core.askPass", ""),
    ("core.fsmonitor", "false"),
    // SECURITY: walls::sources::hooks_filters_and_submodules_do_nothing
    ("core.hooksPath", "/dev/null"),
    ("credential.helper", ""),
    // Mistakes in old history that nothing of ours reads. What could hurt stays an error.
    ("fetch.fsck.badDate", "ignore"),
    ("fetch.fsck.badEmail", "ignore"),
    ("fetch.fsck.badName", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingEmail", "ignore"),
    ("fetch.fsck.missingNameBeforeEmail", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.fsck.missingSpaceBeforeEmail", "ignore"),
    ("fetch.fsck.zeroPaddedDate", "ignore"),
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.recurseSubmodules", "false"),
    // Packs stay as they come; a mirror of many is made anew.
    ("fetch.unpackLimit", "1"),
    ("fetch.writeCommitGraph", "false"),
    ("gc.auto", "0"),
    // Policy was asked about this URL and about no other one. The one redirect that servers need, to `….git`, is tried by us.
    // SECURITY: walls::sources::a_redirect_to_elsewhere_is_not_followed
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.sslVerify", "true"),
    ("maintenance.auto", "false"),
    ("pack.threads", "2"),
    ("protocol.version", "2"),
    ("submodule.recurse", "false"),
    // SECURITY: walls::sources::objects_that_are_not_well_formed_are_refused
    ("transfer.fsckObjects", "true"),
];

/// How git is called for one checkout.
pub(super) struct Call {
    git: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// Where it starts, and its HOME: nothing is there.
    home: PathBuf,
    /// Must not be in what is shown: a server may send back what it got.
    secrets: Vec<SecretString>,
    deadline: Instant,
    timeout: Duration,
    leash: Arc<Leash>,
}

/// Collects settings and the environment.
pub(super) struct CallBuilder<'a> {
    pub(super) config: &'a Config,
    pub(super) url: &'a RepositoryUrl,
    pub(super) https: Option<&'a HttpsCredentials>,
    /// The value of `GIT_SSH_COMMAND`.
    pub(super) ssh: Option<&'a str>,
    /// The authorities' bundle.
    pub(super) ca_bundle: Option<&'a Path>,
    /// An empty directory of our own.
    pub(super) home: &'a Path,
    pub(super) timeout: Duration,
    pub(super) leash: Arc<Leash>,
}

impl CallBuilder<'_> {
    pub(super) fn build(self) -> Call {
        let mut settings: Vec<(String, OsString)> =
            SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        let stalled = STALLED.min(self.timeout).as_secs().max(1);
        settings.push(("http.lowSpeedTime".to_owned(), stalled.to_string().into()));
        let mut secrets = Vec::new();
        let is_https = self.url.transport() == Transport::Https;
        let scoped = |name: &str| format!("http.{}.{name}", self.url.origin());
        if let Some(bundle) = self.ca_bundle.filter(|_| is_https) {
            settings.push(("http.sslCAInfo".to_owned(), bundle.into()));
        }
        // SECURITY: walls::sources::a_token_is_sent_to_its_server_and_shown_nowhere
        if let Some(https) = self.https.filter(|_| is_https) {
            if let Some((user, token)) = &https.basic {
                let pair = format!("{user}:{}", token.expose_secret());
                let pair = data_encoding::BASE64.encode(pair.as_bytes());
                let header = format!("Authorization: Basic {pair}");
                settings.push((scoped("extraHeader"), header.into()));
                secrets.extend([SecretString::from(pair), token.clone()]);
            }
            if let Some((certificate, key)) = &https.client_certificate {
                settings.push((scoped("sslCert"), certificate.into()));
                settings.push((scoped("sslKey"), key.into()));
            }
        }
        let environment = self.environment(settings);
        let deadline = Instant::now() + self.timeout;
        Call {
            git: self.config.git.clone(),
            environment,
            home: self.home.to_owned(),
            secrets,
            deadline,
            timeout: self.timeout,
            leash: self.leash,
        }
    }

    /// Secrets are in here and not among the arguments, which every user of the machine can read.
    fn environment(&self, settings: Vec<(String, OsString)>) -> Vec<(OsString, OsString)> {
        let mut environment: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: &OsStr| environment.push((name.into(), value.to_owned()));
        for (name, value) in [
            ("GIT_ADVICE", "0"),
            // Objects other than files are unpacked whole: a megabyte can become a gigabyte.
            ("GIT_ALLOC_LIMIT", "256m"),
            // SECURITY: walls::sources::urls_that_are_options_or_commands_are_refused
            ("GIT_ALLOW_PROTOCOL", self.url.transport().name()),
            ("GIT_ASKPASS", ""),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_PROTOCOL_FROM_USER", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
            ("SSH_ASKPASS", ""),
            ("SSH_ASKPASS_REQUIRE", "never"),
        ] {
            set(name, value.as_ref());
        }
        for name in ["HOME", "TEMP", "TMP", "TMPDIR", "XDG_CONFIG_HOME"] {
            set(name, self.home.as_os_str());
        }
        if let Some(parent) = self.home.parent() {
            set("GIT_CEILING_DIRECTORIES", parent.as_os_str());
        }
        let beside = self.config.git.parent().filter(|path| path.is_absolute());
        let path = beside.into_iter().map(Path::to_owned);
        let path = path.chain(["/usr/bin", "/bin"].map(PathBuf::from));
        if let Ok(path) = std::env::join_paths(path) {
            set("PATH", &path);
        }
        if let Some(ssh) = self.ssh {
            set("GIT_SSH_COMMAND", ssh.as_ref());
            set("GIT_SSH_VARIANT", "ssh".as_ref());
        }
        for (name, value) in &self.config.proxy {
            set(name, value.as_ref());
        }
        set("GIT_CONFIG_COUNT", settings.len().to_string().as_ref());
        for (index, (name, value)) in settings.into_iter().enumerate() {
            set(&format!("GIT_CONFIG_KEY_{index}"), name.as_ref());
            set(&format!("GIT_CONFIG_VALUE_{index}"), &value);
        }
        environment
    }
}

/// The option that names a repository.
pub(super) fn git_dir(mirror: &Path) -> OsString {
    let mut argument = OsString::from("--git-dir=");
    argument.push(mirror);
    argument
}

/// What one call of git may write.
#[derive(Clone, Copy)]
pub(super) struct Writes {
    /// Bytes of its output.
    pub(super) output: usize,
    /// Bytes of a file.
    pub(super) file: Option<u64>,
}

impl Call {
    /// Runs git to its end.
    pub(super) fn run(
        &self,
        arguments: &[&OsStr],
        stdin: &[u8],
        writes: Writes,
    ) -> Result<Vec<u8>, GitError> {
        let stdin = [stdin];
        let program = Program { stdin: &stdin, ..self.program(arguments, writes.output) };
        let surroundings = Surroundings { file_max: writes.file, ..self.surroundings() };
        program.run_in(&surroundings).map_err(|error| self.explain(error))
    }

    /// Talks with git about the objects of a mirror.
    pub(super) fn batch<T: Send, E: Send + From<GitError>>(
        &self,
        mirror: &Path,
        talk: impl FnOnce(ChildStdin, ChildStdout) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let git_dir = git_dir(mirror);
        let arguments: [&OsStr; 3] = [&git_dir, "cat-file".as_ref(), "--batch".as_ref()];
        let talked = self.program(&arguments, 0).converse(&self.surroundings(), talk);
        talked.map_err(|error| self.explain(error))?
    }

    /// How much time there is.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// An error once the time is over or the checkout is stopped.
    pub(super) fn check(&self) -> Result<(), GitError> {
        if self.leash.is_cut() {
            return Err(GitError::Aborted);
        }
        if self.left().is_zero() {
            return Err(self.too_late());
        }
        Ok(())
    }

    fn program<'a>(&'a self, arguments: &[&OsStr], stdout_max: usize) -> Program<'a> {
        Program {
            path: &self.git,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            stdin: &[],
            stdout_max,
            timeout: self.left(),
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            directory: Some(&self.home),
            environment: &self.environment,
            file_max: None,
            leash: Some(&self.leash),
        }
    }

    pub(super) fn too_late(&self) -> GitError {
        let allowed = humantime::format_duration(self.timeout);
        GitError::Timeout(format!("the sources were not there within {allowed}"))
    }

    fn explain(&self, error: ProcessError) -> GitError {
        match error {
            ProcessError::Ended { stderr, status, .. } => {
                let mut text = stderr;
                for secret in &self.secrets {
                    text = text.replace(secret.expose_secret(), "[secret]");
                }
                if text.trim().is_empty() {
                    text = format!("git ended with {status}");
                }
                classify(&text)
            }
            ProcessError::Start { source, path } => {
                GitError::Fault(format!("failed to start `{}`: {source}", path.display()))
            }
            ProcessError::Stopped { .. } => GitError::Aborted,
            ProcessError::Streams { source, .. } => {
                GitError::Fault(format!("failed to follow git: {source}"))
            }
            ProcessError::Timeout { .. } => self.too_late(),
            ProcessError::TooMuchOutput { .. } => {
                GitError::TooLarge("git lists more than can be looked at".to_owned())
            }
        }
    }
}

/// What git's words, in English, mean for a run. They come from the server too, and are shown without control characters.
fn classify(text: &str) -> GitError {
    let text = without_credentials(&clip(text.trim(), COMPLAINT_MAX));
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["host key verification failed", "host key is known for", "no matching host key"]) {
        return GitError::Failed(format!(
            "the server's host key is not the one that was expected, or none is known: {text}"
        ));
    }
    if has(&["terminal prompts disabled", "authentication failed", "returned error: 401"]) {
        return GitError::Failed(format!("the server wants credentials, or others: {text}"));
    }
    if has(&["permission denied", "returned error: 403", "access denied"]) {
        return GitError::Failed(format!("the server denies access: {text}"));
    }
    if has(&["returned error: 30", "redirect"]) {
        return GitError::Failed(format!(
            "the server redirects, which is not followed; use the URL that it redirects to: {text}"
        ));
    }
    if has(&["operation too slow", "timed out", "timeout"]) {
        return GitError::Timeout(format!("the server did not answer in time: {text}"));
    }
    if has(&["repository not found", "' not found", "does not appear to be a git repository"]) {
        return GitError::NotFound(format!("there is no such repository: {text}"));
    }
    GitError::Failed(text)
}

/// Whether the server only gives what it advertises, or can't leave history out.
pub(super) fn wants_everything(error: &GitError) -> bool {
    let GitError::Failed(text) = error else { return false };
    let words = ["unadvertised object", "not our ref", "shallow", "does not support --depth"];
    words.iter().any(|word| text.contains(word))
}

/// Whether what we have may be what is wrong.
pub(super) fn is_damage(error: &GitError) -> bool {
    let GitError::Failed(text) = error else { return false };
    let words = [
        "corrupt",
        "missing",
        "bad object",
        "unable to read",
        "packfile",
        "index file",
        "all necessary objects",
        "not a git repository",
        "unable to parse",
        "inflate",
        ".lock'",
    ];
    let is_remote = ["the server ", "fatal: unable to access", "remote: "];
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    !has(&is_remote) && has(&words)
}

/// Whether the server wants another URL.
pub(super) fn is_redirect(error: &GitError) -> bool {
    matches!(error, GitError::Failed(text) if text.starts_with("the server redirects"))
}

/// Takes out what is between `://` and `@` in the URLs of a text.
fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c == '/' || c == '\'' || c.is_whitespace());
        let authority = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
        let skipped = authority.rfind('@').map_or(0, |at| at + 1);
        rest = after.get(skipped..).unwrap_or_default();
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_git_become_kinds_of_errors() {
        type Is = fn(&GitError) -> bool;
        let not_found: Is = |error| matches!(error, GitError::NotFound(_));
        let failed: Is = |error| matches!(error, GitError::Failed(_));
        let timeout: Is = |error| matches!(error, GitError::Timeout(_));
        for (text, is) in [
            ("fatal: repository 'https://h/x/' not found", not_found),
            (
                "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
                not_found,
            ),
            ("fatal: '/x' does not appear to be a git repository", not_found),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", failed),
            ("git@h: Permission denied (publickey).", failed),
            ("Host key verification failed.", failed),
            (
                "fatal: unable to access 'https://h/x/': The requested URL returned error: 403",
                failed,
            ),
            ("fatal: unable to access 'x': Operation too slow. Less than 1000 bytes/sec", timeout),
            ("ssh: connect to host h port 22: Connection timed out", timeout),
        ] {
            assert!(is(&classify(text)), "{text}: {:?}", classify(text));
        }
    }

    #[test]
    fn redirects_and_servers_that_give_nothing_bare_are_told_apart() {
        assert!(is_redirect(&classify("fatal: x: The requested URL returned error: 301")));
        assert!(!is_redirect(&classify("fatal: x: The requested URL returned error: 500")));
        for text in [
            "error: Server does not allow request for unadvertised object 1234",
            "fatal: remote error: upload-pack: not our ref 1234",
            "fatal: dumb http transport does not support shallow capabilities",
        ] {
            assert!(wants_everything(&classify(text)), "{text}");
        }
    }

    #[test]
    fn credentials_in_urls_are_not_shown() {
        for (text, shown) in [
            ("at 'https://u:p@h/x' and http://t@h", "at 'https://h/x' and http://h"),
            ("https://h/a@b", "https://h/a@b"),
            ("https://a:p@ss@h", "https://h"),
            ("://", "://"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
