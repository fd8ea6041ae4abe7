//! The environment of a run's processes: [`Environment`]. Nothing is inherited but what [`INHERITED`] names, and what we set ourselves
//! can't be set by anybody else.

use super::workspace::Paths;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is inherited. `PATH` gets the program's directory in front; proxies and certificate authorities are the machine's business.
pub(super) const INHERITED: [&str; 24] = [
    "ALL_PROXY",
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CUSTOM_CA_CERTS_PATH",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "MESHSTACK_ENDPOINT",
    "MESHSTACK_SKIP_VERSION_CHECK",
    "NIX_CONFIG",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SSH_KNOWN_HOSTS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TF_LOG",
    "TF_LOG_CORE",
    "TF_LOG_PATH",
    "TF_LOG_PROVIDER",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Of those, the ones that name files which processes must be able to read.
const FILES: [&str; 8] = [
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CUSTOM_CA_CERTS_PATH",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSH_KNOWN_HOSTS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// What we set for every process, so that nobody else may.
const OURS: [&str; 25] = [
    "BLOCKHOUSE_OPERATION",
    "CHECKPOINT_DISABLE",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_SSH_COMMAND",
    "GIT_TERMINAL_PROMPT",
    "HOME",
    "LOGNAME",
    "MESHSTACK_USER_MESSAGE",
    "PATH",
    "PWD",
    "TEMP",
    "TF_CLI_CONFIG_FILE",
    "TF_DATA_DIR",
    "TF_HTTP_PASSWORD",
    "TF_HTTP_RETRY_MAX",
    "TF_HTTP_RETRY_WAIT_MAX",
    "TF_HTTP_USERNAME",
    "TF_INPUT",
    "TF_IN_AUTOMATION",
    "TF_WORKSPACE",
    "TMP",
    "TMPDIR",
    "TERRAFORM_CONFIG",
    "USER",
];

/// The longest name of a variable.
const NAME_MAX: usize = 255;

/// Bytes of a name and a value. Linux starts no program with a longer variable (128 KiB with `=` and the end), and does not say which.
const VARIABLE_MAX: usize = 127 << 10;

/// The variables of a run's processes.
#[derive(Default)]
pub(super) struct Environment {
    given: BTreeMap<String, SecretString>,
}

impl Environment {
    /// Sets one for all later processes.
    ///
    /// # Errors
    /// A sentence that says why there can't be such a variable. Policy was not asked.
    pub(super) fn set(&mut self, name: &str, value: SecretString) -> Result<(), String> {
        let is_plain = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(['=', '\0']);
        if !is_plain {
            return Err("the name of a variable must have 1 to 255 bytes and no `=`".to_owned());
        }
        // SECURITY: terraform::environment::what_is_ours_can_not_be_set
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(format!("the variable `{name}` is set by the runner"));
        }
        if value.expose_secret().contains('\0') {
            return Err(format!("the value of the variable `{name}` has a zero byte"));
        }
        if name.len() + value.expose_secret().len() > VARIABLE_MAX {
            return Err(format!(
                "the variable `{name}` is longer than a program can be given, which is {} KiB",
                VARIABLE_MAX >> 10
            ));
        }
        self.given.insert(name.to_owned(), value);
        Ok(())
    }

    /// Those that were set, by name.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// All of them: inherited ones, then those that were set, then ours.
    pub(super) fn all(
        &self,
        inherited: &[(String, String)],
        ours: Vec<(&str, String)>,
    ) -> Vec<(String, String)> {
        let mut all: BTreeMap<String, String> = inherited.iter().cloned().collect();
        for (name, value) in &self.given {
            all.insert(name.clone(), value.expose_secret().to_owned());
        }
        all.extend(ours.into_iter().map(|(name, value)| (name.to_owned(), value)));
        all.into_iter().collect()
    }
}

/// Names only: values are secrets more often than not.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

/// The files among the inherited variables.
pub(super) fn files(inherited: &[(String, String)]) -> impl Iterator<Item = PathBuf> {
    inherited
        .iter()
        .filter(|(name, _)| FILES.contains(&name.as_str()))
        .flat_map(|(_, value)| std::env::split_paths(value))
        // One that isn't there would keep every program from being started.
        .filter(|path| path.is_absolute() && path.exists())
}

/// What every process of a run gets from us. `user` is in `Who` of a lock where the system has no name for the user.
pub(super) fn ours<'a>(
    paths: &Paths,
    cli_configuration: &Path,
    user: &str,
    path: String,
) -> Vec<(&'a str, String)> {
    let text = |path: &Path| path.display().to_string();
    vec![
        ("CHECKPOINT_DISABLE", "1".to_owned()),
        // Nothing that a person has configured for git on this machine, and no questions.
        ("GIT_CONFIG_GLOBAL", text(&paths.secrets.join(GIT_CONFIG))),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ("HOME", text(&paths.home)),
        ("LOGNAME", user.to_owned()),
        ("PATH", path),
        ("PWD", text(&paths.work)),
        ("TEMP", text(&paths.tmp)),
        ("TF_CLI_CONFIG_FILE", text(cli_configuration)),
        // Relative to the working directory: Terraform writes it into plans and states, where the path of one run means nothing to the next.
        ("TF_DATA_DIR", "../data".to_owned()),
        // The backend would give up after three seconds.
        ("TF_HTTP_RETRY_MAX", "20".to_owned()),
        ("TF_HTTP_RETRY_WAIT_MAX", "60".to_owned()),
        ("TF_INPUT", "0".to_owned()),
        ("TF_IN_AUTOMATION", "1".to_owned()),
        ("TMP", text(&paths.tmp)),
        ("TMPDIR", text(&paths.tmp)),
        ("USER", user.to_owned()),
    ]
}

