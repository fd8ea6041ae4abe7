mod forms;
mod streams;
mod tokens;

use super::*;

/// A redactor for secrets with the keys `a`, `b`, ….
fn redactor(secrets: &[&str]) -> Redactor {
    with_warnings(secrets).0
}

fn with_warnings(secrets: &[&str]) -> (Redactor, Vec<Warning>) {
    let secrets: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(secrets.iter().map(|secret| SecretString::from(*secret)))
        .collect();
    Redactor::new(secrets.iter().map(|(key, secret)| (*key, secret))).unwrap()
}

/// What is left of a text beside the markers.
fn rest(redacted: &str) -> Vec<&str> {
    redacted
        .split("[secret a]")
        .flat_map(|part| part.split("[secret b]"))
        .flat_map(|part| part.split("[secret c]"))
        .collect()
}

#[test]
fn a_secret_is_replaced_by_its_key() {
    let redactor = redactor(&["hunter2", "correct horse"]);
    assert_eq!(redactor.redact("x hunter2, y"), "x [secret a], y");
    assert_eq!(redactor.redact("correct horse"), "[secret b]");
    assert!(matches!(redactor.redact("hunter3"), Cow::Borrowed("hunter3")));
}

#[test]
fn nothing_is_left_of_a_secret_that_is_part_of_another_one() {
    let redactor = redactor(&["secret-key", "my-secret-key-2", "key-2-and-on"]);
    assert_eq!(redactor.redact("(my-secret-key-2)"), "([secret b])");
    assert_eq!(redactor.redact("(my-secret-key-2-and-on)"), "([secret b])");
    assert_eq!(redactor.redact("(secret-key-2-and-on)"), "([secret a])");
    assert_eq!(redactor.redact("secret-keysecret-key secret-key"), "[secret a] [secret a]");
}

/// Found by fuzzing: six bytes, of which five are ever shown.
#[test]
fn a_secret_counts_by_what_would_be_shown_of_it() {
    let secrets = [SecretString::from("]\u{2}? %(\n")];
    let (_, warnings) = Redactor::new([("a", &secrets[0])]).unwrap();
    assert_eq!(warnings, [Warning { key: "a".to_owned(), omission: Omission::TooShort }]);
}

#[test]
fn a_short_secret_is_left_alone_with_a_warning() {
    let (redactor, warnings) = with_warnings(&["12345", " abc\n", "", "123456"]);
    assert_eq!(redactor.redact("12345 abc"), "12345 abc");
    assert_eq!(redactor.redact("123456"), "[secret d]");
    let short = |key: &str| Warning { key: key.to_owned(), omission: Omission::TooShort };
    assert_eq!(warnings, [short("a"), short("b")], "an empty one is none");
    assert_eq!(VALUE_MIN, 6);
    assert!(!format!("{warnings:?}").contains("12345"));
}

#[test]
fn each_line_of_a_secret_is_one() {
    let pem =
        "-----BEGIN KEY-----\r\nMIIEvQIBADANBgkq\r\n  hkiG9w0BAQEFAASC\r\nab==\r\n-----------\r\n";
    let (redactor, warnings) = with_warnings(&[pem]);
    assert_eq!(redactor.redact("x MIIEvQIBADANBgkq y"), "x [secret a] y");
    assert_eq!(redactor.redact("  hkiG9w0BAQEFAASC"), "  [secret a]");
    assert_eq!(redactor.redact(pem), "[secret a]\r\n");
    assert_eq!(redactor.redact(&pem.replace("\r\n", "\n")), "[secret a]\n");
    let json = serde_json::to_string(&pem.replace("\r\n", "\n")).unwrap();
    assert_eq!(redactor.redact(&json), "\"[secret a]\\n\"");
    assert_eq!(redactor.redact("ab== -----------"), "ab== -----------", "too short, a ruler");
    let short = Warning { key: "a".to_owned(), omission: Omission::ShortParts };
    assert_eq!(warnings, [short]);
}

#[test]
fn the_strings_of_a_json_secret_are_secrets() {
    let key = r#"{"id": "k", "private_key": "-----BEGIN-----\nc2VjcmV0IGtleQ==\n", "more": ["in a list"], "n": 12345678}"#;
    let (redactor, warnings) = with_warnings(&[key]);
    for text in ["c2VjcmV0IGtleQ==", "-----BEGIN-----\nc2VjcmV0IGtleQ==", "in a list", key] {
        assert_eq!(redactor.redact(text), "[secret a]", "{text}");
    }
    assert_eq!(redactor.redact("private_key"), "private_key");
    assert_eq!(warnings[0].omission, Omission::ShortParts);
}

