//! Servers that want to know more, send elsewhere, or never answer; and what is left of git when a checkout ends.

use super::*;
use blockhouse::git::HttpsCredentials;
use blockhouse_tests::GitFile::Text;
use blockhouse_tests::{Authority, GitHttp, GitHttpMode, base64};
use std::time::{Duration, Instant};

const TOKEN: &str = "hunter2-token-of-policy";

fn repository() -> GitRepository {
    let repository = GitRepository::new().unwrap();
    repository.commit("main", &[("file", Text(b"x"))]).unwrap();
    repository
}

fn with_token(repository: Repository) -> Repository {
    let basic = Some(("any".to_owned(), TOKEN.into()));
    Repository {
        https: Some(HttpsCredentials { basic, client_certificate: None, ca_file: None }),
        ..repository
    }
}

/// A place that trusts this authority.
fn trusting(directory: &Path, authority: &Authority) -> Place {
    let file = directory.join("authority.pem");
    fs::write(&file, authority.pem()).unwrap();
    Place::with(|config| config.ca_file = Some(file))
}

/// Arguments and environment of all processes that have to do with this directory.
#[cfg(target_os = "linux")]
pub(super) fn processes(directory: &Path) -> Vec<(String, String)> {
    let directory = directory.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let read =
        |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().is_ok())
        .map(|path| (read(path.join("cmdline")), read(path.join("environ"))))
        .filter(|(arguments, environment)| {
            arguments.contains(directory) || environment.contains(directory)
        })
        .collect()
}

