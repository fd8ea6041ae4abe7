//! Takes comments and the contents of literals out of Rust code.

/// The code, as long as the text, and the line comments with their lines.
pub(super) fn blank(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut comments = Vec::new();
    let (mut at, mut line, mut counted) = (0, 1, 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let (from, to) = if rest.starts_with("//") {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            line += text[counted..at].matches('\n').count();
            counted = at;
            comments.push((line, text[at..end].to_owned()));
            (at, end)
        } else if rest.starts_with("/*") {
            (at, at + block_comment(rest))
        } else if let Some(hashes) = raw_string(text, at) {
            let open = at + rest.find('"').unwrap_or(0) + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            (open, text[open..].find(&close).map_or(text.len(), |end| open + end))
        } else if let Some(inside) = rest.strip_prefix('"') {
            (at + 1, at + 1 + string(inside))
        } else if let Some(length) = character(rest) {
            (at + 1, at + length - 1)
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        for byte in &mut code[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        // Behind the literal's closing mark; a comment has none.
        let is_comment = from == at;
        at = if is_comment { to } else { behind(bytes, to) };
    }
    (String::from_utf8_lossy(&code).into_owned(), comments)
}

/// Behind a closing quote and the hashes of a raw string.
fn behind(bytes: &[u8], close: usize) -> usize {
    let quote = usize::from(close < bytes.len());
    let hashes = bytes.iter().skip(close + quote).take_while(|byte| **byte == b'#').count();
    close + quote + hashes
}

/// Up to the end of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        match rest {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// How many hashes the raw string that starts here has.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    // `br"` and `cr"` are seen at their `r`.
    let prefix = before.is_some_and(|c| c.is_alphanumeric() && !matches!(c, 'b' | 'c') || c == '_');
    let rest = text[at..].strip_prefix('r').filter(|_| !prefix)?;
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Up to the quote that closes a string.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

/// The length of the character literal that starts here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return Some(inside.get(2..)?.find('\'')? + 4);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn comments_and_literals_are_blanked_and_nothing_moves() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b // \" c", d)"#, r#"a("         ", d)"#),
            ("a(r#\"b \" c\"#, d)", "a(r#\"     \"#, d)"),
            ("br\"\\\" a", "br\" \" a"),
            (r"'\'' 'x' '\u{1}' a", r"'  ' ' ' '     ' a"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#type + r", "r#type + r"),
            ("\"a\nb\" c", "\" \n \" c"),
        ] {
            assert_eq!(blank(text).0, expected, "{text}");
        }
    }

    #[test]
    fn comments_keep_their_lines() {
        let (_, comments) = blank("a\n// b\n\"// c\" //! d");
        assert_eq!(comments, [(2, "// b".to_owned()), (3, "//! d".to_owned())]);
    }
}
