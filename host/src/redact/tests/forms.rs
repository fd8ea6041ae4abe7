//! Each form of a secret, made by other code than ours.

use super::*;

const SECRETS: [&str; 6] = [
    "hunter2",
    "pass word/with+all=&%\"quoted\" \\back 'and' <more>~*()!",
    "grüße €😀 für alle",
    "first line of it\nsecond line of it",
    "tab\tand \u{8}\u{c} and \u{1b} control",
    "x\u{202e}direction\u{2028}turned",
];

/// The secret among other text, in this form, leaves nothing but a marker.
#[track_caller]
fn is_gone(secret: &str, form: &str) {
    let redactor = redactor(&[secret]);
    let redacted = redactor.redact(&format!("<{form}>")).into_owned();
    assert_eq!(redacted, "<[secret a]>", "{secret:?} as {form}");
}

#[test]
fn a_secret_is_found_as_it_is() {
    for secret in SECRETS {
        is_gone(secret, secret);
        is_gone(secret, &secret.replace('\n', "\r\n"));
        is_gone(secret, &crate::excerpt::plain(secret));
    }
}

#[test]
fn a_secret_is_found_in_json() {
    for secret in SECRETS {
        let once = serde_json::to_string(secret).unwrap();
        is_gone(secret, once.trim_matches('"'));
        let twice = serde_json::to_string(once.trim_matches('"')).unwrap();
        is_gone(secret, twice.trim_matches('"'));
        let go = once.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        is_gone(secret, go.trim_matches('"'));
        is_gone(secret, once.replace('/', "\\/").trim_matches('"'));
        let long = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_ascii_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        is_gone(secret, &secret.chars().map(long).collect::<String>());
    }
    // Python and .NET.
    is_gone(SECRETS[2], "gr\\u00fc\\u00dfe \\u20ac\\ud83d\\ude00 f\\u00fcr alle");
    is_gone(SECRETS[2], "gr\\u00FC\\u00DFe \\u20AC\\uD83D\\uDE00 f\\u00FCr alle");
}

#[test]
fn a_secret_is_found_in_urls_and_forms() {
    for secret in SECRETS {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        is_gone(secret, &form);
        let lower =
            form.split('%').enumerate().map(|(index, part)| match part.split_at_checked(2) {
                Some((hex, rest)) if index > 0 => hex.to_lowercase() + rest,
                _ => part.to_owned(),
            });
        is_gone(secret, &lower.collect::<Vec<_>>().join("%"));
        let mut all = String::new();
        secret.bytes().for_each(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => all.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => all.push(byte.into()),
            byte => all.push_str(&format!("%{byte:02X}")),
        });
        is_gone(secret, &all);
    }
}

#[test]
fn a_secret_is_found_in_hex() {
    for secret in SECRETS {
        let lower: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        is_gone(secret, &lower);
        is_gone(secret, &lower.to_uppercase());
    }
}

#[test]
fn a_secret_is_found_in_base64_at_every_offset_in_both_alphabets() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    for secret in SECRETS {
        let redactor = redactor(&[secret]);
        for offset in 0..7 {
            let bytes = [&b"?!?!?!?"[..offset], secret.as_bytes(), b"more"].concat();
            for encoded in [STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                let redacted = redactor.redact(&encoded).into_owned();
                assert!(redacted.contains("[secret a]"), "{secret:?} at {offset}: {encoded}");
                // What is left: what stands around it, and the two characters that it shares with that.
                let left: usize = rest(&redacted).iter().map(|part| part.len()).sum();
                let around = (8 * offset).div_ceil(6) + 6 + 2;
                assert!(left <= around, "{secret:?} at {offset}: {redacted}");
            }
        }
    }
}

#[test]
fn base64_that_is_wrapped_is_found() {
    let secret: String = (0..300).map(|index| char::from(b'a' + (index * 7 % 26) as u8)).collect();
    let encoded = data_encoding::BASE64.encode(secret.as_bytes());
    for width in [64, 76] {
        let wrapped: Vec<_> =
            encoded.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
        let redacted = redactor(&[&secret]).redact(&wrapped.join("\r\n")).into_owned();
        assert_eq!(rest(&redacted).concat().trim_end_matches('='), "", "{redacted}");
    }
}
