//! From secrets to the patterns that stand for them.

use super::encoding::{Encoding, line_ends};
use crate::excerpt::plain;
use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{BTreeSet, HashMap};
use zeroize::Zeroizing;

/// Bytes of the shortest secret that is looked for. Shorter ones (`true`, a port, a region's abbreviation) are parts of harmless
/// text too often; and who sees what is replaced learns them.
pub const VALUE_MIN: usize = 6;

/// The same for a line of a secret and for a string in one that is JSON. They are not chosen to be secret: a key file has lines
/// like `type: a`.
pub const PART_MIN: usize = 8;

/// Different characters that a part must have at least, so that no ruler (`--------`) is one.
const PART_VARIETY_MIN: usize = 4;

/// Bytes of the longest pattern. Longer forms are cut into pieces, each of which is looked for: what touches becomes one
/// replacement, so that the whole is replaced all the same, and no more than this is ever held back.
const PIECE_MAX: usize = 64;

/// Bytes by which a piece may be longer than planned, so that it ends with a character.
const CHARACTER_MAX: usize = 4;

/// Bytes that the patterns of a set of secrets may have together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Of all patterns.
    patterns: usize,
    /// Of those that secrets may take as they are. The rest is for their other forms.
    raw: usize,
    /// Of the texts whose patterns are made. Less than what raw patterns may take, since a text may have two raw forms: of each
    /// text at least the first finds room.
    texts: usize,
    /// Of the longest text that is looked for in other forms than as it is.
    encoded: usize,
    /// Bytes of the beginning of patterns after which a search goes on by a table: fast, and 256 bytes for each beginning there is.
    pub(super) dense: usize,
}

impl Room {
    /// For secrets that a run has from its beginning; it has two sets of them, its settings and its inputs. All forms of a key of
    /// 4096 bits are half of it, those of a password of 40 characters 1 KiB; of more, there are the forms that matter most. Against
    /// secrets of megabytes: the automaton takes 17 times as much memory (4 MiB), and 60 times while it is built (15 MiB).
    pub(super) const SECRETS: Self = Self {
        patterns: 256 << 10,
        raw: 192 << 10,
        texts: 128 << 10,
        encoded: usize::MAX,
        dense: 2,
    };

    /// For tokens, of which each run has its own and there may be thousands of runs. Those that are long are signed: nobody encodes
    /// them once more.
    pub(super) const TOKENS: Self =
        Self { patterns: 8 << 10, raw: 8 << 10, texts: 4 << 10, encoded: 128, dense: 1 };
}

/// Bytes from which on a secret is long: its lines come before the whole, as the better half if there is no room for both.
const LONG_MIN: usize = 4 << 10;

/// Bytes of a secret that is read as JSON or as a file's content.
const DOCUMENT_MAX: usize = 1 << 20;

/// A secret that is not, or not wholly, looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key of the secret.
    pub key: String,
    /// What is not looked for.
    pub omission: Omission,
}

/// What of a secret is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// Some of the lines or strings that it consists of, where they stand alone.
    ShortParts,
    /// Some of its forms, or its end.
    TooLong,
    /// All of it.
    TooShort,
}

impl Omission {
    /// What people read about it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ShortParts => {
                "parts of it have fewer than 8 bytes or hardly different characters; alone they are not redacted"
            }
            Self::TooLong => "it is too long to be redacted in all forms to its end",
            Self::TooShort => "it has fewer than 6 bytes and is not redacted",
        }
    }
}

/// Patterns, each with the index of its secret.
pub(super) struct Patterns {
    names: HashMap<String, u32>,
    bytes: usize,
    /// What `bytes` may come to now.
    allowed: usize,
}

/// A text to be found in all its forms.
struct Text {
    name: u32,
    text: Zeroizing<String>,
}

/// What is gathered from the secrets before it is encoded.
#[derive(Default)]
struct Texts {
    texts: Vec<Text>,
    bytes: usize,
    /// What `bytes` may come to now.
    allowed: usize,
    omissions: Vec<(u32, Omission)>,
}

