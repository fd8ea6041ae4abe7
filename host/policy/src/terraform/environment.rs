//! Which variables of the environment inputs may set: [`EnvironmentPattern`], and the one table of those that are reserved.

use crate::mistake::quoted;
use crate::pattern::Pattern;
use crate::reader::Complaint;
use std::fmt;

/// Longest name of a variable. Attack: none; nobody has longer ones.
const NAME_MAX: usize = 256;

/// An entry of `environment`: a name, or a pattern that stands for names that are not reserved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvironmentPattern(Pattern);

/// Names that no pattern stands for: a row of [`ReservedName::TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedName {
    /// The name, or a pattern of names, in upper case; any case is meant, since Windows knows no difference, nor do those who
    /// read `http_proxy`.
    pub name: &'static str,
    /// Whether it can't be granted even by its own name.
    pub never: bool,
    /// What could be done with it.
    pub reason: &'static str,
}

const fn never(name: &'static str, reason: &'static str) -> ReservedName {
    ReservedName { name, never: true, reason }
}

const fn by_name(name: &'static str, reason: &'static str) -> ReservedName {
    ReservedName { name, never: false, reason }
}

#[rustfmt::skip]
const TABLE: &[ReservedName] = &[
    never("BASH_FUNC_*", "defines functions in every shell"),
    never("BLOCKHOUSE_*", "is ours"),
    never("HOME", "is the run's own directory, where nobody else's credentials are"),
    never("MESHSTACK_*", "is ours: scripts answer through files that these name"),
    never("PATH", "chooses the programs that are executed"),
    never("PWD", "is the run's own directory"),
    never("TEMP", "is the run's own directory"),
    never("TERRAFORM_CONFIG", "replaces the CLI configuration, and with it which providers are allowed"),
    never("TF_CLI_CONFIG_FILE", "replaces the CLI configuration, and with it which providers are allowed"),
    never("TF_DATA_DIR", "lets files of the repository pose as installed providers and modules"),
    never("TF_REATTACH_PROVIDERS", "makes a process that already runs the provider"),
    never("TMP", "is the run's own directory"),
    never("TMPDIR", "is the run's own directory"),
    never("USERPROFILE", "is the run's own directory, where nobody else's credentials are"),
    by_name("*_PROXY", "sends requests through another system"),
    by_name("BASH_ENV", "is executed by every shell"),
    by_name("CHECKPOINT_DISABLE", "decides whether HashiCorp is told of each run"),
    by_name("COMSPEC", "chooses the program that is the shell on Windows"),
    by_name("CURL_*", "changes whom requests trust"),
    by_name("DYLD_*", "loads code into every process on macOS"),
    by_name("ENV", "is executed by every shell"),
    by_name("GCONV_PATH", "loads code into every process"),
    by_name("GIT_*", "chooses programs that git executes, and where it looks for repositories"),
    by_name("GO*", "changes how Go programs run"),
    by_name("IFS", "changes how scripts are read"),
    by_name("JAVA_TOOL_OPTIONS", "loads code into Java programs"),
    by_name("LD_*", "loads code into every process"),
    by_name("LOCPATH", "changes what every process reads"),
    by_name("NIX_*", "changes what Nix executes and trusts"),
    by_name("NODE_*", "loads code into Node programs and changes whom they trust"),
    by_name("NO_PROXY", "takes requests past the proxy"),
    by_name("PATHEXT", "chooses the programs that are executed on Windows"),
    by_name("PERL*", "loads code into Perl programs"),
    by_name("PROMPT_COMMAND", "is executed by shells"),
    by_name("PS4", "is executed by shells that trace"),
    by_name("PYTHON*", "loads code into Python programs"),
    by_name("REQUESTS_CA_BUNDLE", "changes whom requests trust"),
    by_name("RUBY*", "loads code into Ruby programs"),
    by_name("SHELL", "chooses the program that is the shell"),
    by_name("SHELLOPTS", "changes how scripts are read"),
    by_name("SSH_*", "chooses programs that ssh executes, and whose keys it uses"),
    by_name("SSL_CERT_*", "changes whom requests trust"),
    by_name("SYSTEMROOT", "chooses the libraries of every process on Windows"),
    by_name("TF_CLI_ARGS*", "adds options to every command, such as `-lock=false`"),
    by_name("TF_ENCRYPTION", "executes programs (OpenTofu's external key providers), and decides who can read state"),
    by_name("TF_HTTP_*", "sends state and its credentials to another system"),
    by_name("TF_IGNORE", "prints what is packed"),
    by_name("TF_INPUT", "asks questions that nobody answers"),
    by_name("TF_LOG*", "prints requests with their credentials, into files if wanted"),
    by_name("TF_PLUGIN_*", "shares providers between runs, or lets them go unverified"),
    by_name("TF_REGISTRY_*", "changes how often and how long registries are asked"),
    by_name("TF_SKIP_*", "skips checks"),
    by_name("TF_TOKEN_*", "is a credential for registries"),
    by_name("TF_WORKSPACE", "chooses the state, perhaps that of another block"),
    by_name("WINDIR", "chooses the libraries of every process on Windows"),
    by_name("XDG_*", "chooses configuration files of git, OpenTofu and others"),
];

impl ReservedName {
    /// All of them, those that can't be granted first.
    pub const TABLE: &[Self] = TABLE;

