//! Logs: for people or as JSON. Everything about a run is logged within a span that has its id.

use std::error::Error;
use std::fmt;
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Clone, Debug)]
pub struct Config {
    /// For whom.
    pub format: Format,
    /// What, as an `EnvFilter` directive such as `info` or `info,blockhouse::report=debug`.
    pub level: String,
}

/// For whom log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line of text per event.
    Human,
    /// One JSON object per event.
    Json,
}

/// Why logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directive is none.
    #[error("failed to read the log level")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody has set up logging before.
    #[error("failed to set up logging")]
    Taken(#[source] Box<dyn Error + Send + Sync>),
}

/// Libraries that write a line per mistake of a component or of a server that it chose: it could flood the log with them. The
/// operator's own directives come later and count more.
const QUIET: &str = "wasmtime_wasi_http=error,rustls_platform_verifier=off";

/// Sends the process's log to stderr.
///
/// # Errors
/// [`StartError`] if the level is no directive or logging is set up already.
pub fn start(config: &Config) -> Result<(), StartError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(format!("{QUIET},{}", config.level))?)
        .with_writer(std::io::stderr);
    match config.format {
        Format::Human => builder.with_ansi(false).with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    }
    .map_err(StartError::Taken)
}

/// An error with all its causes on one line.
pub fn chain(error: &dyn Error) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to open")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_has_every_cause_once() {
        let error = Outer(std::io::Error::other("no such file"));
        assert_eq!(chain(&error).to_string(), "failed to open: no such file");
    }
}