/// The file with git's configuration for downloads of modules, in the directory of secrets.
pub(super) const GIT_CONFIG: &str = "gitconfig";

/// Its content: no hooks, no submodules, no transports that execute anything, no credential helpers.
pub(super) const GIT_CONFIG_TEXT: &str = "\
[core]
	hooksPath = /dev/null
	fsmonitor = false
[credential]
	helper =
[fetch]
	recurseSubmodules = false
[protocol]
	allow = never
[protocol \"https\"]
	allow = always
[protocol \"ssh\"]
	allow = always
[submodule]
	recurse = false
";

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Paths {
        let root = PathBuf::from("/run");
        Paths {
            work: root.join("work"),
            home: root.join("home"),
            tmp: root.join("tmp"),
            data: root.join("data"),
            plan: root.join("plan"),
            secrets: root.join("secrets"),
            operations: root.join("operations"),
            root,
        }
    }

    fn ours_of() -> Vec<(&'static str, String)> {
        ours(&paths(), Path::new("/run/secrets/terraform.rc"), "user", "/bin".to_owned())
    }

    #[test]
    fn what_is_ours_can_not_be_set() {
        let mut environment = Environment::default();
        for (name, _) in ours_of() {
            environment.set(name, "x".into()).unwrap_err();
        }
        for name in ["tf_data_dir", "TF_HTTP_PASSWORD", "GIT_SSH_COMMAND", "TF_WORKSPACE"] {
            environment.set(name, "x".into()).unwrap_err();
        }
        for name in ["", "a=b", "a\0", &"x".repeat(256)] {
            environment.set(name, "x".into()).unwrap_err();
        }
        environment.set("TOKEN", "a\0b".into()).unwrap_err();
        environment.set("TF_VAR_x", "x".into()).unwrap();
    }

    #[test]
    fn ours_come_last_and_of_the_machine_only_what_is_listed_comes_at_all() {
        let pairs = [("PATH", "/usr/bin"), ("TF_LOG", "trace"), ("AWS_SECRET_ACCESS_KEY", "x")];
        let machine = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let inherited = crate::terraform::Config::inherited(machine);
        assert_eq!(inherited.len(), 2);
        let mut environment = Environment::default();
        environment.set("TF_LOG", "off".into()).unwrap();
        let all = environment.all(&inherited, ours_of());
        let find = |wanted: &str| {
            let found: Vec<_> = all.iter().filter(|(name, _)| name == wanted).collect();
            assert!(found.len() < 2, "{wanted} is there twice");
            found.first().map(|(_, value)| value.as_str())
        };
        assert_eq!(find("TF_LOG"), Some("off"));
        assert_eq!(find("PATH"), Some("/bin"));
        assert_eq!(find("AWS_SECRET_ACCESS_KEY"), None);
        assert_eq!(find("TF_DATA_DIR"), Some("../data"));
        assert_eq!(find("HOME"), Some("/run/home"));
    }

    #[test]
    fn values_are_never_shown() {
        let mut environment = Environment::default();
        environment.set("TOKEN", "hunter2".into()).unwrap();
        assert_eq!(format!("{environment:?}"), r#"{"TOKEN"}"#);
    }
}
