//! What the server was built with. Main type: [`Config`].

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::request::Recording;

pub(crate) struct Config {
    /// Without a trailing slash; the start of every link.
    pub(crate) base: String,
    pub(crate) runner: Uuid,
    pub(crate) api_keys: HashMap<String, String>,
    pub(crate) basic: HashMap<String, String>,
    pub(crate) token_lifetime: Duration,
    pub(crate) run_timeout: Duration,
    pub(crate) recording: Recording,
    pub(crate) state_locking: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base", &self.base)
            .field("runner", &self.runner)
            .field("api_keys", &self.api_keys.keys())
            .field("basic", &self.basic.keys())
            .field("token_lifetime", &self.token_lifetime)
            .field("run_timeout", &self.run_timeout)
            .field("recording", &self.recording)
            .field("state_locking", &self.state_locking)
            .finish()
    }
}
