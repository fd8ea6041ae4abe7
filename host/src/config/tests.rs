//! Loads whole configurations: what is accepted, every mistake that can be made, and what is shown.

use std::collections::HashMap;
use std::fs;

use secrecy::ExposeSecret;

use super::*;

mod accepted;
mod mistaken;
mod shown;

const UUID: &str = "79090ca8-94f8-4e56-b382-6d7db52b7e59";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";

/// A whole configuration with nothing but what is required. The tests append to it.
const LEAST: &str = "\
runnerUuid: 79090ca8-94f8-4e56-b382-6d7db52b7e59
privateKey: some key
api:
  url: https://meshstack.example.com
  clientId: my-client
  clientSecret: s3cret-marker
";

const EMBEDDED: &[EmbeddedComponent<'_>] = &[
    EmbeddedComponent { name: "manual", implementation_types: &["MANUAL"] },
    EmbeddedComponent {
        name: "pipeline",
        implementation_types: &["GITLAB_CICD", "GITLAB_PIPELINE"],
    },
    EmbeddedComponent { name: "hello", implementation_types: &[] },
];

const POLICIES: &[EmbeddedPolicy<'_>] = &[
    EmbeddedPolicy { name: "hello", text: "description = 'h'\n" },
    EmbeddedPolicy {
        name: "manual",
        text: "description = 'm'\n[limits]\nreason = 'r'\nsteps = 7\n",
    },
    EmbeddedPolicy { name: "pipeline", text: "description = 'p'\n" },
];

/// A directory with files, and an environment.
struct Setup {
    directory: tempfile::TempDir,
    env: HashMap<&'static str, String>,
    file: Option<PathBuf>,
    platform: Platform,
}

impl Setup {
    fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            env: HashMap::new(),
            file: None,
            platform: Platform::Unix { root: true },
        }
    }

    fn with(config: &str) -> Self {
        Self::empty().and_file(DEFAULT_FILE, config)
    }

    /// [`LEAST`] and more.
    fn least_and(more: &str) -> Self {
        Self::with(&format!("{LEAST}{more}"))
    }

    fn and_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    fn and_env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn load(&self) -> Result<(Config, Vec<Warning>), Mistakes> {
        Config::load(
            &Sources {
                file: self.file.clone(),
                env: &|name| self.env.get(name).cloned(),
                directory: self.directory.path(),
            },
            &Context {
                embedded: EMBEDDED,
                policies: POLICIES,
                check_private_key: &|key| {
                    let bad = key.expose_secret().contains("BAD");
                    if bad { Err("is not a private key".to_owned()) } else { Ok(()) }
                },
                memory: Some(10 << 30),
                platform: self.platform,
            },
        )
    }

    /// The configuration, which must come without warnings.
    fn config(&self) -> Config {
        let (config, warnings) = self.load().unwrap();
        assert_eq!(warnings, []);
        config
    }

    fn warnings(&self) -> Vec<String> {
        self.load().unwrap().1.iter().map(ToString::to_string).collect()
    }

    fn mistakes(&self) -> Vec<String> {
        self.load().unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn only_mistake(&self) -> String {
        let mistakes = self.mistakes();
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        mistakes.into_iter().next().unwrap()
    }
}

impl Config {
    fn daemon(&self) -> (&api::Config, &SecretString) {
        match &self.mode {
            Mode::Daemon { api, private_key } => (api, private_key),
            Mode::SingleRun { .. } => panic!("not a daemon"),
        }
    }
}

fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

/// `text` as a YAML block below a key.
fn block(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