#[test]
fn the_content_of_a_file_is_a_secret() {
    let content = "user: admin\npassword: correct horse\n";
    let payload = data_encoding::BASE64.encode(content.as_bytes());
    let redactor = redactor(&[&format!("data:text/plain;base64,{payload}")]);
    for text in ["password: correct horse", "user: admin\npassword: correct horse", &payload] {
        assert_eq!(redactor.redact(text), "[secret a]", "{text}");
    }
}

#[test]
fn a_marker_that_would_tell_a_secret_has_no_name() {
    let secret = SecretString::from("password");
    let (redactor, _) = Redactor::new([("the password", &secret)]).unwrap();
    assert_eq!(redactor.redact("password"), NAMELESS);
    let (redactor, _) =
        Redactor::new([("a\n\u{1b}[31m key of far too many characters", &secret)]).unwrap();
    assert_eq!(redactor.redact("password"), "[secret a [31m key of far too many ch…]");
}

#[test]
fn json_stays_json() {
    let redactor = redactor(&["hunter2", "12345678", "quo\"te\\d"]);
    let cases = [
        (r#"{"k":["hunter2",true]}"#, r#"{"k":["[secret a]",true]}"#),
        (r#"{"\u0068unter2": -1.5e3}"#, r#"{"[secret a]": -1.5e3}"#),
        (r#"[12345678, 1123456789.0]"#, r#"["[secret b]", "1[secret b]9.0"]"#),
        (r#""a\\\"quo\"te\\d\"""#, r#""a\\\"[secret c]\"""#),
        (r#"["\ud800hunter2"]"#, r#"["\\ud800[secret a]"]"#),
    ];
    for (json, expected) in cases {
        let redacted = redactor.redact_json(json);
        assert_eq!(redacted, expected);
        serde_json::from_str::<serde_json::Value>(&redacted).unwrap();
    }
    let untouched = r#"{"a": [1, null, "b\n"]}"#;
    assert!(matches!(redactor.redact_json(untouched), Cow::Borrowed(_)));
}

#[test]
fn a_document_that_is_a_secret_leaves_nothing_of_its_structure() {
    let redactor = redactor(&[r#"{"pin":1234}"#]);
    assert_eq!(redactor.redact_json(r#"[{"pin":1234}]"#), r#""[[secret a]]""#);
}

#[test]
fn identifiers_stay_identifiers() {
    assert_eq!(redactor(&["hunter2"]).redact_identifier("step-hunter2.1"), "step-x.1");
}

#[test]
fn no_secrets_no_cost() {
    let redactor = Arc::new(redactor(&["", "short"]));
    assert_eq!(redactor.memory(), 0);
    let mut released = String::new();
    redactor.stream().push("short", &mut released);
    assert_eq!(released, "short");
}

#[test]
fn debug_tells_no_secret() {
    let redactor = Arc::new(redactor(&["hunter2", "correct horse"]));
    let mut stream = redactor.stream();
    stream.push("correct hors", &mut String::new());
    let debug = format!("{redactor:?} {stream:?}");
    assert!(!debug.contains("hunter") && !debug.contains("corr"), "{debug}");
    assert!(debug.contains("held: 12"), "{debug}");
}

#[test]
fn huge_secrets_are_bounded_and_leave_room_for_small_ones() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut line = || (0..80).map(|_| random.alphanumeric()).collect::<String>() + "\n";
    let huge: String = (0..16 * 1024).map(|_| line()).collect();
    let (redactor, warnings) = with_warnings(&[&huge, "hunter2"]);
    assert!(redactor.memory() < 8 << 20, "{}", redactor.memory());
    let long = Warning { key: "a".to_owned(), omission: Omission::TooLong };
    assert_eq!(warnings, [long]);
    let redacted = redactor.redact(&huge[..1_500 * 81]).into_owned();
    assert!(rest(&redacted).iter().all(|part| part.trim().is_empty()), "its beginning is covered");
    assert_eq!(redactor.redact(&data_encoding::HEXLOWER.encode(b"hunter2")), "[secret b]");
    assert!(!redactor.finds("nothing of it"));
}

/// A key like those of 4096 bits: 50 lines of base64.
fn pem() -> String {
    let mut random = fastrand::Rng::with_seed(2);
    let mut line = || (0..64).map(|_| random.alphanumeric()).collect::<String>() + "\n";
    let lines: String = (0..50).map(|_| line()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n")
}

#[test]
fn hostile_inputs_leave_room_for_a_key() {
    let mut random = fastrand::Rng::with_seed(3);
    // Each character has as many forms as possible, and the whole is shorter than the key.
    let characters: Vec<_> = "\"\u{1}'\u{202e}<\u{7f}€/\u{8}&😀".chars().collect();
    let mut hostile = || {
        let characters = (0..800).map(|_| characters[random.usize(..characters.len())]);
        characters.collect::<String>()
    };
    let hostile: Vec<_> = (0..8).map(|_| SecretString::from(hostile())).collect();
    let (key, password) = (SecretString::from(pem()), SecretString::from("hunter2"));
    let mut secrets: Vec<_> = hostile.iter().map(|secret| ("hostile", secret)).collect();
    secrets.extend([("key", &key), ("password", &password)]);
    let (redactor, warnings) = Redactor::new(secrets).unwrap();
    assert_eq!(redactor.redact(&pem()), "[secret key]\n");
    for line in pem().lines() {
        assert_eq!(redactor.redact(line), "[secret key]");
    }
    let json = serde_json::to_string(&pem()).unwrap();
    let escaped = redactor.redact(&json).into_owned();
    assert_eq!(escaped, "\"[secret key]\\n\"");
    assert_eq!(redactor.redact(&data_encoding::HEXLOWER.encode(b"hunter2")), "[secret password]");
    assert!(warnings.iter().any(|warning| warning.key == "hostile"), "{warnings:?}");
}

#[test]
fn a_key_and_many_passwords_are_found_in_all_forms() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut password = || (0..40).map(|_| char::from(random.u8(b'!'..=b'~'))).collect::<String>();
    let mut secrets: Vec<_> = (0..50).map(|_| SecretString::from(password())).collect();
    secrets.push(SecretString::from(pem()));
    let (redactor, warnings) = Redactor::new(secrets.iter().map(|key| ("key", key))).unwrap();
    assert_eq!(warnings, []);
    assert!(redactor.memory() < 5 << 20, "{}", redactor.memory());
}

#[test]
fn a_marker_holds_no_secret_of_another_part() {
    let shared = Shared::new();
    let [one, other] = ["hunter-two", "passphrase"].map(SecretString::from);
    let matcher = |key: &str, secret| shared.matcher(&[(key, secret)]).unwrap().0.unwrap();
    let redactor = Redactor::of([matcher("passphrase", &one), matcher("key", &other)]);
    assert_eq!(redactor.redact("hunter-two, passphrase"), format!("{NAMELESS}, [secret key]"));
}

#[test]
fn secrets_in_parts_are_found_as_if_they_were_together() {
    let secrets = ["overlapping", "pingpong-table", "lapping", "over\u{e4}ll secret"];
    let secrets: Vec<_> = secrets.map(SecretString::from).into();
    let keyed: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(&secrets).collect();
    let whole = Arc::new(Redactor::new(keyed.clone()).unwrap().0);
    let shared = Shared::new();
    for cut in 0..=keyed.len() {
        let (some, rest) = keyed.split_at(cut);
        let parts = [some, rest].map(|part| shared.matcher(part).unwrap().0);
        let parts = Arc::new(Redactor::of(parts.into_iter().flatten()));
        for text in [
            "overlapping",
            "overlappingpong-table",
            "an overlap, ping\npong-table over",
            "over\u{e4}ll secretoverlapping lapping",
            "nothing of the kind",
        ] {
            let expected = whole.redact(text);
            assert_eq!(parts.redact(text), expected, "{cut}: {text}");
            // The result does not depend on the pieces.
            for border in (0..text.len()).filter(|border| text.is_char_boundary(*border)) {
                let (mut stream, mut released) = (parts.stream(), String::new());
                let (first, second) = text.split_at(border);
                stream.push(first, &mut released);
                stream.push(second, &mut released);
                stream.finish(&mut released);
                assert_eq!(released, expected, "{cut}: {text} at {border}");
            }
        }
    }
}
