//! The redactor: however a text is cut into pieces, no secret is left in it.
#![no_main]

use blockhouse::excerpt::plain;
use blockhouse::redact::Redactor;
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use std::sync::Arc;

fuzz_target!(|input: (&str, &str, &str, Vec<u8>)| {
    let (first, second, text, cuts) = input;
    let secrets = [first, second].map(SecretString::from);
    let (redactor, warnings) =
        Redactor::new(["a", "b"].into_iter().zip(&secrets)).expect("a redactor is made");
    let redactor = Arc::new(redactor);
    // The text that is looked at is one that could be shown; it holds a secret as often as not.
    let text = plain(&text.replace('1', first).replace('2', second)).into_owned();
    let whole = redactor.redact(&text).into_owned();

    let mut released = String::new();
    let mut stream = redactor.stream();
    let mut rest = text.as_str();
    for cut in cuts {
        let cut = rest.floor_char_boundary(usize::from(cut));
        let (piece, after) = rest.split_at(cut);
        stream.push(piece, &mut released);
        rest = after;
    }
    stream.push(rest, &mut released);
    stream.finish(&mut released);
    assert_eq!(released, whole, "cutting makes no difference");

    for secret in [first, second] {
        // White space around a value hides nothing.
        let secret = plain(secret.trim());
        if secret.len() < 6 || secret.len() > 4096 || !warnings.is_empty() {
            continue;
        }
        // A marker beside other text may spell anything; what is between markers may not.
        let pieces = whole.split("[secret a]").flat_map(|piece| piece.split("[secret b]"));
        for piece in pieces.flat_map(|piece| piece.split("[…]")) {
            assert!(!piece.contains(&*secret), "{secret:?} is left in {piece:?}");
        }
    }
    let _ = redactor.redact_json(&text);
    let _ = redactor.redact_identifier(&text);
});