    /// What reserves a name; of several the strictest.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        let upper = name.to_ascii_uppercase();
        TABLE.iter().find(|reserved| Pattern::new(reserved.name).matches(&upper))
    }
}

impl EnvironmentPattern {
    /// Whether this grants a name that [`is_name`].
    pub(crate) fn matches(&self, name: &str) -> bool {
        // SECURITY: terraform::environment::reserved_names_are_granted_by_name_or_never
        match ReservedName::of(name) {
            None => self.0.matches(name),
            Some(reserved) => !reserved.never && self.0.as_str() == name,
        }
    }

    /// Whether this matches every name that `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let name = other.0.as_str();
        if name.contains('*') { self.0.covers(&other.0) } else { self.matches(name) }
    }

    /// `*`
    pub(super) fn any() -> Self {
        Self(Pattern::new("*"))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let is_fine = |c: char| c == '*' || c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !text.chars().all(is_fine) || text.len() > NAME_MAX {
            let message = format!("{} is not the name of a variable", quoted(text));
            return Err(Complaint::new(message));
        }
        if !text.contains('*') {
            if let Some(reserved) = ReservedName::of(text).filter(|reserved| reserved.never) {
                let message = format!("{} can't be granted: it {}", quoted(text), reserved.reason);
                return Err(Complaint::new(message));
            }
            return Ok(Self(Pattern::new(text)));
        }
        let upper = Pattern::new(text.to_ascii_uppercase());
        let covered = |reserved: &&ReservedName| Pattern::new(reserved.name).covers(&upper);
        if let Some(reserved) = TABLE.iter().find(covered) {
            let message = format!("{} stands for no name that a pattern grants", quoted(text));
            let hint = if reserved.never {
                format!("`{}` can't be granted: it {}", reserved.name, reserved.reason)
            } else {
                format!("name each variable in full: `{}` {}", reserved.name, reserved.reason)
            };
            return Err(Complaint::new(message).with_hint(hint));
        }
        Ok(Self(Pattern::new(text)))
    }
}

impl fmt::Display for EnvironmentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a variable can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        EnvironmentPattern::parse(pattern).expect(pattern).matches(name)
    }

    #[test]
    fn reserved_names_are_granted_by_name_or_never() {
        for name in [
            "LD_PRELOAD",
            "ld_preload",
            "TF_CLI_ARGS_apply",
            "https_proxy",
            "GIT_SSH_COMMAND",
            "TF_LOG",
            "BASH_ENV",
            "NODE_OPTIONS",
            "TF_WORKSPACE",
            "TF_HTTP_ADDRESS",
            "Ssl_Cert_File",
            "NO_PROXY",
        ] {
            assert!(!matches("*", name), "{name}");
            assert!(matches(name, name), "{name}");
            assert!(!matches(&name.to_ascii_uppercase(), &name.to_ascii_lowercase()), "{name}");
        }
        for name in [
            "PATH",
            "Path",
            "HOME",
            "TMPDIR",
            "temp",
            "TF_DATA_DIR",
            "tf_cli_config_file",
            "BLOCKHOUSE_X",
            "MESHSTACK_USER_MESSAGE",
            "TERRAFORM_CONFIG",
            "TF_REATTACH_PROVIDERS",
        ] {
            assert!(!matches("*", name), "{name}");
            assert!(EnvironmentPattern::parse(name).is_err(), "{name}");
        }
        for name in [
            "ARM_CLIENT_ID",
            "AWS_REGION",
            "region",
            "TF_VAR_x",
            "PATHS",
            "my.var",
            "environment",
            "GITHUB_TOKEN",
        ] {
            assert!(matches("*", name), "{name}");
        }
        assert!(
            matches("ARM_*", "ARM_X") && !matches("ARM_*", "AWS_X") && !matches("ARM_*", "arm_x")
        );
    }

    #[test]
    fn patterns_that_grant_nothing_are_mistakes() {
        for text in [
            "LD_*",
            "ld_*",
            "GIT_SSH_*",
            "TF_CLI_ARGS_*",
            "BLOCKHOUSE_*",
            "x_PROXY*_PROXY",
            "A B",
            "A=B",
            "A\0",
            "ä",
        ] {
            assert!(EnvironmentPattern::parse(text).is_err(), "{text:?}");
        }
        for text in ["TF_*", "*", "L*", "ARM_*"] {
            assert!(EnvironmentPattern::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn covering_pattern_grants_all_that_the_covered_grants() {
        let pattern = |text| EnvironmentPattern::parse(text).expect("right");
        assert!(pattern("*").covers(&pattern("ARM_*")) && pattern("*").covers(&pattern("ARM_X")));
        assert!(
            !pattern("*").covers(&pattern("TF_LOG"))
                && pattern("TF_LOG").covers(&pattern("TF_LOG"))
        );
        assert!(!pattern("ARM_*").covers(&pattern("*")));
    }

    #[test]
    fn reserved_names_stand_once_and_in_order() {
        let keys: Vec<_> = ReservedName::TABLE.iter().map(|row| (!row.never, row.name)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for row in ReservedName::TABLE {
            assert_eq!(row.name, row.name.to_ascii_uppercase());
            assert!(!row.reason.is_empty(), "{}", row.name);
        }
    }
}
