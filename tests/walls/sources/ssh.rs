//! ssh: who the server is, who we are, and where the key is meanwhile.

use super::servers::until;
use super::*;
use blockhouse_tests::GitFile::Text;
use blockhouse_tests::GitSsh;
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt as _;

fn repository() -> GitRepository {
    let repository = GitRepository::new().unwrap();
    repository.commit("main", &[("file", Text(b"x"))]).unwrap();
    repository
}

fn key(server: &GitSsh) -> Option<SecretString> {
    // As web forms hand it over.
    Some(server.private_key().unwrap().trim_end().replace('\n', "\r\n").into())
}

fn wanted(server: &GitSsh, repository: &GitRepository) -> Repository {
    Repository { private_key: key(server), ..at(&server.url(&repository.path())) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_a_known_host_are_enough() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let (host, kind, value) = server.known_host().unwrap();
    let place = Place::new();
    let known_host = Some((host.clone(), kind.clone(), value.clone()));
    let pinned = Repository { known_host, ..wanted(&server, &repository) };
    let done = place.checkout(pinned).await.unwrap();
    assert_eq!(done.names(), ["file"]);
    assert!(done.checkout.notes.is_empty(), "{:?}", done.checkout.notes);

    let file = place.state.path().join("known hosts");
    fs::write(&file, format!("# comment\n{host} {kind} {value}\n")).unwrap();
    let place = Place::with(|config| config.known_hosts = Some(file));
    place.checkout(wanted(&server, &repository)).await.unwrap();

    let other = GitSsh::start().unwrap();
    let strange = Repository { private_key: key(&other), ..wanted(&server, &repository) };
    let error = place.refused(strange).await;
    assert!(error.contains("denies access"), "{error}");
    let nobody = Repository { private_key: None, ..wanted(&server, &repository) };
    let error = place.refused(nobody).await;
    assert!(error.contains("denies access"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_host_key_is_not_who_it_says() {
    let (repository, server, other) =
        (repository(), GitSsh::start().unwrap(), GitSsh::start().unwrap());
    let (host, kind, value) = server.known_host().unwrap();
    let place = Place::new();
    let theirs = other.known_host().unwrap().2;
    let rsa = data_encoding::BASE64.encode(b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01\0\0\0\x01\x01");
    for known_host in [
        (host.clone(), kind.clone(), theirs),
        ("[elsewhere]:22".to_owned(), kind, value),
        // The server has no key of this type; it must not offer another one.
        (host, "ssh-rsa".to_owned(), rsa),
    ] {
        let known_host = Some(known_host);
        let error = place.refused(Repository { known_host, ..wanted(&server, &repository) }).await;
        assert!(error.to_lowercase().contains("host key"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_an_unknown_host_key_is_not_talked_to() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    for place in [Place::new(), Place::with(|config| config.known_hosts = Some("/nowhere".into()))]
    {
        let error = place.refused(wanted(&server, &repository)).await;
        assert!(error.contains("no host key is known for this server"), "{error}");
        assert!(error.contains("SSH_KNOWN_HOSTS"), "{error}");
    }
    assert_eq!(server.connections(), 0);
    let place = Place::with(|config| config.insecure_host_keys = true);
    let done = place.checkout(wanted(&server, &repository)).await.unwrap();
    done.notes("host key was not checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_is_in_no_argument_and_gone_afterwards() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    // Says nothing, so that ssh waits.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let known_host = Some(server.known_host().unwrap());
    let url = format!("ssh://localhost:{port}{}", repository.path().display());
    let private_key = key(&server);
    let place = Place::new();
    let cancel = CancellationToken::new();
    let wanted = Repository { private_key, known_host, ..at(&url) };
    let checkout = place.until(wanted, limits(), cancel.clone());
    let line = server.private_key().unwrap().lines().nth(1).unwrap().to_owned();
    let look = async {
        let (connection, _) =
            tokio::task::spawn_blocking(move || silent.accept().unwrap()).await.unwrap();
        let home = fs::read_dir(place.scratch()).unwrap().next().unwrap().unwrap().path();
        let file = home.join("key");
        assert!(
            fs::read_to_string(&file).unwrap().ends_with("-----END OPENSSH PRIVATE KEY-----\n")
        );
        for (path, mode) in [(file, 0o600), (home, 0o700)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        #[cfg(target_os = "linux")]
        for (arguments, environment) in servers::processes(place.state.path()) {
            assert!(!arguments.contains(&line) && !environment.contains(&line));
        }
        cancel.cancel();
        drop(connection);
    };
    let (result, ()) = tokio::join!(checkout, look);
    assert!(matches!(result, Err(GitError::Aborted)));
    assert_eq!(fs::read_dir(place.scratch()).unwrap().count(), 0);
    #[cfg(target_os = "linux")]
    until("the end of ssh", || servers::processes(place.state.path()).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraform_is_given_works_for_git_too() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let (place, known_host) = (Place::new(), server.known_host().unwrap());
    let directory = place.state.path().join("it's secret $(touch x)");
    fs::create_dir(&directory).unwrap();
    assert!(place.git.ssh_command(key(&server).as_ref(), Some(&known_host), &directory).is_err());
    let directory = place.state.path().join("with a space");
    fs::create_dir(&directory).unwrap();
    let ssh = place.git.ssh_command(key(&server).as_ref(), Some(&known_host), &directory).unwrap();
    let mut git = blockhouse_tests::git();
    git.args(["ls-remote", &server.url(&repository.path())]).env("GIT_SSH_COMMAND", &ssh.command);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("refs/heads/main"));
}
