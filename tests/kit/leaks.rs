//! Secrets are found where they are, in any form.

use blockhouse_tests::{Leaks, base64};

const SECRET: &str = "Zwiebelkuchen-42";

fn leaks() -> Leaks {
    Leaks::of([("password", SECRET)]).unwrap()
}

#[test]
fn a_secret_is_found_in_bytes_that_are_no_text() {
    let bytes = [&[0xFF, 0, 0xC3][..], SECRET.as_bytes(), &[0xFE]].concat();
    let found = leaks().in_bytes("here", &bytes);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].secret.as_str(), found[0].place.as_str()), ("password", "here"));
    assert!(leaks().in_bytes("here", b"Zwiebelkuchen-43").is_empty());
}

#[test]
fn a_secret_is_found_in_another_form() {
    let encoded = base64(format!("user:{SECRET}").as_bytes());
    assert_eq!(leaks().in_bytes("here", encoded.as_bytes()).len(), 1);
}

#[test]
fn a_directory_is_searched_with_names_and_without_what_is_excepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(path("a/b")).unwrap();
    std::fs::create_dir_all(path("sealed")).unwrap();
    std::fs::write(path("a/b/clean"), "nothing").unwrap();
    assert!(leaks().in_directory(directory.path(), |_| false).unwrap().is_empty());
    std::fs::write(path("sealed/x"), SECRET).unwrap();
    assert!(
        leaks().in_directory(directory.path(), |found| found == path("sealed")).unwrap().is_empty()
    );
    std::fs::write(path(&format!("a/b/{SECRET}")), "").unwrap();
    assert_eq!(leaks().in_directory(directory.path(), |_| false).unwrap().len(), 2);
    assert!(leaks().in_directory(&path("absent"), |_| false).unwrap().is_empty());
}

#[test]
fn a_secret_that_nothing_would_find_is_an_error() {
    assert!(Leaks::of([("pin", "1234")]).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let (leaks, found) = (leaks(), leaks().in_bytes("here", SECRET.as_bytes()));
    assert!(!format!("{leaks:?} {found:?}").contains(SECRET));
}
