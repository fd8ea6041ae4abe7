//! Tokens that come up while text is being redacted.

use super::*;

fn and(redactor: &Redactor, token: &str) -> Redactor {
    redactor.and("token", &SecretString::from(token)).unwrap()
}

#[test]
fn a_token_is_found_beside_what_was_known() {
    let known = redactor(&["hunter2"]);
    let both = and(&known, "token-4711");
    assert_eq!(known.redact("hunter2 token-4711"), "[secret a] token-4711");
    assert_eq!(both.redact("hunter2 token-4711"), "[secret a] [secret token]");
    // There need be no other secrets, and one that is too short for any of it changes nothing.
    assert_eq!(and(&Redactor::default(), "token-4711").redact("token-4711"), "[secret token]");
    assert!(and(&Redactor::default(), "4711").is_empty());
    assert_eq!(and(&known, "4711").redact("hunter2 4711"), "[secret a] 4711");
}

#[test]
fn the_newest_tokens_are_known_each_once() {
    let first = and(&redactor(&["hunter2"]), "token-1");
    let again = (0..9).fold(first, |redactor, _| and(&redactor, "token-2"));
    assert_eq!(again.redact("token-1"), "[secret token]");
    let many = (3..=5).fold(again, |redactor, number| and(&redactor, &format!("token-{number}")));
    assert_eq!(many.redact("token-1"), "token-1", "it has made room");
    for text in ["token-2", "token-3", "token-4", "token-5"] {
        assert_eq!(many.redact(text), "[secret token]");
    }
    assert_eq!(many.redact("hunter2"), "[secret a]");
}

#[test]
fn of_a_long_token_the_end_is_found_and_short_ones_in_other_forms() {
    let long: String = (0..1_000).map(|number| format!("ä{number}")).collect();
    let redacted = and(&Redactor::default(), &long).redact(&format!("<{long}>")).into_owned();
    assert!(redacted.starts_with("<ä0ä1ä2") && redacted.ends_with("[secret token]>"), "{redacted}");
    let left = redacted.len() - "<[secret token]>".len();
    assert!((long.len() - TOKEN_MAX..long.len() - TOKEN_MAX + 4).contains(&left), "{left}");
    let basic = data_encoding::BASE64.encode(b"user:ghs_0123456789abcdefghij");
    let redacted =
        and(&Redactor::default(), "ghs_0123456789abcdefghij").redact(&basic).into_owned();
    assert!(redacted.contains("[secret token]") && redacted.len() < basic.len(), "{redacted}");
}

/// A thousand runs that wait have two each.
#[test]
fn tokens_take_little_memory() {
    let characters = |count: usize| -> String {
        (0..count).map(|n| char::from(b'a' + u8::try_from(n * n % 26).unwrap())).collect()
    };
    let signed = and(&Redactor::default(), &characters(480));
    let both = and(&signed, &format!("ghs_{}", characters(36)));
    assert!(both.memory() < 24 << 10, "{}", both.memory());
}

#[test]
fn a_token_that_comes_up_in_the_middle_of_a_text_changes_nothing_before_it() {
    let secrets = ["hunter2-and-more", "more-of-it", "token-0"];
    let text = "a hunter2-and-more-of-it, hun\nter2-and-mo, token-0 and more-of-it token-\n0";
    let old = and(&redactor(&secrets[..2]), secrets[2]);
    let new = Arc::new(and(&old, "token-4711"));
    let expected = new.redact(&format!("{text} token-4711")).into_owned();
    assert_eq!(expected.matches("[secret token]").count(), 3, "{expected}");
    let old = Arc::new(old);
    for border in 0..=text.len() {
        let (before, after) = text.split_at(border);
        let mut stream = old.stream();
        let mut shown = String::new();
        stream.push(before, &mut shown);
        stream.go_on_with(&new);
        stream.push(after, &mut shown);
        stream.push(" token-4711", &mut shown);
        stream.finish(&mut shown);
        assert_eq!(shown, expected, "{border}");
    }
}

#[test]
fn a_stream_without_secrets_begins_to_look_for_a_token() {
    let mut stream = Arc::new(Redactor::default()).stream();
    let mut shown = String::new();
    stream.push("before tok", &mut shown);
    stream.go_on_with(&Arc::new(and(&Redactor::default(), "token-4711")));
    stream.push("en-4711 token-4711", &mut shown);
    stream.finish(&mut shown);
    assert_eq!(shown, "before token-4711 [secret token]");
}
