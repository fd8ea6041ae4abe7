//! Programs, providers and repositories are fetched once, and only what is what it claims to be.

use super::PROGRAM;
use super::stops::{printed, wait_for};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::releases::{Releases, Signer, archive_name, folder};
use blockhouse_tests::terraform::{Module, Scene, Stage, version};
use blockhouse_tests::{
    Authority, MirrorMode, MirrorServer, ProviderMirror, ProviderProgram, on_path,
};
use serde_json::json;
use std::io::{Cursor, Write as _};
use std::path::Path;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const SOURCE: &str = "example.com/blockhouse/blockhousetest";

/// A registry of providers over https, whose authority the daemon's environment names.
struct Registry {
    mirror: ProviderMirror,
    server: MirrorServer,
    directory: TempDir,
}

impl Registry {
    async fn start() -> Self {
        let mirror = ProviderMirror::new().unwrap();
        mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
        let authority = Authority::new().unwrap();
        let server = MirrorServer::start(&mirror, authority.server("localhost", false).unwrap());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        Self { server: server.await.unwrap(), mirror, directory }
    }

    /// Lets a scene use it.
    fn stage(&self, more: &str) -> Stage {
        assert!(self.mirror.path().exists());
        let authority = self.directory.path().join("ca.pem").display().to_string();
        let url = self.server.url();
        Stage {
            configuration: format!(
                "  providers: {{mirrors: ['{url}'], registries: false}}\n{more}"
            ),
            environment: vec![("SSL_CERT_FILE".to_owned(), authority)],
            ..Stage::default()
        }
    }
}

fn module() -> Module {
    Module::new().provider(SOURCE, ">= 1.0.0").note("note", &[("text", "x")])
}

/// A release site whose keys are its own, and the configuration that trusts it.
async fn site(directory: &Path) -> (Releases, Signer, String) {
    let (releases, signer) = (Releases::start().await.unwrap(), Signer::new().unwrap());
    let key = directory.join("TEST-ONLY-release-key.asc");
    std::fs::write(&key, signer.public_key().unwrap()).unwrap();
    let configuration = format!(
        "  tools:\n    force: terraform\n    terraform: {{url: '{}', keyFile: '{}', fingerprints: ['{}']}}\n",
        releases.url,
        key.display(),
        signer.fingerprint(),
    );
    (releases, signer, configuration)
}

/// The Terraform of this machine as an archive with a program of this name, not compressed since that takes a test's time.
fn packed(name: &str) -> Vec<u8> {
    zipped(&[(name, &std::fs::read(on_path("terraform")).unwrap())])
}

