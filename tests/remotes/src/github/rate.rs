//! Rate limits. Main type: [`Limit`].

use time::OffsetDateTime;

use super::{Remote, failed};
use crate::call::Answer;

/// What GitHub says until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) until: OffsetDateTime,
    pub(super) is_secondary: bool,
}

impl Remote {
    pub(super) fn check_rate(&self, now: OffsetDateTime) -> Result<(), Answer> {
        let Some(limit) = self.limited.filter(|limit| limit.until > now) else { return Ok(()) };
        if limit.is_secondary {
            let seconds = (limit.until - now).whole_seconds().max(1);
            let text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            return Err(failed(403, text).with("retry-after", seconds.to_string()));
        }
        let text = format!("API rate limit exceeded for installation ID {}.", self.installation);
        let reset = limit.until.unix_timestamp().to_string();
        Err(failed(403, &text)
            .with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-remaining", "0")
            .with("x-ratelimit-used", "5000")
            .with("x-ratelimit-resource", "core")
            .with("x-ratelimit-reset", reset))
    }
}
