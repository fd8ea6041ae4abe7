//! Mirrors: fetched once, shared, and made anew when they are damaged.

use super::*;
use blockhouse_tests::GitFile::Text;
use blockhouse_tests::{GitHttp, GitHttpMode};
use std::sync::Arc;

async fn served() -> (GitRepository, GitHttp) {
    let repository = GitRepository::new().unwrap();
    repository.commit("main", &[("file", Text(b"first"))]).unwrap();
    let server = GitHttp::start(repository.root()).await.unwrap();
    (repository, server)
}

/// The packs of the only mirror.
fn packs(place: &Place) -> Vec<PathBuf> {
    let [mirror] = &place.mirrors()[..] else { panic!("{:?}", place.mirrors()) };
    let entries = fs::read_dir(mirror.join("objects/pack")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension() == Some("pack".as_ref())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_checkouts_of_a_cold_repository_are_one_fetch() {
    let (_repository, server) = served().await;
    let place = Arc::new(Place::new());
    for _wave in 0..2 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (place, wanted) = (Arc::clone(&place), at(&server.url("repository.git")));
            tasks.spawn(async move { place.checkout(wanted).await.unwrap().names() });
        }
        assert!(tasks.join_all().await.iter().all(|names| names == &["file"]));
        assert_eq!(server.fetches(), 1);
    }
    assert_eq!(packs(&place).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_wait_for_each_other_too() {
    let (_repository, server) = served().await;
    let place = Place::new();
    let config = Config {
        mirrors: place.state.path().join("git"),
        git: on_path("git"),
        ssh: on_path("ssh"),
        mirrors_max_bytes: 1 << 30,
        known_hosts: None,
        insecure_host_keys: false,
        ca_file: None,
        proxy: Vec::new(),
    };
    // Knows nothing of the first but what is on the disk.
    let other = Place { state: place.state, git: Git::open(config).unwrap() };
    let git = place.git;
    let (directory, scratch) = (tempfile::tempdir().unwrap(), other.scratch());
    let url = server.url("repository.git");
    let (first, second) = tokio::join!(
        git.checkout(at(&url), directory.path(), &scratch, limits(), CancellationToken::new()),
        other.checkout(at(&url)),
    );
    first.unwrap();
    second.unwrap();
    assert_eq!(server.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_new_is_fetched() {
    let (repository, server) = served().await;
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
    repository.commit("main", &[("file", Text(b"1")), ("large", Text(&noise))]).unwrap();
    let place = Place::new();
    let url = server.url("repository.git");
    let wanted = || below(at(&url), "folder");
    place.checkout(wanted()).await.err().unwrap();
    repository.commit("main", &[("folder/file", Text(b"2")), ("large", Text(&noise))]).unwrap();
    assert_eq!(place.checkout(wanted()).await.unwrap().files()["file"], "2");
    assert_eq!(place.checkout(wanted()).await.unwrap().files()["file"], "2");
    assert_eq!(server.fetches(), 2);
    let mut sizes: Vec<_> =
        packs(&place).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    sizes.sort_unstable();
    assert!(sizes[0] < 10_000 && sizes[1] > 1 << 20, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_only_give_everything_is_asked_for_everything() {
    let (repository, server) = served().await;
    let first = repository.git(&["rev-parse", "main"], b"").unwrap();
    repository.commit("main", &[("file", Text(b"second"))]).unwrap();
    server.set(GitHttpMode::Plain);
    repository.git(&["update-server-info"], b"").unwrap();
    let place = Place::new();
    for (revision, text) in [("main", "second"), (&*first, "first")] {
        let done = place.checkout(of(at(&server.url("repository.git")), revision)).await.unwrap();
        assert_eq!(done.files()["file"], text);
    }
    let gone = of(at(&server.url("repository.git")), &"1".repeat(40));
    let error = place.checkout(gone).await.err().unwrap();
    assert!(matches!(error, GitError::NotFound(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_tampered_with_is_made_anew() {
    let (repository, server) = served().await;
    let place = Place::new();
    let wanted = || at(&server.url("repository.git"));
    place.checkout(wanted()).await.unwrap();
    let harm: [fn(&Path); 4] = [
        |pack| fs::remove_file(pack).unwrap(),
        |pack| overwrite(pack, &[0; 64]),
        |pack| {
            let mut bytes = fs::read(pack).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            overwrite(pack, &bytes);
        },
        |pack| {
            let mirror = pack.ancestors().nth(3).unwrap();
            for left in ["shallow.lock", "objects/pack/tmp_pack_x", "config.lock"] {
                fs::write(mirror.join(left), "x").unwrap();
            }
        },
    ];
    for (number, harm) in harm.into_iter().enumerate() {
        harm(&packs(&place)[0]);
        let done = place.checkout(wanted()).await.unwrap();
        assert_eq!(done.names(), ["file"], "{number}");
        let text = format!("{number}");
        repository.commit("main", &[("file", Text(text.as_bytes()))]).unwrap();
        let done = place.checkout(wanted()).await.unwrap();
        assert_eq!(done.files()["file"], text);
    }
    assert_eq!(place.mirrors().len(), 1);
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// An object that is another one than its name says: whoever can write to the mirrors still can't choose what is checked out.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_what_its_name_says() {
    let (repository, server) = served().await;
    let place = Place::new();
    let wanted = || at(&server.url("repository.git"));
    place.checkout(wanted()).await.unwrap();
    let pack = packs(&place)[0].clone();
    let mirror = place.mirrors()[0].clone();
    let git_dir = format!("--git-dir={}", mirror.display());
    let run = |arguments: &[&str]| {
        let output = blockhouse_tests::git().arg(&git_dir).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let original = repository.git(&["rev-parse", "main:file"], b"").unwrap();
    // Every object as a file of its own, and in the place of one of them another one.
    let away = mirror.join("pack");
    fs::rename(&pack, &away).unwrap();
    fs::remove_dir_all(mirror.join("objects/pack")).unwrap();
    let mut unpack = blockhouse_tests::git();
    unpack.args([&git_dir, "unpack-objects", "-q"]).stdin(fs::File::open(away).unwrap());
    assert!(unpack.status().unwrap().success());
    let evil = place.state.path().join("evil");
    fs::write(&evil, "evil!").unwrap();
    let evil = run(&["hash-object", "-w", evil.to_str().unwrap()]);
    let object = |id: &str| mirror.join("objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(object(&original)).unwrap();
    fs::copy(object(&evil), object(&original)).unwrap();
    let done = place.checkout(wanted()).await.unwrap();
    assert_eq!(done.files()["file"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_mirror_goes_first_and_none_in_use() {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(200 << 10).collect();
    let repositories = [(); 4].map(|()| {
        let repository = GitRepository::new().unwrap();
        repository
            .commit("main", &[("file", Text(&data_encoding::HEXLOWER.encode(&noise).into_bytes()))])
            .unwrap();
        repository
    });
    // Room for two.
    let place = Place::with(|config| config.mirrors_max_bytes = 500 << 10);
    let mut last: Vec<PathBuf> = Vec::new();
    for (number, repository) in repositories.iter().enumerate() {
        place.checkout(local(repository)).await.unwrap();
        let mirrors = place.mirrors();
        assert_eq!(mirrors.len(), (number + 1).min(2), "{mirrors:?}");
        let new: Vec<_> = mirrors.iter().filter(|path| !last.contains(path)).collect();
        assert_eq!(new.len(), 1, "the one in use was removed");
        last = mirrors;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_many_fetches_is_made_anew() {
    let (repository, server) = served().await;
    let place = Place::new();
    let mut most = 0;
    for number in 0..70 {
        let text = number.to_string();
        repository.commit("main", &[("file", Text(text.as_bytes()))]).unwrap();
        let done = place.checkout(at(&server.url("repository.git"))).await.unwrap();
        assert_eq!(done.files()["file"], text);
        most = most.max(packs(&place).len());
    }
    assert_eq!(most, 64);
    assert!(packs(&place).len() < 10);
}
