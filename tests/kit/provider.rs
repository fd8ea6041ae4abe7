//! The provider and its mirrors, with the real Terraform.

use anyhow::{Context as _, Result, ensure};
use blockhouse_tests::terraform::{LoopbackGate, Module};
use blockhouse_tests::{
    MirrorMode, MirrorServer, ProviderMirror, ProviderProgram, patience, program_named,
};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const SOURCE: &str = "example.com/blockhouse/blockhousetest";

/// A configuration in a directory, and how Terraform finds providers.
struct Workplace {
    directory: TempDir,
    authority: Option<PathBuf>,
}

impl Workplace {
    fn new(module: &Module, installation: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        module.write_to(directory.path()).unwrap();
        let rc = format!("provider_installation {{\n{installation}\n}}\n");
        std::fs::write(directory.path().join("cli.tfrc"), rc).unwrap();
        Self { directory, authority: None }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn terraform(&self, arguments: &[&str]) -> Result<Output> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("terraform"));
        let program = program.into_iter().find(|path| path.is_file()).context("no terraform")?;
        let mut command = std_command(&program);
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command.env("HOME", self.directory.path()).env("TMPDIR", self.directory.path());
        command.env("CHECKPOINT_DISABLE", "1").env("TF_CLI_CONFIG_FILE", self.file("cli.tfrc"));
        command.env("TF_IN_AUTOMATION", "1");
        command.envs(self.authority.iter().map(|path| ("SSL_CERT_FILE", path)));
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    async fn succeeds(&self, arguments: &[&str]) {
        let output = self.terraform(arguments).await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
    }

    async fn fails(&self, arguments: &[&str], says: &str) -> Result<()> {
        let output = self.terraform(arguments).await?;
        let told = String::from_utf8_lossy(&output.stderr)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        ensure!(!output.status.success() && told.contains(says), "{arguments:?}: {told}");
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "tests start Terraform as its users do")]
fn std_command(program: &Path) -> std::process::Command {
    std::process::Command::new(program)
}

fn filesystem(mirror: &ProviderMirror) -> String {
    format!("filesystem_mirror {{ path = \"{}\" }}", mirror.path().display())
}

const APPLY: [&str; 4] = ["apply", "-auto-approve", "-input=false", "-no-color"];

