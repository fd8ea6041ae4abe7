//! A stream gives what the whole gives, and that is what a much simpler search gives.

use super::*;
use crate::redact::patterns::Patterns;

/// All that matches, found by trying every pattern at every place; replaced by `#`.
fn replaced(secrets: &[&str], text: &str) -> String {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    let secrets: Vec<_> = secrets.iter().map(|secret| ("", secret)).collect();
    let (patterns, _) = Patterns::collect(&secrets, Room::SECRETS).0.into_parts();
    let bytes = text.as_bytes();
    let mut is_covered = vec![false; bytes.len()];
    for start in 0..bytes.len() {
        for pattern in &patterns {
            let Some(end) = end_of_match(bytes, start, pattern.as_bytes()) else { continue };
            is_covered[start..end].fill(true);
        }
    }
    let mut shown = Vec::new();
    for (index, byte) in bytes.iter().enumerate() {
        match (is_covered[index], index.checked_sub(1).map(|before| is_covered[before])) {
            (true, Some(true)) => {}
            (true, _) => shown.push(b'#'),
            (false, _) => shown.push(*byte),
        }
    }
    String::from_utf8(shown).unwrap()
}

fn end_of_match(text: &[u8], start: usize, pattern: &[u8]) -> Option<usize> {
    let mut at = start;
    let mut rest = pattern.iter();
    let mut wanted = rest.next()?;
    let mut gap = 0;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        if matches!(byte, b'\n' | b'\r') && at > start + 1 {
            gap += 1;
            if gap > 4 {
                return None;
            }
            continue;
        }
        gap = 0;
        if byte != *wanted {
            return None;
        }
        match rest.next() {
            Some(next) => wanted = next,
            None => return Some(at),
        }
    }
}

fn as_marks(redacted: &str) -> String {
    ["[secret a]", "[secret b]", "[secret c]"]
        .iter()
        .fold(redacted.to_owned(), |text, marker| text.replace(marker, "#"))
}

fn streamed<'t>(redactor: &Arc<Redactor>, chunks: impl Iterator<Item = &'t str>) -> String {
    let mut stream = redactor.stream();
    let mut released = String::new();
    for chunk in chunks {
        stream.push(chunk, &mut released);
        let held = stream.scan.as_ref().unwrap();
        assert!(held.held.len() <= 5 * 64, "{} bytes are held back", held.held.len());
        assert!(held.starts.len() <= 64);
    }
    stream.finish(&mut released);
    released
}

#[test]
fn every_splitting_gives_what_the_whole_gives() {
    let secrets = ["abcabc", "cabcab\u{e4}", "bcabcd"];
    let redactor = Arc::new(redactor(&secrets));
    for text in [
        "xabcabc\u{e4}bcab",
        "abc\nabcabcab\u{e4}",
        "bcabc\n\n\n\n\ndab",
        "abcabcdabcabca",
        "cabca\nb\u{e4}abcab",
        "\u{e4}\u{e4}abcab\u{e4}cab",
    ] {
        let whole = redactor.redact(text).into_owned();
        assert_eq!(as_marks(&whole), replaced(&secrets, text), "{text:?}");
        let borders: Vec<_> = (1..text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        for splitting in 0_u32..1 << borders.len() {
            let mut ends: Vec<_> = borders.clone();
            let mut bit = 0;
            ends.retain(|_| {
                bit += 1;
                splitting >> (bit - 1) & 1 == 1
            });
            ends.push(text.len());
            let mut begin = 0;
            let chunks = ends.iter().map(|end| {
                let chunk = &text[begin..*end];
                begin = *end;
                chunk
            });
            assert_eq!(streamed(&redactor, chunks), whole, "{text:?}, {ends:?}");
        }
    }
}

#[test]
fn random_texts_in_random_chunks_leave_nothing_of_random_secrets() {
    let mut random = fastrand::Rng::with_seed(48);
    for round in 0..300 {
        let alphabet: &[char] =
            if round % 2 == 0 { &['a', 'b'] } else { &['a', 'b', '"', 'ü', '\n'] };
        let word = |random: &mut fastrand::Rng, length: usize| -> String {
            (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
        };
        let lengths = [random.usize(6..12), random.usize(6..40), random.usize(60..200)];
        let secrets = lengths.map(|length| word(&mut random, length));
        let secrets = secrets.each_ref().map(String::as_str);
        let mut text = String::new();
        for _ in 0..random.usize(1..12) {
            let secret = secrets[random.usize(..3)];
            match random.u8(..6) {
                0 => text.push_str(secret),
                1 => text.push_str(&serde_json::to_string(secret).unwrap()),
                2 => text.push_str(&data_encoding::BASE64.encode(secret.as_bytes())),
                3 => text.extend(secret.chars().take(random.usize(..secret.len()))),
                4 => text.extend(secret.chars().flat_map(|c| [c, '\n'])),
                _ => {
                    let length = random.usize(1..20);
                    text.push_str(&word(&mut random, length));
                }
            }
        }
        let (redactor, _) = with_warnings(&secrets);
        if redactor.is_empty() {
            continue;
        }
        let redactor = Arc::new(redactor);
        let whole = redactor.redact(&text).into_owned();
        assert_eq!(as_marks(&whole), replaced(&secrets, &text), "{secrets:?} {text:?}");
        assert!(rest(&whole).iter().all(|part| !redactor.finds(part)), "{whole:?}");
        let mut left = text.as_str();
        let mut chunks = Vec::new();
        while !left.is_empty() {
            let end = left.ceil_char_boundary(random.usize(1..9).min(left.len()));
            let (chunk, after) = left.split_at(end);
            chunks.push(chunk);
            left = after;
        }
        assert_eq!(streamed(&redactor, chunks.into_iter()), whole, "{secrets:?} {text:?}");
    }
}

#[test]
fn only_the_beginning_of_a_secret_is_held_back() {
    let redactor = Arc::new(redactor(&["hunter2"]));
    let mut stream = redactor.stream();
    let mut released = String::new();
    stream.push("the hunt", &mut released);
    assert_eq!((released.as_str(), stream.glimpse()), ("the ", ""));
    stream.push("er hunted hun", &mut released);
    assert_eq!((released.as_str(), stream.glimpse()), ("the hunter hunted ", "hun"));
    stream.push("ter2!", &mut released);
    assert_eq!(released, "the hunter hunted [secret a]!");
    stream.push(" h", &mut released);
    stream.finish(&mut released);
    assert_eq!(released, "the hunter hunted [secret a]! h");
}
