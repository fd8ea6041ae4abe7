use super::*;
use crate::terraform::sealed::{TAG_BYTES, open};
use crate::unseal::PrivateKey;
use secrecy::SecretString;
use std::io::Write as _;

const KEY: &str = include_str!("../../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");

fn key() -> PrivateKey {
    PrivateKey::from_pem(&SecretString::from(KEY)).unwrap()
}

fn state(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn what_is_kept_can_be_opened_by_the_runner_and_read_by_nobody_else() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let directory = place.path().join("quarantine");
    let quarantine = Quarantine::new(directory.clone(), Some(Arc::clone(key.public())));
    for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
        let content = vec![b'x'; length];
        let keep = || quarantine.keep(&state(&content), "../b", "run", "0001-apply").unwrap();
        let path = keep();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("b.run.0001-apply.") && name.ends_with(SEALED), "{name}");
        assert_eq!(path, keep());
        let sealed = fs::read(&path).unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"xxxxxxxx"));
        assert_eq!(*open(&path, &key).unwrap(), content, "{length}");
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 6);
}

#[test]
fn a_copy_that_was_cut_or_put_together_anew_is_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let quarantine = Quarantine::new(place.path().join("q"), Some(Arc::clone(key.public())));
    let content = [0, 1, 2].map(|number| vec![number; PIECE_BYTES]).concat();
    let path = quarantine.keep(&state(&content), "b", "r", "c").unwrap();
    let sealed = fs::read(&path).unwrap();
    let refused = |damaged: &[u8]| {
        fs::write(&path, damaged).unwrap();
        open(&path, &key).unwrap_err();
    };
    let piece = PIECE_BYTES + TAG_BYTES;
    for length in [0, 3, 4, 100, sealed.len() - 1, sealed.len() - TAG_BYTES, sealed.len() - piece] {
        refused(&sealed[..length]);
    }
    let head = sealed.len() - 3 * piece - TAG_BYTES;
    let mut swapped = sealed.clone();
    swapped[head..head + 2 * piece].rotate_left(piece);
    refused(&swapped);
    let mut longer = sealed.clone();
    longer.push(0);
    refused(&longer);
}

#[test]
fn another_state_of_the_same_call_is_kept_beside_the_first() {
    let place = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::new(place.path().join("q"), None);
    let keep = |content: &[u8]| quarantine.keep(&state(content), "b", "r", "0007-apply").unwrap();
    let (one, other) = (keep(b"one"), keep(b"other"));
    assert_eq!(
        (fs::read(&one).unwrap(), fs::read(&other).unwrap()),
        (b"one".into(), b"other".into())
    );
    let mut both = quarantine.of("b", "r", "0007-apply").unwrap();
    both.sort_unstable();
    let mut expected = vec![one, other];
    expected.sort_unstable();
    assert_eq!(both, expected);
    assert!(quarantine.of("b", "r", "0007-appl").unwrap().is_empty());
}

#[test]
fn of_states_that_were_only_found_the_newest_few_are_kept() {
    let place = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::new(place.path().join("q"), None);
    let own = quarantine.keep(&state(b"own"), "b", "r", "c").unwrap();
    for number in 0..20 {
        for _ in 0..3 {
            let path = quarantine.keep_found(&state(&[number]), "b").unwrap();
            assert_eq!(fs::read(path).unwrap(), [number]);
        }
    }
    assert_eq!(fs::read_dir(place.path().join("q")).unwrap().count(), FOUND_MAX + 1);
    assert!(own.exists());
}

#[test]
fn more_than_a_state_may_have_is_not_kept() {
    let place = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::new(place.path().join("q"), None);
    let large = tempfile::tempfile().unwrap();
    large.set_len(STATE_MAX + 1).unwrap();
    let error = quarantine.keep(&large, "b", "r", "c").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(fs::read_dir(place.path().join("q")).unwrap().count(), 0);
}

#[test]
fn without_a_key_the_copy_is_plain_but_ours_alone() {
    let place = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::new(place.path().join("q"), None);
    let path = quarantine.keep(&state(b"{}"), "b", "r", "c").unwrap();
    assert!(path.to_string_lossy().ends_with(PLAIN), "{path:?}");
    assert_eq!(fs::read(&path).unwrap(), b"{}");
}

#[test]
fn copies_are_found_by_their_run() {
    let place = tempfile::tempdir().unwrap();
    assert!(copies(&place.path().join("none")).unwrap().is_empty());
    for key in [None, Some(Arc::clone(key().public()))] {
        let quarantine = Quarantine::new(place.path().join("q"), key);
        quarantine.keep(&state(b"one"), "b", "run-1", "0001-apply").unwrap();
        quarantine.keep(&state(b"two"), "b", "run-2", "0001-apply").unwrap();
        quarantine.keep_found(&state(b"three"), "b").unwrap();
    }
    let run = RunId::parse("run-1").unwrap();
    assert_eq!(copies_of(&place.path().join("q"), &run).unwrap().len(), 2);
    assert_eq!(copies(&place.path().join("q")).unwrap().len(), 4);
}

#[test]
fn where_a_copy_is_and_how_it_is_opened_is_told_in_one_sentence() {
    let key = key();
    let path = Path::new("/kept/a.tfstate");
    for (key, expected) in [
        (
            Some(Arc::clone(key.public())),
            "The runner keeps it in `/kept/a.tfstate`, sealed to its key; its operator can open it with \
             `blockhouse state open` and write it with `terraform state push`.",
        ),
        (
            None,
            "The runner keeps it in `/kept/a.tfstate`, not encrypted since it has no key; its operator can write it with \
             `terraform state push`.",
        ),
    ] {
        assert_eq!(Quarantine::new(PathBuf::from("/kept"), key).sentence(path), expected);
    }
}
