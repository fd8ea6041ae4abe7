//! Texts of others, made harmless: [`clip`], [`one_line`], [`is_plain_id`], [`web_link`].

/// The longest id that becomes part of a step's id; a UUID has 36.
const ID_MAX: usize = 36;

/// Real ones are shorter.
const LINK_MAX: usize = 500;

/// The beginning of a text, at most this many bytes, with a mark if something was cut.
pub fn clip(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mark = "…";
    let end = text.floor_char_boundary(bytes.saturating_sub(mark.len()));
    format!("{}{mark}", text.get(..end).unwrap_or_default())
}

/// As [`clip`], with every run of white space and control characters as one space.
pub fn one_line(text: &str, bytes: usize) -> String {
    let is_gap = |c: char| c.is_whitespace() || c.is_control();
    // Most of it is thrown away anyway, so that there is no need to look at all of a long one.
    let text = text.get(..text.floor_char_boundary(bytes.saturating_mul(4))).unwrap_or_default();
    let words: Vec<_> = text.split(is_gap).filter(|word| !word.is_empty()).collect();
    clip(&words.join(" "), bytes)
}

/// Whether an id of a remote service is a plain number or a UUID. Any other one could break the rule for ids of steps, or a URL.
pub fn is_plain_id(id: &str) -> bool {
    let is_number = (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_uuid = id.len() == ID_MAX
        && id.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_number || is_uuid
}

/// An address that a remote service has given, if it can be shown as one.
pub fn web_link(text: &str) -> Option<&str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>');
    (is_web && text.len() <= LINK_MAX && !text.contains(is_odd)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abc…");
        assert_eq!(clip("äöüß", 6), "ä…");
        assert_eq!(clip("äöüß", 0), "…");
    }

    #[test]
    fn texts_of_others_stay_on_their_line() {
        assert_eq!(one_line(" a\n\n\u{1b}[31mb\tc\r\n", 100), "a [31mb c");
        assert_eq!(one_line(&"ä ".repeat(1_000), 9), "ä ä …");
    }

    #[test]
    fn only_numbers_and_uuids_are_plain() {
        for id in ["0", "12345678901234567890", "96ac2280-8cb4-5df5-99de-dd2da759617d"] {
            assert!(is_plain_id(id), "{id}");
        }
        for id in [
            "",
            "-1",
            "1.5",
            "../x",
            "1/../../x",
            "١",
            "123456789012345678901",
            "96ac2280-8cb4-5df5-99de-dd2da759617g",
            "96ac22808cb45df599dedd2da759617d0000",
        ] {
            assert!(!is_plain_id(id), "{id}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_shown_as_such() {
        assert!(web_link("https://gitlab.com/a/b/-/pipelines/1").is_some());
        for text in ["", "javascript:x", "https://x y", "https://x\ny", "https://x/<b>"] {
            assert!(web_link(text).is_none(), "{text}");
        }
        assert!(web_link(&format!("https://{}", "x".repeat(500))).is_none());
    }
}
