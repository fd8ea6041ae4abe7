//! How long tests wait.

use std::time::Duration;

/// How long a test waits for something that must happen: far longer than it takes, so that a slow machine does not matter.
///
/// `BLOCKHOUSE_TEST_PATIENCE_SECONDS` changes it.
#[must_use]
pub fn patience() -> Duration {
    let seconds = std::env::var("BLOCKHOUSE_TEST_PATIENCE_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(120))
}