/// An archive with these entries.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in entries {
        writer.start_file(*name, options.unix_permissions(0o755)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_runs_fetch_everything_once_and_a_second_wave_fetches_nothing() {
    let registry = Registry::start().await;
    let (releases, signer, tools) = site(registry.directory.path()).await;
    let version = version(&on_path("terraform")).unwrap();
    releases.publish_archive(&signer, "terraform", &version, &packed("terraform")).unwrap();
    let mut stage = registry.stage(&tools);
    stage.top = "runs: {concurrency: 16, memoryMib: 8192}\n".to_owned();
    let mut scene = Scene::set(Path::new(PROGRAM), &module(), stage).await.unwrap();
    for wave in ["first", "second"] {
        let runs: Vec<_> = (0..16).map(|_| scene.emulator.enqueue(scene.spec())).collect();
        if scene.daemon.is_none() {
            scene.begin().unwrap();
        }
        for id in &runs {
            let run = scene.end_of(id).await.unwrap();
            assert_ended(&run, RunState::Succeeded);
        }
        let archive = archive_name("terraform", &version);
        let fetched = (releases.count(&archive), scene.git.fetches(), registry.server.downloads());
        assert_eq!(
            fetched,
            (1, 1, 1),
            "programs, repositories and providers after the {wave} wave"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_environment_is_bent_fills_no_cache() {
    let registry = Registry::start().await;
    let mut stage = registry.stage("");
    stage.terraform = "environment = [\"BASH_ENV\"]".to_owned();
    let mut scene = Scene::with(Path::new(PROGRAM), &module(), stage).await.unwrap();
    let mut downloads = Vec::new();
    for is_bent in [true, false, false] {
        let spec = scene.spec();
        let spec = if is_bent {
            spec.environment_input("BASH_ENV", InputType::String, json!("/dev/null"))
        } else {
            spec
        };
        let run = scene.execute(spec).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        downloads.push(registry.server.downloads());
    }
    assert_eq!(downloads, [1, 2, 2], "only the second run's providers are kept");
}

/// A run for a version that is published as `publish` says; it fails, and nothing is installed.
async fn refused(publish: impl FnOnce(&Releases, &Signer, &str), says: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (releases, signer, configuration) = site(directory.path()).await;
    let version = version(&on_path("terraform")).unwrap();
    publish(&releases, &signer, &version);
    let stage = Stage { configuration, ..Stage::default() };
    let module = Module::new().resource("one");
    let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    assert!(text.contains(says), "{text}");
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(releases.count(".zip") != 1, "what was refused is asked for again, not installed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_another_checksum_fails_the_run() {
    let publish = |releases: &Releases, signer: &Signer, version: &str| {
        releases.publish(signer, "terraform", version, b"#!/bin/sh\n").unwrap();
        let path =
            format!("{}/{}", folder("terraform", version).0, archive_name("terraform", version));
        releases.put(&path, b"another archive");
    };
    refused(publish, "checksum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_another_key_has_signed_fails_the_run() {
    let publish = |releases: &Releases, _: &Signer, version: &str| {
        let another = Signer::new().unwrap();
        releases.publish(&another, "terraform", version, b"#!/bin/sh\n").unwrap();
    };
    refused(publish, "sign").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_off_fails_the_run() {
    let publish = |releases: &Releases, signer: &Signer, version: &str| {
        releases.publish(signer, "terraform", version, b"#!/bin/sh\n").unwrap();
        let path =
            format!("{}/{}", folder("terraform", version).0, archive_name("terraform", version));
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100000\r\n\r\n";
        releases.answer(&path, [head.as_bytes(), &[b'x'; 1000]].concat());
    };
    refused(publish, "download").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_unexpected_entries_fails_the_run() {
    for entries in [
        &[("terraform", &b"#!/bin/sh\n"[..]), ("../../outside", b"x")][..],
        &[("terraform", b"#!/bin/sh\n"), ("/tmp/pwned", b"x")],
        &[("terraform", b"#!/bin/sh\n"), ("folder/terraform", b"x")],
        &[("another", b"#!/bin/sh\n")],
    ] {
        let publish = |releases: &Releases, signer: &Signer, version: &str| {
            releases.publish_archive(signer, "terraform", version, &zipped(entries)).unwrap();
        };
        refused(publish, "can't be trusted: it has an entry").await;
        assert!(!Path::new("/tmp/pwned").exists());
    }
}

/// What is called `tofu` here is the Terraform of this machine under that name: which program is fetched from where, and started, is what
/// is tested.
#[tokio::test(flavor = "multi_thread")]
async fn the_version_decides_which_tool_is_fetched_in_its_own_layout() {
    let directory = tempfile::tempdir().unwrap();
    let (releases, signer) = (Releases::start().await.unwrap(), Signer::new().unwrap());
    releases.publish_archive(&signer, "tofu", "1.6.0", &packed("tofu")).unwrap();
    releases.publish_archive(&signer, "terraform", "1.5.5", &packed("terraform")).unwrap();
    let key = directory.path().join("TEST-ONLY-release-key.asc");
    std::fs::write(&key, signer.public_key().unwrap()).unwrap();
    let site = format!(
        "{{url: '{}', keyFile: '{}', fingerprints: ['{}']}}",
        releases.url,
        key.display(),
        signer.fingerprint()
    );
    let configuration = format!("  tools:\n    terraform: {site}\n    tofu: {site}\n");
    let stage = Stage { configuration, ..Stage::default() };
    let module = Module::new().resource("one");
    let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
    for (version, tool, name) in
        [("1.5.5", "terraform", "Terraform"), ("1.6.0", "tofu", "OpenTofu")]
    {
        let script = "command -v terraform; command -v tofu";
        let terraform = scene.terraform().version(version).pre_run_script(script);
        let run = scene.execute(RunSpec::terraform(terraform)).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        assert!(run.log("sources").contains(&format!("using {name} {version}\n")), "{run:#?}");
        let installed = format!("/{tool}-{version}/");
        assert_eq!(run.log("pre_run_script").matches(&installed).count(), 2, "{run:#?}");
        let (folder, ending) = folder(tool, version);
        for file in [
            archive_name(tool, version),
            format!("{tool}_{version}_SHA256SUMS"),
            format!("{tool}_{version}_SHA256SUMS.{ending}"),
        ] {
            assert_eq!(releases.count(&format!("{folder}/{file}")), 1, "{file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_during_init_ends_it_although_the_registry_does_not_answer() {
    let registry = Registry::start().await;
    registry.server.set(MirrorMode::Hold);
    let stage = registry.stage("");
    let mut scene = Scene::with(Path::new(PROGRAM), &module(), stage).await.unwrap();
    let id = scene.emulator.enqueue(scene.spec());
    // It has found the provider, and waits for the archive; one interrupt does not end that, so the ladder is needed.
    wait_for(|| printed(&scene.state(), "Installing example.com")).await;
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    let told = run.told("init_tf");
    assert!(told.contains("since its run was aborted"), "{told}");
}