/// Waits for a condition, for as long as tests wait.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience();
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_to_its_server_and_shown_nowhere() {
    let (repository, authority) = (repository(), Authority::new().unwrap());
    let acceptor = authority.server("localhost", false).unwrap();
    let server = GitHttp::start_tls(repository.root(), acceptor).await.unwrap();
    let pair = base64(format!("any:{TOKEN}").as_bytes());
    server.only(&format!("Basic {pair}"));
    let place = trusting(repository.root(), &authority);
    let wanted = || at(&server.url("repository.git"));
    let error = place.refused(wanted()).await;
    assert!(error.contains("wants credentials"), "{error}");
    let done = place.checkout(with_token(wanted())).await.unwrap();
    assert_eq!(done.names(), ["file"]);

    server.set(GitHttpMode::Fail(500));
    let error = place.refused(with_token(wanted())).await;
    assert!(error.contains("you sent Basic [secret]"), "{error}");
    assert!(!error.contains(TOKEN) && !error.contains(&pair), "{error}");

    #[cfg(target_os = "linux")]
    {
        server.set(GitHttpMode::StallFetch);
        repository.commit("main", &[("file", Text(b"y"))]).unwrap();
        let before = server.fetches();
        let cancel = CancellationToken::new();
        let checkout = place.until(with_token(wanted()), limits(), cancel.clone());
        let look = async {
            until("a fetch", || server.fetches() > before).await;
            let seen = processes(place.state.path());
            assert!(seen.len() >= 2, "git and its transport: {seen:?}");
            for (arguments, environment) in seen {
                assert!(!arguments.contains(TOKEN) && !arguments.contains(&pair), "{arguments}");
                assert!(!environment.contains("CARGO"), "ours was inherited: {environment}");
            }
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(checkout, look);
        assert!(matches!(result, Err(GitError::Aborted)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_sent_without_encryption() {
    let repository = repository();
    let server = GitHttp::start(repository.root()).await.unwrap();
    Place::new().checkout(with_token(at(&server.url("repository.git")))).await.unwrap();
    assert!(server.requests().iter().all(|request| request.authorization.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_must_be_who_it_says_and_gets_our_certificate() {
    let (repository, authority) = (repository(), Authority::new().unwrap());
    let acceptor = authority.server("localhost", true).unwrap();
    let server = GitHttp::start_tls(repository.root(), acceptor).await.unwrap();
    let wanted = || at(&server.url("repository.git"));
    let strange = trusting(repository.root(), &Authority::new().unwrap());
    for place in [Place::new(), strange] {
        let error = place.refused(wanted()).await;
        assert!(error.contains("certificate"), "{error}");
    }
    let place = trusting(repository.root(), &authority);
    place.refused(wanted()).await;
    let (certificate, key) = authority.client().unwrap();
    let [certificate_file, key_file] = ["c.pem", "k.pem"].map(|name| place.state.path().join(name));
    fs::write(&certificate_file, certificate).unwrap();
    fs::write(&key_file, key).unwrap();
    let client_certificate = Some((certificate_file, key_file));
    let https = Some(HttpsCredentials { basic: None, client_certificate, ca_file: None });
    let done = place.checkout(Repository { https, ..wanted() }).await.unwrap();
    assert_eq!(done.names(), ["file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_elsewhere_is_not_followed() {
    let repository = repository();
    let elsewhere = GitHttp::start(repository.root()).await.unwrap();
    let server = GitHttp::start(repository.root()).await.unwrap();
    server.set(GitHttpMode::Redirect(elsewhere.url("repository.git")));
    for name in ["repository", "repository.git"] {
        let error = Place::new().refused(at(&server.url(name))).await;
        assert!(error.contains("the server redirects"), "{error}");
    }
    assert!(elsewhere.requests().is_empty());
    // One that only adds `.git` is asked for what it wants.
    server.set(GitHttpMode::Redirect("/repository.git".to_owned()));
    Place::new().checkout(at(&server.url("repository"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_is_told_by_kind() {
    let repository = repository();
    let server = GitHttp::start(repository.root()).await.unwrap();
    let place = Place::new();
    let error = place.checkout(at(&server.url("other.git"))).await.err().unwrap();
    assert!(matches!(error, GitError::NotFound(_)), "{error}");
    for status in [403, 500, 502] {
        server.set(GitHttpMode::Fail(status));
        let error = place.checkout(at(&server.url("repository.git"))).await.err().unwrap();
        assert!(matches!(error, GitError::Failed(_)), "{error}");
    }
    drop(server);
    let nobody = at("http://localhost:1/repository.git");
    let error = place.checkout(nobody).await.err().unwrap();
    assert!(matches!(error, GitError::Failed(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_for_those_only_whom_the_server_lets_in() {
    let repository = repository();
    let commit = repository.git(&["rev-parse", "main"], b"").unwrap();
    let server = GitHttp::start(repository.root()).await.unwrap();
    let place = Place::new();
    let wanted = || of(at(&server.url("repository.git")), &commit);
    place.checkout(wanted()).await.unwrap();
    server.only("Basic nobody");
    for repository in [wanted(), of(wanted(), "main")] {
        let error = place.refused(repository).await;
        assert!(error.contains("wants credentials"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_is_a_timeout_and_nothing_goes_on() {
    let repository = repository();
    let server = GitHttp::start(repository.root()).await.unwrap();
    server.set(GitHttpMode::StallFetch);
    let place = Place::new();
    let limits = Limits { timeout: Duration::from_secs(2), ..limits() };
    let wanted = at(&server.url("repository.git"));
    let error = place.within(wanted, limits).await.err().unwrap();
    assert!(matches!(error, GitError::Timeout(_)), "{error}");
    assert_eq!(error.to_string(), "the sources were not there within 2s");
    nothing_is_left(&place).await;
}

/// No process, no key, nothing that hinders the next one.
async fn nothing_is_left(place: &Place) {
    #[cfg(target_os = "linux")]
    until("the end of git", || processes(place.state.path()).is_empty()).await;
    assert_eq!(fs::read_dir(place.scratch()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_or_dropping_a_checkout_kills_git_at_once() {
    let repository = repository();
    let server = GitHttp::start(repository.root()).await.unwrap();
    let place = Place::new();
    for is_dropped in [false, true] {
        server.set(GitHttpMode::StallFetch);
        let before = server.fetches();
        let cancel = CancellationToken::new();
        let checkout = place.until(at(&server.url("repository.git")), limits(), cancel.clone());
        let fetching = until("a fetch", || server.fetches() > before);
        if is_dropped {
            tokio::select! {
                _ = checkout => panic!("it ended"),
                () = fetching => {}
            }
        } else {
            let stop = async {
                fetching.await;
                cancel.cancel();
            };
            let (result, ()) = tokio::join!(checkout, stop);
            assert!(matches!(result, Err(GitError::Aborted)));
        }
        until("the directory of git is gone", || {
            fs::read_dir(place.scratch()).unwrap().count() == 0
        })
        .await;
        nothing_is_left(&place).await;
        server.set(GitHttpMode::Serve);
        let done = place.checkout(at(&server.url("repository.git"))).await.unwrap();
        assert_eq!(done.names(), ["file"]);
        repository.commit("main", &[("file", Text(b"another"))]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_larger_than_the_mirrors_is_refused() {
    let repository = GitRepository::new().unwrap();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(2 << 20).collect();
    repository.commit("main", &[("file", Text(&noise))]).unwrap();
    let place = Place::with(|config| config.mirrors_max_bytes = 1 << 20);
    let error = place.checkout(local(&repository)).await.err().unwrap();
    assert!(matches!(error, GitError::TooLarge(_)), "{error}");
}

/// Where the daemon of the test below finds what it is to fetch.
#[cfg(target_os = "linux")]
const DAEMON: &str = "BLOCKHOUSE_TEST_GIT_DAEMON";

/// Not a test on its own: as a process of its own, it fetches for the one below until it is killed.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_fetches_until_it_is_killed() {
    let Some(text) = std::env::var(DAEMON).ok() else { return };
    let (state, url) = text.split_once(' ').unwrap();
    let state = Path::new(state);
    let git = Git::open(Config {
        mirrors: state.join("git"),
        git: on_path("git"),
        ssh: on_path("ssh"),
        mirrors_max_bytes: 1 << 30,
        known_hosts: None,
        insecure_host_keys: false,
        ca_file: None,
        proxy: Vec::new(),
    });
    let (git, cancel) = (git.unwrap(), CancellationToken::new());
    let error = git.checkout(at(url), &state.join("work"), state, limits(), cancel).await;
    panic!("it ended: {:?}", error.err());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_git_outlives_a_daemon_that_is_killed() {
    let repository = repository();
    let server = GitHttp::start(repository.root()).await.unwrap();
    server.set(GitHttpMode::StallFetch);
    let state = tempfile::tempdir().unwrap();
    fs::create_dir(state.path().join("work")).unwrap();
    let me = std::env::current_exe().unwrap();
    let test = "sources::servers::a_daemon_that_fetches_until_it_is_killed";
    let url = server.url("repository.git");
    #[expect(clippy::disallowed_methods, reason = "a daemon to be killed")]
    let mut daemon = std::process::Command::new(me)
        .args(["--exact", test])
        .env(DAEMON, format!("{} {url}", state.path().display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("a fetch", || server.fetches() > 0).await;
    // The daemon, git, and git's transport, which would wait for the server.
    assert!(processes(state.path()).len() >= 3, "{:?}", processes(state.path()));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the end of git", || processes(state.path()).is_empty()).await;
}
