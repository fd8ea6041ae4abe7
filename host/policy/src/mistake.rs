//! What is wrong with a policy file: [`Mistakes`], all of them at once, each with its line and carets.

use std::fmt::{self, Write as _};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use unicode_width::UnicodeWidthChar as _;

/// More are counted, not shown. Attack: a file of nothing but mistakes, each with a copy of its one long line.
const MAX_SHOWN: usize = 100;
/// Columns of the source line that are shown.
const MAX_COLUMNS: usize = 100;
/// Columns before the place in question; when there are more, the line is cut.
const MAX_COLUMNS_BEFORE: usize = 70;
/// Columns that are kept before the place in question when the line is cut.
const COLUMNS_BEFORE: usize = 30;
/// What a tab becomes, so that carets stand under what they mean wherever the line is shown.
const TAB: &str = "    ";

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it, when we can tell.
    pub hint: Option<String>,
    source: String,
    carets: String,
}

/// All mistakes of a policy file, in the order of the file. Never empty. `Display` shows all of them with their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    shown: Vec<Mistake>,
    more: usize,
}

/// A mistake whose line is not looked up yet.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Finds lines and columns in a text.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    file: Arc<str>,
    text: &'t str,
    /// Where each line starts.
    starts: Vec<usize>,
}

// === impl Mistakes ===

impl Mistakes {
    /// `None` when nothing was noted.
    pub(crate) fn new(source: &Source<'_>, mut noted: Vec<Noted>) -> Option<Self> {
        noted.sort_by_key(|noted| noted.span.start);
        let more = noted.len().saturating_sub(MAX_SHOWN);
        let shown: Vec<_> =
            noted.into_iter().take(MAX_SHOWN).map(|noted| source.locate(noted)).collect();
        (!shown.is_empty()).then_some(Self { shown, more })
    }

    /// The mistakes, in the order of the file; of very many only the first hundred.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.shown.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.shown.iter().enumerate() {
            let break_before = if index == 0 { "" } else { "\n\n" };
            write!(f, "{break_before}{mistake}")?;
        }
        if self.more > 0 {
            write!(f, "\n\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint, source, carets } = self;
        write!(f, "{file}:{line}:{column}: {message}\n  {source}\n  {carets}")?;
        match hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

// === impl Source ===

impl<'t> Source<'t> {
    pub(crate) fn new(file: Arc<str>, text: &'t str) -> Self {
        let starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, starts }
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    fn locate(&self, noted: Noted) -> Mistake {
        let Noted { span, message, hint } = noted;
        let at = (0..=span.start.min(self.text.len())).rev();
        let at = at.into_iter().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let line = self.line(at);
        let index = self.starts.partition_point(|start| *start <= at).max(1) - 1;
        let start = self.starts.get(index).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        let from = at - start;
        let column = text.get(..from).unwrap_or(text).chars().count() + 1;
        let (source, carets) = excerpt(text, from..span.end.saturating_sub(start).max(from + 1));
        let column = u32::try_from(column).unwrap_or(u32::MAX);
        let file = Arc::clone(&self.file);
        Mistake { file, line, column, message, hint, source, carets }
    }
}

/// The part of a line around `span`, fit to be shown, and the carets for the line below it.
fn excerpt(line: &str, span: Range<usize>) -> (String, String) {
    let before = line.get(..span.start).unwrap_or(line);
    let start = match shown_from(before, MAX_COLUMNS_BEFORE) {
        0 => 0,
        _ => shown_from(before, COLUMNS_BEFORE),
    };
    let cut = if start > 0 { ("…", " ") } else { ("", "") };
    let (mut source, mut carets) = (cut.0.to_owned(), cut.1.to_owned());
    let mut used = 0;
    for (at, character) in line.get(start..).unwrap_or_default().char_indices() {
        let shown = visible(character);
        let columns = width(&shown);
        used += columns;
        if used > MAX_COLUMNS {
            source.push('…');
            break;
        }
        source.push_str(&shown);
        if start + at < span.end {
            let mark = if start + at < span.start { " " } else { "^" };
            carets.push_str(&mark.repeat(columns));
        }
    }
    if !carets.contains('^') {
        // The place is the end of the line.
        carets.push('^');
    }
    (source.trim_end().to_owned(), carets)
}

/// Where to start so that the rest of `text` takes at most so many columns. Looks at no more than that.
fn shown_from(text: &str, columns: usize) -> usize {
    let mut used = 0;
    let mut start = text.len();
    for (at, character) in text.char_indices().rev() {
        used += width(&visible(character));
        if used > columns {
            break;
        }
        start = at;
    }
    start
}

/// The character as it can be shown on a terminal: tabs as spaces, what moves the cursor or the direction as a number.
fn visible(character: char) -> String {
    // SECURITY: mistake::control_characters_of_the_source_are_not_repeated
    match character {
        '\t' => TAB.to_owned(),
        _ if is_plain(character) => character.to_string(),
        _ => character.escape_unicode().to_string(),
    }
}

/// A control character, or one that is invisible or turns the direction of the text around it.
pub(crate) fn is_hidden(character: char) -> bool {
    const TURNS_OR_HIDES: [RangeInclusive<char>; 3] =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
    character.is_control() || TURNS_OR_HIDES.iter().any(|range| range.contains(&character))
}

/// Takes a column and changes nothing around it.
fn is_plain(character: char) -> bool {
    character.width() > Some(0) && !is_hidden(character)
}

fn width(shown: &str) -> usize {
    shown.chars().map(|c| c.width().unwrap_or(1)).sum()
}

/// A text from the file within a message: short, and fit for a terminal.
pub(crate) fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut shown = String::from("`");
    for (index, character) in text.chars().enumerate() {
        if index == MAX_CHARS {
            shown.push('…');
            break;
        }
        if is_plain(character) {
            shown.push(character);
        } else {
            let _ = write!(shown, "{}", character.escape_unicode());
        }
    }
    shown.push('`');
    shown
}

#[cfg(test)]
mod tests;
