//! What is wrong with a configuration: all mistakes as one value, and warnings about what is right but has no effect.

use std::fmt;

/// Keys are shown shortened to this: a key can be a whole wrongly indented text.
const MAX_SHOWN_CHARS: usize = 60;

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file, at a line and column that count from 1.
    File {
        /// The path as it was given.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A file as a whole.
    WholeFile {
        /// The path as it was given.
        path: String,
    },
    /// In an environment variable.
    Variable {
        /// The variable's name.
        name: &'static str,
    },
    /// Nowhere: it is missing, and there is no file.
    Nowhere,
}

/// One mistake. Carries no value from the configuration, since any value can be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// The path of the key, such as `limits.fuel` or `routes[0].match`. Empty when it concerns the whole file.
    pub key: String,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it, when we can tell.
    pub hint: Option<String>,
}

/// All mistakes of a configuration, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// A setting that is understood but has no effect, or one that works but should be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// The path of the key.
    pub key: String,
    /// What the operator should know.
    pub text: String,
}

// === impl Mistakes ===

impl Mistakes {
    /// `None` when there are no mistakes.
    pub(super) fn new(mut mistakes: Vec<Mistake>) -> Option<Self> {
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        (!mistakes.is_empty()).then_some(Self(mistakes))
    }

    /// For the case that can't be: no mistake was noted, and yet there is no configuration.
    pub(super) fn unexplained() -> Self {
        let message = "is incomplete; please report this as a defect of the program".to_owned();
        Self(vec![Mistake { place: Place::Nowhere, key: String::new(), message, hint: None }])
    }

    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

// === impl Mistake, Warning, Place ===

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.place, &self.key, &self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.place, &self.key, &self.text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::WholeFile { path } => f.write_str(path),
            Self::Variable { name } => f.write_str(name),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, place: &Place, key: &str, text: &str) -> fmt::Result {
    match place {
        // The variable's name says more than the key that it stands for.
        Place::Variable { name } => write!(f, "{name}: {text}"),
        _ if key.is_empty() => write!(f, "{place}: {text}"),
        _ => write!(f, "{place}: {key}: {text}"),
    }
}

/// A key from the file made fit for a terminal: no control characters, not too long.
pub(super) fn shown(key: &str) -> String {
    let mut text: String = key.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if key.chars().count() > MAX_SHOWN_CHARS {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(line: usize, key: &str, hint: Option<&str>) -> Mistake {
        Mistake {
            place: Place::File { path: "runner-config.yml".into(), line, column: 3 },
            key: key.into(),
            message: "must be a positive whole number (million instructions)".into(),
            hint: hint.map(str::to_owned),
        }
    }

    #[test]
    fn mistakes_come_in_the_order_of_the_file_with_hints_on_their_own_line() {
        let all = Mistakes::new(vec![
            mistake(12, "limits.fuel", None),
            mistake(9, "runs.x", Some("did you mean `y`?")),
        ]);
        assert_eq!(
            all.unwrap().to_string(),
            "runner-config.yml:9:3: runs.x: must be a positive whole number (million instructions)\n  \
             hint: did you mean `y`?\n\
             runner-config.yml:12:3: limits.fuel: must be a positive whole number (million instructions)"
        );
        assert_eq!(Mistakes::new(vec![]), None);
    }

    #[test]
    fn strange_keys_are_shortened_and_escaped() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(shown(&"k".repeat(1000)).chars().count(), MAX_SHOWN_CHARS + 1);
    }
}