#[tokio::test(flavor = "multi_thread")]
async fn terraform_applies_and_destroys_with_the_provider_and_locks_its_hashes() {
    let mirror = ProviderMirror::new().unwrap();
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    let newest = mirror.add(SOURCE, "1.2.0", &ProviderProgram::Real).unwrap();
    mirror.add(SOURCE, "2.0.0", &ProviderProgram::Script("exit 1".to_owned())).unwrap();
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().provider(SOURCE, "~> 1.0").note("one", &[("text", "hello")]);
    let module = module.note("two", &[("text", "x"), ("gate", &gate.address())]);
    let place = Workplace::new(&module, &filesystem(&mirror));
    place.succeeds(&["init", "-input=false"]).await;
    let lock = std::fs::read_to_string(place.file(".terraform.lock.hcl")).unwrap();
    assert!(lock.contains(&newest.h1) && lock.contains("1.2.0"), "{lock}\n{newest:?}");
    let (arrived, ()) = tokio::join!(gate.reached(1, patience()), async {
        let apply = place.succeeds(&APPLY);
        let open = async {
            gate.reached(1, patience()).await.unwrap();
            gate.open();
        };
        tokio::join!(apply, open);
    });
    arrived.unwrap();
    let state = std::fs::read_to_string(place.file("terraform.tfstate")).unwrap();
    assert!(state.contains("blockhousetest_note") && state.contains("hello"), "{state}");
    // The state is read back, and nothing is to be done.
    place.succeeds(&["plan", "-detailed-exitcode", "-input=false"]).await;
    place.succeeds(&["destroy", "-auto-approve", "-input=false"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_lock_file_with_the_mirrors_hashes_is_accepted_and_another_is_not() {
    let mirror = ProviderMirror::new().unwrap();
    let script = ProviderProgram::Script("exit 1".to_owned());
    let provider = mirror.add(SOURCE, "1.0.0", &script).unwrap();
    let module = Module::new().provider(SOURCE, "1.0.0").note("one", &[("text", "x")]);
    let init = ["init", "-input=false", "-lockfile=readonly"];
    let right = module.clone().file(".terraform.lock.hcl", provider.lock());
    let right = Workplace::new(&right, &filesystem(&mirror));
    right.succeeds(&init).await;
    right.fails(&["plan", "-input=false"], "plugin").await.unwrap();
    let other = provider.lock().replace(&provider.h1, "h1:AAAA").replace(&provider.zh, "zh:00");
    let wrong = Workplace::new(&module.file(".terraform.lock.hcl", other), &filesystem(&mirror));
    wrong.fails(&init, "checksum").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_writes_where_it_is_told_to() {
    let mirror = ProviderMirror::new().unwrap();
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    let target = tempfile::tempdir().unwrap();
    let (at_plan, at_apply) = (target.path().join("plan"), target.path().join("absent/apply"));
    let module = Module::new()
        .provider(SOURCE, "1.0.0")
        .provider_configured(&[("write", at_plan.to_str().unwrap())])
        .note("one", &[("text", "x"), ("write", at_apply.to_str().unwrap())]);
    let place = Workplace::new(&module, &filesystem(&mirror));
    place.succeeds(&["init", "-input=false"]).await;
    place.succeeds(&["plan", "-input=false"]).await;
    assert!(at_plan.is_file(), "configuring is when a plan is made");
    place.fails(&APPLY, "could not write").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_mirror_serves_over_https_and_can_be_held_and_corrupt() {
    let mirror = ProviderMirror::new().unwrap();
    let script = ProviderProgram::Script("exit 1".to_owned());
    let provider = mirror.add(SOURCE, "1.0.0", &script).unwrap();
    let (pem, acceptor) = certificate();
    let server = MirrorServer::start(&mirror, acceptor).await.unwrap();
    let module = Module::new().provider(SOURCE, "1.0.0");
    let installation = format!("network_mirror {{ url = \"{}\" }}", server.url());
    let mut place = Workplace::new(&module, &installation);
    let authority = place.file("authority.pem");
    std::fs::write(&authority, pem).unwrap();
    place.authority = Some(authority);

    server.set(MirrorMode::Corrupt);
    place.fails(&["init", "-input=false"], "checksum").await.unwrap();
    server.set(MirrorMode::Hold);
    let held = async {
        server.reached(2, patience()).await.unwrap();
        server.set(MirrorMode::Serve);
    };
    tokio::join!(place.succeeds(&["init", "-input=false"]), held);
    let lock = std::fs::read_to_string(place.file(".terraform.lock.hcl")).unwrap();
    assert!(lock.contains(&provider.h1), "{lock}");
}

fn certificate() -> (String, TlsAcceptor) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    (certified.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[test]
fn the_provider_is_no_program_for_people() {
    let output = std_command(&program_named("terraform-provider-blockhousetest")).output().unwrap();
    assert!(!output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_piece_of_a_module_is_what_terraform_understands() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new()
        .echo("anything", None)
        .echo("text", Some("string"))
        .echo_sensitive("secret", Some("string"))
        .output("sum", "1 + 1")
        .file("content", "x")
        .read_file("read", "content")
        .resource("plain")
        .resource_at("first", &gate, &["plain"])
        .resource_destroyed_at("last", &gate, &["first"])
        .local_backend()
        .existing_workspace("old");
    let place = Workplace::new(&module, "direct {}");
    place.succeeds(&["init", "-input=false"]).await;
    place.succeeds(&["workspace", "select", "old"]).await;
    let values = ["-var=anything=[1]", "-var=text=x", "-var=secret=y"];
    let pass = async |visitors| {
        gate.reached(visitors, patience()).await.unwrap();
        gate.open();
    };
    let apply = [&APPLY[..], &values].concat();
    tokio::join!(place.succeeds(&apply), pass(1));
    gate.close();
    let destroy = [&["destroy", "-auto-approve", "-input=false"][..], &values].concat();
    tokio::join!(place.succeeds(&destroy), pass(2));
    assert_eq!(gate.passed(), ["first", "last"]);

    let broken = Module::new().resource_that_fails("broken", 7, &[]);
    let broken = Workplace::new(&broken, "direct {}");
    broken.succeeds(&["init", "-input=false"]).await;
    broken.fails(&APPLY, "exit status 7").await.unwrap();
    let own = Module::new().own_http_backend("http://127.0.0.1:1/", "user", "${password}");
    let own = Workplace::new(&own, "direct {}");
    own.succeeds(&["init", "-input=false", "-backend=false"]).await;
    own.succeeds(&["validate"]).await;
}
