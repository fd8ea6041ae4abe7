use super::*;
use tempfile::TempDir;

/// Bytes that an entry has beside its code.
const TAG: usize = 32;

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("components")
    }

    fn cache(&self) -> Cache {
        self.cache_of(&[1; 32], "compiler", 1000)
    }

    fn cache_of(&self, key: &[u8; 32], compiler: &str, max_bytes: u64) -> Cache {
        let key = SecretBox::new(Box::new(*key));
        let config = CacheConfig { directory: self.path(), max_bytes, key };
        Cache::open(&config, digest(compiler))
    }

    /// The names of all files in the directory.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The only file in the directory.
    fn entry(&self) -> PathBuf {
        let names = self.names();
        assert_eq!(names.len(), 1, "{names:?}");
        self.path().join(&names[0])
    }

    /// As if the entry had been used so many seconds after the epoch.
    fn used(&self, cache: &Cache, component: &str, seconds: u64) {
        let path = self.path().join(cache.seal(digest(component)).name());
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn keep(cache: &Cache, component: &str, code: &[u8]) {
    cache.keep(digest(component), &NativeCode::fake(code));
}

fn found(cache: &Cache, component: &str) -> Option<Vec<u8>> {
    cache.find(digest(component)).map(|code| code.bytes().to_vec())
}

#[test]
fn what_was_kept_is_found_by_the_next_start() {
    let place = Place::new();
    assert_eq!(found(&place.cache(), "a"), None);
    keep(&place.cache(), "a", b"code of a");
    assert_eq!(found(&place.cache(), "a").unwrap(), b"code of a");
    assert_eq!(found(&place.cache(), "b"), None);
    keep(&place.cache(), "a", b"newer code");
    assert_eq!(found(&place.cache(), "a").unwrap(), b"newer code");
    place.entry();
}

#[test]
fn a_flipped_bit_anywhere_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    for at in 0..TAG + 4 {
        keep(&cache, "a", b"code");
        let path = place.entry();
        let mut contents = fs::read(&path).unwrap();
        assert_eq!(contents.len(), TAG + 4);
        contents[at] ^= 1 << (at % 8);
        fs::write(&path, contents).unwrap();
        assert_eq!(found(&cache, "a"), None, "byte {at}");
        assert_eq!(place.names(), [""; 0], "byte {at}: it is still there");
    }
}

#[test]
fn a_torn_file_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    for end in 0..TAG + 4 {
        keep(&cache, "a", b"code");
        let path = place.entry();
        fs::write(&path, &fs::read(&path).unwrap()[..end]).unwrap();
        assert_eq!(found(&cache, "a"), None, "{end} bytes");
        assert_eq!(place.names(), [""; 0], "{end} bytes: it is still there");
    }
}

#[test]
fn an_entry_under_the_name_of_another_one_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    keep(&cache, "a", b"code of a");
    let name = cache.seal(digest("b")).name();
    fs::rename(place.entry(), place.path().join(name)).unwrap();
    assert_eq!(found(&cache, "b"), None);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn another_key_or_compiler_finds_nothing_even_if_it_knows_the_name() {
    let place = Place::new();
    let others =
        [place.cache_of(&[2; 32], "compiler", 1000), place.cache_of(&[1; 32], "new", 1000)];
    for other in others {
        keep(&place.cache(), "a", b"code of a");
        assert_eq!(found(&other, "a"), None);
        fs::rename(place.entry(), place.path().join(other.seal(digest("a")).name())).unwrap();
        assert_eq!(found(&other, "a"), None);
        assert_eq!(place.names(), [""; 0]);
    }
}

#[test]
fn names_and_debug_tell_neither_component_nor_key() {
    let place = Place::new();
    keep(&place.cache(), "a", b"code");
    let name = place.names().remove(0);
    assert!(!digest("a").to_string().contains(&name));
    let key = SecretBox::new(Box::new([77; 32]));
    let config = CacheConfig { directory: place.path(), max_bytes: 1, key };
    assert!(!format!("{config:?} {:?}", place.cache()).contains("77, 77"));
}

