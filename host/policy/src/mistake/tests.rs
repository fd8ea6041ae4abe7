use super::*;

fn rendered(text: &str, span: Range<usize>) -> String {
    let source = Source::new("p.toml".into(), text);
    let noted = vec![Noted { span, message: "is wrong".to_owned(), hint: None }];
    Mistakes::new(&source, noted).expect("one").to_string()
}

fn at(text: &str, part: &str) -> String {
    let start = text.find(part).expect("the part");
    rendered(text, start..start + part.len())
}

#[test]
fn carets_stand_under_what_is_meant() {
    assert_eq!(at("a = 1\nb = two\n", "two"), "p.toml:2:5: is wrong\n  b = two\n      ^^^");
    assert_eq!(at("a = 1\r\nb = 2\r\n", "2"), "p.toml:2:5: is wrong\n  b = 2\n      ^");
    // A tab is one character of the column, and four columns of the picture.
    assert_eq!(at("\tb = 2", "2"), "p.toml:1:6: is wrong\n      b = 2\n          ^");
    assert_eq!(at("漢字 = x", "x"), "p.toml:1:6: is wrong\n  漢字 = x\n         ^");
    assert_eq!(at("x = 漢字", "漢字"), "p.toml:1:5: is wrong\n  x = 漢字\n      ^^^^");
}

#[test]
fn the_end_and_the_empty_file_have_a_place() {
    assert_eq!(rendered("", 0..0), "p.toml:1:1: is wrong\n  \n  ^");
    assert_eq!(rendered("ab", 2..2), "p.toml:1:3: is wrong\n  ab\n    ^");
    assert_eq!(rendered("ab", 90..99), "p.toml:1:3: is wrong\n  ab\n    ^");
    assert_eq!(rendered("ä", 1..1), "p.toml:1:1: is wrong\n  ä\n  ^");
    assert_eq!(rendered("ab\ncd", 0..5), "p.toml:1:1: is wrong\n  ab\n  ^^");
}

#[test]
fn very_long_lines_are_cut_around_the_place() {
    let text = format!("{}HERE{}", "a".repeat(10_000), "b".repeat(10_000));
    let shown = at(&text, "HERE");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "p.toml:1:10001: is wrong");
    assert!(lines[1].chars().count() < 110, "{shown}");
    let caret = lines[2].chars().position(|c| c == '^').expect("carets");
    assert_eq!(lines[1].chars().skip(caret).take(4).collect::<String>(), "HERE", "{shown}");
    assert_eq!(lines[2].matches('^').count(), 4);
    assert!(rendered(&text, 0..20_004).lines().all(|line| line.chars().count() < 110));
}

#[test]
fn control_characters_of_the_source_are_not_repeated() {
    let text = "x = \"\u{1b}[31m\u{7}\u{202e}\u{200b}\u{9b}\u{301}\" # HERE";
    let shown = at(text, "HERE");
    assert!(shown.chars().all(|c| c == '\n' || is_plain(c)), "{shown:?}");
    assert!(shown.contains(r"\u{1b}[31m\u{7}\u{202e}\u{200b}\u{9b}\u{301}"), "{shown}");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[1].find("HERE"), lines[2].find('^'));
    assert_eq!(quoted("a\u{1b}b"), r"`a\u{1b}b`");
    assert_eq!(quoted(&"x".repeat(1000)).chars().count(), 63);
}

#[test]
fn hundreds_of_mistakes_are_counted_not_shown() {
    let source = Source::new("p.toml".into(), "text");
    let noted = (0..1000).map(|_| Noted { span: 0..1, message: String::new(), hint: None });
    let mistakes = Mistakes::new(&source, noted.collect()).expect("many");
    assert_eq!(mistakes.iter().count(), MAX_SHOWN);
    assert!(mistakes.to_string().ends_with("\n\nand 900 more"));
}