impl Patterns {
    /// The patterns of these secrets, and what is left out.
    pub(super) fn collect(secrets: &[(&str, &SecretString)], room: Room) -> (Self, Vec<Warning>) {
        let mut gathered = Texts::default();
        let mut named: Vec<_> = (0..).zip(secrets.iter().map(|(_, s)| s.expose_secret())).collect();
        // The shortest first: what they leave of their shares is for the others.
        named.sort_by_key(|(_, secret)| secret.len());
        for ((name, secret), left) in named.iter().zip((1..=named.len()).rev()) {
            gathered.allowed = gathered.bytes + share(room.texts, gathered.bytes, left);
            gathered.secret(*name, secret);
        }
        let Texts { texts, mut omissions, .. } = gathered;
        let mut patterns = Self { names: HashMap::new(), bytes: 0, allowed: 0 };
        let secrets_of: Vec<_> = texts.chunk_by(|one, other| one.name == other.name).collect();
        // All secrets as they are, then all in the next form, and so on: none is left out for the sake of forms of others.
        // SECURITY: redact::hostile_inputs_leave_room_for_a_key
        for (encoding, rounds_left) in Encoding::ALL.iter().zip((0..Encoding::ALL.len()).rev()) {
            let end = match encoding {
                Encoding::Raw => room.raw,
                Encoding::Base64 | Encoding::Hex | Encoding::Json | Encoding::Percent => {
                    patterns.bytes + share(room.patterns, patterns.bytes, rounds_left + 1)
                }
            };
            for (secret, left) in secrets_of.iter().zip((1..=secrets_of.len()).rev()) {
                patterns.allowed = patterns.bytes + share(end, patterns.bytes, left);
                let is_looked_for =
                    |text: &&Text| *encoding == Encoding::Raw || text.text.len() <= room.encoded;
                for text in secret.iter().filter(is_looked_for) {
                    if !patterns.add(text, *encoding) {
                        omissions.push((text.name, Omission::TooLong));
                    }
                }
            }
        }
        omissions.sort_by_key(|(name, omission)| (*name, *omission as u8));
        omissions.dedup();
        let warning = |(name, omission): (u32, Omission)| {
            let index = usize::try_from(name).unwrap_or(usize::MAX);
            let key = secrets.get(index).map(|(key, _)| (*key).to_owned()).unwrap_or_default();
            Warning { key, omission }
        };
        (patterns, omissions.into_iter().map(warning).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The patterns, and the index of each one's secret.
    pub(super) fn into_parts(self) -> (Vec<Zeroizing<String>>, Vec<u32>) {
        self.names.into_iter().map(|(pattern, name)| (Zeroizing::new(pattern), name)).unzip()
    }

    /// Adds the forms of a text; tells whether there was room for all.
    fn add(&mut self, text: &Text, encoding: Encoding) -> bool {
        let room = self.allowed.saturating_sub(self.bytes);
        let fitting = text.text.get(..text.text.floor_char_boundary(room)).unwrap_or_default();
        let variants = match encoding {
            Encoding::Raw => vec![fitting.to_owned()],
            Encoding::Base64 | Encoding::Hex | Encoding::Json | Encoding::Percent => {
                line_ends(fitting)
            }
        };
        let forms = variants.iter().flat_map(|variant| encoding.forms(variant));
        let is_whole = fitting.len() == text.text.len();
        // Every form is tried, since a short one may fit where a long one did not.
        forms.fold(is_whole, |fits, form| self.add_form(text.name, &form) && fits)
    }

    fn add_form(&mut self, name: u32, form: &str) -> bool {
        if form.len() < VALUE_MIN {
            return true;
        }
        for piece in pieces(form) {
            if self.names.contains_key(piece) {
                continue;
            }
            if self.bytes + piece.len() > self.allowed {
                return false;
            }
            self.bytes += piece.len();
            self.names.insert(piece.to_owned(), name);
        }
        true
    }
}

/// What one of so many that are left may take of the room.
fn share(end: usize, used: usize, left: usize) -> usize {
    end.saturating_sub(used) / left.max(1)
}

/// Cuts a form that is too long into pieces of about the same length, between characters.
fn pieces(form: &str) -> impl Iterator<Item = &str> {
    let count =
        if form.len() > PIECE_MAX { form.len().div_ceil(PIECE_MAX - CHARACTER_MAX) } else { 1 };
    let border = move |index: usize| form.floor_char_boundary(form.len() * index / count);
    (0..count).filter_map(move |index| form.get(border(index)..border(index + 1)))
}

impl Texts {
    fn secret(&mut self, name: u32, secret: &str) {
        // White space around a value is lost on many ways, and is nothing that must be hidden.
        let secret = secret.trim();
        if secret.is_empty() {
            return;
        }
        // As it would be shown: a secret may have characters that no text keeps.
        let shown = plain(secret);
        if shown.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).count() < VALUE_MIN {
            self.omissions.push((name, Omission::TooShort));
            return;
        }
        self.text(name, secret);
        self.strings(name, secret);
        if let Some(payload) = data_url_payload(secret) {
            self.text(name, payload);
            if payload.len() > DOCUMENT_MAX {
                self.omissions.push((name, Omission::TooLong));
            } else if let Ok(content) = BASE64.decode(payload.as_bytes()).map(Zeroizing::new)
                && let Ok(content) = std::str::from_utf8(&content)
            {
                self.part(name, content);
                self.strings(name, content);
            }
        }
    }

    /// A text and its lines.
    fn text(&mut self, name: u32, text: &str) {
        let text = text.trim();
        let is_long = text.len() > LONG_MIN;
        if !is_long {
            self.push(name, text);
        }
        if text.contains('\n') {
            for line in text.lines() {
                self.part(name, line);
            }
        }
        if is_long {
            self.push(name, text);
        }
    }

    /// A part of a secret; not looked for if it is too much like other text.
    fn part(&mut self, name: u32, part: &str) {
        let part = part.trim();
        let variety: BTreeSet<char> = part.chars().take(PIECE_MAX).collect();
        if part.len() >= PART_MIN && variety.len() >= PART_VARIETY_MIN {
            if part.contains('\n') { self.text(name, part) } else { self.push(name, part) }
        } else if part.contains(char::is_alphanumeric) {
            self.omissions.push((name, Omission::ShortParts));
        }
    }

    /// The strings of a JSON document.
    fn strings(&mut self, name: u32, document: &str) {
        if !document.starts_with(['{', '[', '"']) {
            return;
        }
        if document.len() > DOCUMENT_MAX {
            self.omissions.push((name, Omission::TooLong));
            return;
        }
        let Ok(value) = serde_json::from_str::<serde_json::Value>(document) else { return };
        let mut open = vec![&value];
        while let Some(value) = open.pop() {
            match value {
                serde_json::Value::Array(values) => open.extend(values),
                serde_json::Value::Object(values) => open.extend(values.values()),
                serde_json::Value::String(text) => self.part(name, text),
                serde_json::Value::Bool(_)
                | serde_json::Value::Null
                | serde_json::Value::Number(_) => {}
            }
        }
    }

    fn push(&mut self, name: u32, text: &str) {
        let room = text.floor_char_boundary(self.allowed.saturating_sub(self.bytes));
        let fitting = text.get(..room).unwrap_or_default();
        if fitting.len() < text.len() {
            self.omissions.push((name, Omission::TooLong));
        }
        if !fitting.is_empty() {
            self.bytes += fitting.len();
            self.texts.push(Text { name, text: Zeroizing::new(fitting.to_owned()) });
        }
    }
}

/// The content of `data:<type>;base64,<content>`.
fn data_url_payload(text: &str) -> Option<&str> {
    let (head, payload) = text.strip_prefix("data:")?.split_once(',')?;
    head.ends_with(";base64").then_some(payload)
}
