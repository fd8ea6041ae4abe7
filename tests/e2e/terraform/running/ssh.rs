//! ssh: which host keys count, in which form a repository may be given, and modules that are fetched by it.

use super::assert_failed_in;
use super::sources::{elsewhere, of, repository, telling, which};
use blockhouse_emulator::{RunSpec, Terraform};
use blockhouse_tests::terraform::{Module, Scene, Stage, quoted};
use blockhouse_tests::{GitFile, GitSsh, on_path};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// With the key of the server's user.
fn with_key(scene: &Scene, server: &GitSsh, url: &str) -> Terraform {
    of(scene, url).ssh_private_key(server.private_key().unwrap())
}

/// Lets daemons in this directory, which is their home, know the server.
fn know(directory: &Path, (host, kind, value): (String, String, String)) {
    std::fs::create_dir_all(directory.join(".ssh")).unwrap();
    std::fs::write(directory.join(".ssh/known_hosts"), format!("{host} {kind} {value}\n")).unwrap();
}

#[tokio::test]
async fn without_any_other_the_known_hosts_of_the_daemons_home_count() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let url = server.url(&repository.path());
    let mut scene = elsewhere(Stage::default(), &[]).await;
    let unknown = scene.execute(RunSpec::terraform(with_key(&scene, &server, &url))).await.unwrap();
    assert_failed_in(&unknown, "sources", "no host key is known for this server");
    scene.daemon().unwrap().kill().unwrap();
    know(scene.directory(), server.known_host().unwrap());
    scene.begin().unwrap();
    let run = scene.execute(RunSpec::terraform(with_key(&scene, &server, &url))).await.unwrap();
    assert_eq!(which(&run), "elsewhere");
    scene.daemon().unwrap().kill().unwrap();
    know(scene.directory(), GitSsh::start().unwrap().known_host().unwrap());
    scene.begin().unwrap();
    let wrong = scene.execute(RunSpec::terraform(with_key(&scene, &server, &url))).await.unwrap();
    assert_failed_in(&wrong, "sources", "ost key");
}

#[tokio::test]
async fn the_type_of_a_known_host_pins_the_algorithm() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let url = server.url(&repository.path());
    let mut scene = elsewhere(Stage::default(), &[]).await;
    for known in [server.known_host().unwrap(), server.other_known_host().unwrap()] {
        let (host, kind, value) = &known;
        let before = server.agreed().len();
        let spec = with_key(&scene, &server, &url).known_host(host, kind, value);
        let run = scene.execute(RunSpec::terraform(spec)).await.unwrap();
        assert_eq!(which(&run), "elsewhere");
        let agreed = server.agreed();
        let agreed = agreed.get(before..).unwrap();
        assert!(
            !agreed.is_empty() && agreed.iter().all(|agreed| agreed == kind),
            "{kind}: {agreed:?}"
        );
    }
    // The right key under the name of the other type is none of the server's.
    let (host, kind, _) = server.other_known_host().unwrap();
    let (_, _, value) = server.known_host().unwrap();
    let spec = with_key(&scene, &server, &url).known_host(&host, &kind, &value);
    let run = scene.execute(RunSpec::terraform(spec)).await.unwrap();
    assert_failed_in(&run, "sources", "the key of the known host can't be used");
}

#[tokio::test]
async fn a_repository_may_be_given_as_user_host_and_path() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let url = server.scp_url(&repository.path());
    // This form has no place for a port, and the server must not need the one that belongs to the system.
    let directory = tempfile::tempdir().unwrap();
    let ssh = directory.path().join("ssh");
    let text =
        format!("#!/bin/sh\nexec {} -p {} \"$@\"\n", on_path("ssh").display(), server.port());
    std::fs::write(&ssh, text).unwrap();
    std::fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", directory.path().display());
    let stage = Stage { environment: vec![("PATH".to_owned(), path)], ..Stage::default() };
    let mut scene = elsewhere(stage, &[]).await;
    let (host, kind, value) = server.known_host().unwrap();
    let spec = with_key(&scene, &server, &url).known_host(&host, &kind, &value);
    let run = scene.execute(RunSpec::terraform(spec)).await.unwrap();
    assert_eq!(which(&run), "elsewhere");
    assert!(server.connections() > 0);
}

#[tokio::test]
async fn modules_are_fetched_by_ssh_with_the_key_of_the_sources() {
    let (repository, server) = (repository(), GitSsh::start().unwrap());
    let module = telling("a module of another branch");
    let files: Vec<_> = module.files().map(|(path, text)| (path, GitFile::Text(text))).collect();
    repository.commit("module", &files).unwrap();
    let url = server.url(&repository.path());
    let source = quoted(&format!("git::{url}?ref=module"));
    let root = Module::new().hcl(&format!("module \"m\" {{\n  source = {source}\n}}"));
    let root = root.output("which", "module.m.which");
    let files: Vec<_> = root.files().map(|(path, text)| (path, GitFile::Text(text))).collect();
    repository.commit("main", &files).unwrap();
    let mut scene = elsewhere(Stage::default(), &[]).await;
    let (host, kind, value) = server.known_host().unwrap();
    let spec = with_key(&scene, &server, &url).known_host(&host, &kind, &value);
    let run = scene.execute(RunSpec::terraform(spec.clone())).await.unwrap();
    assert_eq!(which(&run), "a module of another branch");
    assert!(!crate::all_text(&run).contains("PRIVATE KEY"), "{run:#?}");
    // Policy is asked for the sources of modules as well.
    scene.change_policy("modules = [\"*\"]\n", "").unwrap();
    scene.daemon().unwrap().kill().unwrap();
    scene.begin().unwrap();
    let run = scene.execute(RunSpec::terraform(spec)).await.unwrap();
    assert_failed_in(&run, "init_tf", "policy `terraform`");
}
