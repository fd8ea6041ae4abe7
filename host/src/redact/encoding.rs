//! The forms in which a text turns up in other text.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use std::fmt::Write as _;

/// Ways of writing a text, in the order of what matters most when there are too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Raw,
    /// As the content of a JSON string.
    Json,
    /// Within base64, wherever it begins.
    Base64,
    /// In hex.
    Hex,
    /// As part of a URL or of a form.
    Percent,
}

impl Encoding {
    pub(super) const ALL: [Self; 5] =
        [Self::Raw, Self::Json, Self::Base64, Self::Hex, Self::Percent];

    /// The text in all forms of this kind; the same form may be there several times. Line ends are left out of the raw one,
    /// since matching passes over them.
    pub(super) fn forms(self, text: &str) -> Vec<String> {
        match self {
            Self::Raw => {
                let mut raw = text.to_owned();
                raw.retain(|c| !matches!(c, '\n' | '\r'));
                // As it is shown, and as it stands in an output.
                let shown = crate::excerpt::plain(&raw).into_owned();
                vec![raw, shown]
            }
            Self::Json => {
                let once = JSON_STYLES.iter().map(|style| json(text, *style));
                // JSON as a string in JSON.
                let twice = json(&json(text, JSON_STYLES[0]), JSON_STYLES[0]);
                once.chain([twice]).collect()
            }
            Self::Base64 => (0..3).flat_map(|offset| base64(text.as_bytes(), offset)).collect(),
            Self::Hex => vec![HEXLOWER.encode(text.as_bytes()), HEXUPPER.encode(text.as_bytes())],
            Self::Percent => {
                let styles = PERCENT_STYLES.iter();
                styles
                    .flat_map(|style| [false, true].map(|upper| percent(text, *style, upper)))
                    .collect()
            }
        }
    }
}

/// The text with its line ends as they are, as LF and as CRLF.
pub(super) fn line_ends(text: &str) -> Vec<String> {
    if !text.contains(['\n', '\r']) {
        return vec![text.to_owned()];
    }
    let lf = text.replace("\r\n", "\n");
    let crlf = lf.replace('\n', "\r\n");
    let mut variants = vec![text.to_owned(), lf, crlf];
    variants.dedup();
    variants
}

/// What a JSON writer escapes beyond what it must.
#[derive(Clone, Copy)]
struct JsonStyle {
    /// Control characters as `\n`, `\t` and so on where that exists.
    short: bool,
    /// `\/`.
    slash: bool,
    /// ASCII characters that are written as `\u00xx`.
    unicode: &'static str,
    /// Everything beyond ASCII as `\uxxxx`.
    ascii: bool,
    /// Digits of `\uxxxx` as capitals.
    upper: bool,
}

/// serde_json and JavaScript, Python, PHP (two), Go, Gson, .NET, Jackson; and one that knows no short escapes.
const JSON_STYLES: [JsonStyle; 9] = {
    let plain = JsonStyle { short: true, slash: false, unicode: "", ascii: false, upper: false };
    let python = JsonStyle { ascii: true, ..plain };
    [
        plain,
        python,
        JsonStyle { slash: true, ..plain },
        JsonStyle { slash: true, ..python },
        JsonStyle { unicode: "<>&", ..plain },
        JsonStyle { unicode: "<>&='", ..plain },
        JsonStyle { unicode: "\"'+<>&`", ascii: true, upper: true, ..plain },
        JsonStyle { upper: true, ..python },
        JsonStyle { short: false, ..plain },
    ]
};

fn json(text: &str, style: JsonStyle) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let short = match c {
            '\u{8}' => Some('b'),
            '\t' => Some('t'),
            '\n' => Some('n'),
            '\u{c}' => Some('f'),
            '\r' => Some('r'),
            _ => None,
        };
        match (c, short) {
            (c, _) if style.unicode.contains(c) => unicode(c, style.upper, &mut escaped),
            ('"' | '\\', _) => escaped.extend(['\\', c]),
            ('/', _) if style.slash => escaped.push_str("\\/"),
            (_, Some(short)) if style.short => escaped.extend(['\\', short]),
            ('\0'..' ', _) => unicode(c, style.upper, &mut escaped),
            (c, _) if style.ascii && !c.is_ascii() => unicode(c, style.upper, &mut escaped),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn unicode(c: char, upper: bool, escaped: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = match upper {
            true => write!(escaped, "\\u{unit:04X}"),
            false => write!(escaped, "\\u{unit:04x}"),
        };
    }
}

/// The text within base64 after so many bytes of something else, in both alphabets: the characters that no other byte has part in.
fn base64(bytes: &[u8], offset: usize) -> [String; 2] {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let (first, end) = ((8 * offset).div_ceil(6), 8 * padded.len() / 6);
    [BASE64_NOPAD, BASE64URL_NOPAD].map(|alphabet| {
        let encoded = alphabet.encode(&padded);
        encoded.get(first..end).unwrap_or_default().to_owned()
    })
}

/// What a percent-encoder leaves as it is, beyond letters and digits.
#[derive(Clone, Copy)]
struct PercentStyle {
    kept: &'static str,
    /// A space becomes `+`.
    plus: bool,
}

/// The strictest, RFC 3986, `encodeURIComponent`, forms, Go's queries, parts of a path, `encodeURI`.
const PERCENT_STYLES: [PercentStyle; 7] = [
    PercentStyle { kept: "", plus: false },
    PercentStyle { kept: "-._~", plus: false },
    PercentStyle { kept: "-._~!*'()", plus: false },
    PercentStyle { kept: "-._*", plus: true },
    PercentStyle { kept: "-._~", plus: true },
    PercentStyle { kept: "-._~!$&'()*+,;=:@", plus: false },
    PercentStyle { kept: "-._~!$&'()*+,;=:@/?#", plus: false },
];

fn percent(text: &str, style: PercentStyle, upper: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        let _ = match c {
            ' ' if style.plus => encoded.write_char('+'),
            c if c.is_ascii_alphanumeric() || style.kept.contains(c) => encoded.write_char(c),
            _ if upper => write!(encoded, "%{byte:02X}"),
            _ => write!(encoded, "%{byte:02x}"),
        };
    }
    encoded
}
