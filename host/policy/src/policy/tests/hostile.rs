//! Texts that nobody wrote to be a policy.

use super::*;

#[test]
fn a_policy_is_at_most_256_kib() {
    let start = "description = \"d\"\n";
    let comment = |length: usize| format!("{start}#{}", "x".repeat(length - start.len() - 1));
    assert!(Policy::parse("p.toml", &comment(MAX_BYTES)).is_ok());
    let mistakes = Policy::parse("p.toml", &comment(MAX_BYTES + 1)).expect_err("too long");
    assert_eq!(mistakes.iter().count(), 1);
    assert!(mistakes.to_string().starts_with("p.toml:1:1: a policy has at most 256 KiB"));
}

#[test]
fn deep_nesting_is_a_mistake_and_overflows_nothing() {
    let many = |piece: &str| piece.repeat(250_000 / piece.len());
    // As deep as the parser allows in each way at once.
    let dotted = "a.".repeat(70) + "a = ";
    let mixed = format!("{dotted}{}", format!("[{{ {dotted}").repeat(39));
    let closed = format!("{mixed}1{}", " }]".repeat(39));
    for text in [
        many("["),
        format!("a = {}", many("[")),
        format!("a = {}", many("{a=")),
        format!("a = {}", many("[{a=")),
        format!("{}a = 1", many("a.")),
        format!("[{}a]", many("a.")),
        format!("[[{}a]]", many("a.")),
        many("[[a]]\n"),
        many("[a.b]\n"),
        many("a = \"\"\"\n"),
        many("a=1\n"),
        many("\u{1b}"),
        format!("a = [{}]", many("\"\",")),
        format!("description = \"d\"\n[[http]]\nreason = \"r\"\nhosts = [{}]", many("\"a\",")),
        format!("description = \"d\"\n[[http]]\nreason = \"r\"\nhosts = [{}]", many("\"a b\",")),
        mixed,
        closed,
    ] {
        assert!(Policy::parse("p.toml", &text).is_err());
    }
}

#[test]
fn no_text_makes_parsing_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let pieces: Vec<_> = FULL
        .split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .chain([
            "[[", "]]", "{", "}", "\"\"\"", "'", "é", "漢", "\u{202e}", "\0", "\r\n", "\t", "-1",
            "nan",
        ])
        .chain([
            "inf",
            "1e9",
            "0x",
            "07:32:00",
            "1979-05-27",
            ".",
            "=",
            "secrets.use.a",
            "\u{feff}",
        ])
        .collect();
    for _ in 0..3_000 {
        let count = random.usize(..60);
        let text: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
        if let Err(mistakes) = Policy::parse("p.toml", &text) {
            assert!(mistakes.to_string().contains("^"));
        }
    }
    let lines: Vec<_> = FULL.split_inclusive('\n').collect();
    for _ in 0..2_000 {
        // The right text with a few pieces taken out, doubled or swapped.
        let mut lines = lines.clone();
        for _ in 0..random.usize(1..4) {
            let (one, other) = (random.usize(..lines.len()), random.usize(..lines.len()));
            match random.u8(..3) {
                0 => lines.swap(one, other),
                1 => drop(lines.remove(one)),
                _ => lines.insert(one, lines[other]),
            }
        }
        let mut text: String = lines.concat();
        if random.bool() {
            let mut at = random.usize(..text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, pieces[random.usize(..pieces.len())]);
        }
        let _ = Policy::parse("p.toml", &text).map_err(|mistakes| mistakes.to_string());
    }
}
