//! `log`: how the daemon writes its own log.

use tracing_subscriber::EnvFilter;

use super::known::nearest;
use super::reader::{Complaint, Reader, Section};
use super::show::Show;

const KEYS: &[&str] = &["format", "level"];
const DEFAULT_LEVEL: &str = "info";
const LEVELS: &[&str] = &["debug", "error", "info", "off", "trace", "warn"];
const FORMATS: &[&str] = &["auto", "human", "json"];

/// The daemon's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: Format,
    /// What is written: `tracing` directives that `EnvFilter` has accepted, such as `info,blockhouse::report=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Human when the standard error stream is a terminal, JSON otherwise; decided by the caller.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "log", KEYS);
        let format = reader.parse("log.format", section.find("format"), format);
        let level = reader.parse("log.level", section.find("level"), level);
        Self {
            format: format.unwrap_or_default(),
            level: level.unwrap_or_else(|| DEFAULT_LEVEL.to_owned()),
        }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("log", |out| {
            let format = match self.format {
                Format::Auto => "auto",
                Format::Human => "human",
                Format::Json => "json",
            };
            out.value("format", format);
            out.value("level", &self.level);
        });
    }
}

fn format(text: &str) -> Result<Format, Complaint> {
    match text.trim() {
        "auto" => Ok(Format::Auto),
        "human" => Ok(Format::Human),
        "json" => Ok(Format::Json),
        other => {
            let mut complaint = Complaint::from("must be `auto`, `human` or `json`");
            complaint.hint = nearest(other, FORMATS).map(|name| format!("did you mean `{name}`?"));
            Err(complaint)
        }
    }
}

/// `EnvFilter` takes a lone word that is no level for the name of a module and switches everything else off, so that
/// `verbose` would silence the log. A module needs its level here.
fn level(text: &str) -> Result<String, Complaint> {
    // `EnvFilter` takes the space after a comma for a part of the name.
    let text = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    let complaint = || {
        Complaint::from("must be a level, or modules with levels")
            .hint("such as `debug` or `info,blockhouse::report=debug`")
    };
    for directive in text.split(',').filter(|part| !part.contains(['=', '[', '{', '}', ']'])) {
        if !LEVELS.contains(&&*directive.to_lowercase()) {
            let meant = nearest(directive, LEVELS).map(|name| format!("did you mean `{name}`?"));
            let complaint = complaint();
            return Err(Complaint { hint: meant.or(complaint.hint), ..complaint });
        }
    }
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(complaint()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_with_and_without_modules_are_accepted() {
        for text in
            ["info", "WARN", "off", "info,blockhouse=debug", "error, hyper=trace", "[run]=debug"]
        {
            assert!(level(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        assert!(level("inof").unwrap_err().hint.unwrap().contains("`info`"));
        for text in ["verbose", "blockhouse=loud", "info,,", "a=b=c"] {
            assert!(level(text).is_err(), "{text}");
        }
    }
}
