//! Every environment variable that the configuration knows. The operator's manual is generated from this list.
//!
//! A variable wins over the file. An empty variable counts as not set, since container platforms set variables without
//! value.

/// Path of the configuration file. Default: `./runner-config.yml` when it exists.
pub const RUNNER_CONFIG_FILE: &str = "RUNNER_CONFIG_FILE";
/// UUID of this runner, as shown in meshStack. File: `runnerUuid`.
pub const RUNNER_UUID: &str = "RUNNER_UUID";
/// Address of the meshStack API. File: `api.url`.
pub const RUNNER_API_URL: &str = "RUNNER_API_URL";
/// Id of the API key. File: `api.clientId`.
pub const RUNNER_API_CLIENT_ID: &str = "RUNNER_API_CLIENT_ID";
/// Secret of the API key. File: `api.clientSecret` or `api.clientSecretFile`.
pub const RUNNER_API_CLIENT_SECRET: &str = "RUNNER_API_CLIENT_SECRET";
/// User for HTTP Basic, the older way to log in. File: `api.username` or `api.user`.
pub const RUNNER_API_USERNAME: &str = "RUNNER_API_USERNAME";
/// Password for HTTP Basic. File: `api.password` or `api.passwordFile`.
pub const RUNNER_API_PASSWORD: &str = "RUNNER_API_PASSWORD";
/// Path of the private key that opens secrets. File: `privateKeyFile`. Default: `./runner-private.pem`.
pub const RUNNER_PRIVATE_KEY_FILE: &str = "RUNNER_PRIVATE_KEY_FILE";
/// Port for health on all interfaces (0.0.0.0). File: `admin.address`.
pub const PORT: &str = "PORT";
/// `single-run` executes the one run in [`RUN_JSON_FILE_PATH`] and exits. Not set: the daemon.
pub const EXECUTION_MODE: &str = "EXECUTION_MODE";
/// Path of the decrypted run document; only with `EXECUTION_MODE=single-run`.
pub const RUN_JSON_FILE_PATH: &str = "RUN_JSON_FILE_PATH";
/// Path of a file with host keys of git servers. File: `terraform.sources.knownHostsFile`. Default: `~/.ssh/known_hosts`.
pub const SSH_KNOWN_HOSTS: &str = "SSH_KNOWN_HOSTS";
/// Base of the default state directory on Unix, from the XDG specification.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Base of the default state directory on Unix when [`XDG_STATE_HOME`] is not set.
pub const HOME: &str = "HOME";
/// Base of the default state directory on Windows.
pub const PROGRAMDATA: &str = "PROGRAMDATA";
