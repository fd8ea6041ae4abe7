//! The three fakes as a program, for trying the daemon by hand: `blockhouse-remotes --help`, and the crate's README.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use blockhouse_remotes::github::{AppKey, Repository, Workflow};
use blockhouse_remotes::{AzureDevOps, Fake, GitHub, GitLab, Remote, azure, gitlab};
use clap::Parser;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const TOKEN: &str = "test-only-token";

/// A fake GitHub, GitLab and Azure DevOps, which print every request and what was wrong with it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// GitHub's port; GitLab and Azure DevOps have the next two.
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Inputs that the workflow, the pipelines and the project declare, besides those that the daemon always sends.
    #[arg(long)]
    input: Vec<String>,
    /// The private key of the GitHub App (PEM); made and written there if there is none.
    #[arg(long, default_value = "github-app.pem")]
    app_key: PathBuf,
    /// A certificate for `localhost` (PEM): the servers speak TLS then.
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

struct Remotes {
    github: GitHub,
    gitlab: GitLab,
    azure: AzureDevOps,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let key = app_key(&arguments.app_key)?;
    let remotes = start(&arguments, &key)?;
    introduce(&remotes, &arguments.app_key)?;
    let result = tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("wait for Ctrl-C"),
        result = watch(&remotes.github) => result,
        result = watch(&remotes.gitlab) => result,
        result = watch(&remotes.azure) => result,
    };
    // They were printed as they happened.
    drop(remotes.github.take_violations());
    drop(remotes.gitlab.take_violations());
    drop(remotes.azure.take_violations());
    result
}

/// Never overwrites: what is there may be somebody's real key.
fn app_key(path: &Path) -> anyhow::Result<AppKey> {
    if path.exists() {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("read the key `{}`", path.display()))?;
        return AppKey::from_pem(&text).with_context(|| format!("use `{}`", path.display()));
    }
    let key = AppKey::generate()?;
    let text = key.pkcs1_pem()?;
    File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write the key to `{}`", path.display()))?;
    Ok(key)
}

fn start(arguments: &Arguments, key: &AppKey) -> anyhow::Result<Remotes> {
    let tls = match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
        _ => None,
    };
    let listen = |offset| SocketAddr::from((arguments.address, arguments.port + offset));
    let inputs = || arguments.input.iter();
    let workflow = |file| {
        let always = ["buildingBlockRun", "buildingBlockRunUrl", "MESHSTACK_ENDPOINT"];
        let tokens = ["MESHSTACK_API_TOKEN", "MESHSTACK_RUN_TOKEN"];
        let all = always.iter().chain(&tokens).map(|name| (*name).to_owned());
        all.chain(inputs().cloned()).fold(Workflow::new(file), Workflow::input)
    };
    let repository = Repository::new("acme", "infra").branch("main");
    let repository = repository.workflow(workflow("apply.yml")).workflow(workflow("destroy.yml"));
    let mut github = GitHub::builder().listen(listen(0)).app("12345", key).repository(repository);
    let project = gitlab::Project::new(42, "acme/infra", TOKEN).reference("main");
    let project = inputs().fold(project, gitlab::Project::input);
    let mut gitlab = GitLab::builder().listen(listen(1)).project(project);
    let pipeline = azure::Pipeline::new("infra", 7, "apply").parameter("MESHSTACK_BEHAVIOR");
    let pipeline = inputs().fold(pipeline, azure::Pipeline::parameter);
    let mut azure = AzureDevOps::builder()
        .listen(listen(2))
        .organization("acme")
        .token(TOKEN)
        .pipeline(pipeline);
    if let Some(tls) = tls {
        github = github.tls(tls.clone());
        gitlab = gitlab.tls(tls.clone());
        azure = azure.tls(tls);
    }
    Ok(Remotes {
        github: github.start().context("start GitHub")?,
        gitlab: gitlab.start().context("start GitLab")?,
        azure: azure.start().context("start Azure DevOps")?,
    })
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("read the certificate `{}`", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("read the key `{}`", key.display()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn introduce(remotes: &Remotes, key: &Path) -> anyhow::Result<()> {
    let Remotes { github, gitlab, azure } = remotes;
    let github = github.api_url();
    print(&format!(
        "GitHub        {github}   app 12345 (key in `{}`), acme/infra, main, apply.yml, destroy.yml",
        key.display()
    ))?;
    print(&format!(
        "GitLab        {}   project 42 or acme/infra, main, trigger token `{TOKEN}`",
        gitlab.url()
    ))?;
    print(&format!(
        "Azure DevOps  {}   organization acme, project infra, pipeline 7, token `{TOKEN}`",
        azure.url()
    ))
}

/// Prints requests and violations as they come, for ever.
async fn watch<R: Remote>(fake: &Fake<R>) -> anyhow::Result<()> {
    let (mut requests, mut violations) = (0, 0);
    loop {
        let more = fake.wait_until(|world| {
            let answered = world.requests().iter().filter(|request| request.status.is_some());
            answered.count() > requests || world.violations().len() > violations
        });
        // Only patience is over: there is more of it.
        if more.await.is_err() {
            continue;
        }
        let all = fake.requests();
        let answered: Vec<_> = all.iter().filter(|request| request.status.is_some()).collect();
        for request in answered.iter().skip(requests) {
            print(&format!("{:<18} {request:?}", R::NAME))?;
        }
        requests = answered.len();
        let wrong = fake.violations();
        for violation in wrong.iter().skip(violations) {
            print(&format!("{:<18} VIOLATION {violation}", R::NAME))?;
        }
        violations = wrong.len();
    }
}

/// A reader that went away (`| head`) ends the program quietly with an error instead of a panic.
fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to standard output")
}