#[test]
fn those_that_were_used_longest_ago_make_room() {
    let place = Place::new();
    let size = u64::try_from(TAG).unwrap() + 4;
    let cache = place.cache_of(&[1; 32], "compiler", 3 * size);
    for (index, component) in ["a", "b", "c"].into_iter().enumerate() {
        keep(&cache, component, b"code");
        place.used(&cache, component, 1000 + u64::try_from(index).unwrap());
    }
    // It is used: now it is the newest one.
    assert!(found(&cache, "a").is_some());
    keep(&cache, "d", b"code");
    let is_kept = ["a", "b", "c", "d"].map(|component| found(&cache, component).is_some());
    assert_eq!(is_kept, [true, false, true, true]);
    // A smaller limit holds from the next start on.
    place.used(&cache, "d", 3000);
    place.used(&cache, "c", 2000);
    place.used(&cache, "a", 1000);
    let cache = place.cache_of(&[1; 32], "compiler", size);
    assert_eq!(place.names().len(), 1);
    assert!(found(&cache, "d").is_some());
}

#[test]
fn what_is_larger_than_the_cache_is_not_kept_and_nothing_makes_room_for_it() {
    let place = Place::new();
    let cache = place.cache_of(&[1; 32], "compiler", 50);
    keep(&cache, "a", b"code");
    keep(&cache, "b", &[0; 100]);
    assert!(found(&cache, "a").is_some() && found(&cache, "b").is_none());
}

#[test]
fn files_of_others_are_left_alone_and_what_a_crash_left_is_not() {
    let place = Place::new();
    let size = u64::try_from(TAG).unwrap() + 4;
    let cache = place.cache_of(&[1; 32], "compiler", size);
    let foreign = ["README", &"A".repeat(64), &"a".repeat(63)];
    for name in foreign.into_iter().chain(["partial-new", "partial-old"]) {
        fs::write(place.path().join(name), [0; 500]).unwrap();
    }
    let old = File::options().write(true).open(place.path().join("partial-old")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    keep(&cache, "a", b"code");
    keep(&cache, "b", b"code");
    assert!(found(&cache, "b").is_some() && found(&cache, "a").is_none());
    let names = place.names();
    assert!(foreign.iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
    assert!(names.contains(&"partial-new".to_owned()), "{names:?}");
    assert!(!names.contains(&"partial-old".to_owned()), "{names:?}");
}

#[test]
fn a_directory_that_can_not_be_used_is_no_error() {
    let place = Place::new();
    fs::write(place.path(), "in the way").unwrap();
    let cache = place.cache();
    keep(&cache, "a", b"code");
    assert_eq!(found(&cache, "a"), None);
    let place = Place::new();
    let cache = place.cache();
    fs::create_dir(place.path().join(cache.seal(digest("a")).name())).unwrap();
    keep(&cache, "a", b"code");
    assert_eq!(found(&cache, "a"), None);
}

#[test]
#[cfg(unix)]
fn a_link_in_the_place_of_an_entry_is_not_followed() {
    let place = Place::new();
    let cache = place.cache();
    keep(&cache, "a", b"code");
    let (path, elsewhere) = (place.entry(), place.directory.path().join("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert_eq!(found(&cache, "a"), None);
    assert!(elsewhere.exists() && !path.exists(), "the link is to be removed, not its target");
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    keep(&cache, "a", b"newer code");
    assert_eq!(found(&cache, "a").unwrap(), b"newer code");
    assert_eq!(fs::read(&elsewhere).unwrap(), before, "it was written through the link");
}

#[test]
#[cfg(unix)]
fn directory_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    keep(&place.cache(), "a", b"code");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode(&place.path()), mode(&place.entry())], [0o700, 0o600]);
}

#[test]
#[cfg(unix)]
fn a_link_in_the_place_of_the_directory_is_not_followed() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let old = File::create(elsewhere.path().join("partial-old")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), place.path()).unwrap();
    let cache = place.cache();
    keep(&cache, "a", b"code");
    assert_eq!(found(&cache, "a"), None);
    let entries = fs::read_dir(elsewhere.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(entries.collect::<Vec<_>>(), ["partial-old"]);
}

#[test]
fn a_file_that_is_too_long_for_code_is_not_read() {
    let place = Place::new();
    let cache = place.cache_of(&[1; 32], "compiler", u64::MAX);
    keep(&cache, "a", b"code");
    let path = place.entry();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(u64::try_from(SEALED_MAX).unwrap() + 1).unwrap();
    assert_eq!(cache.read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(found(&cache, "a"), None);
    assert_eq!(place.names(), [""; 0]);
}
