//! The emulator as a program, for trying the daemon by hand: `blockhouse-emulator --help`, and the crate's README.

mod scenario;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use blockhouse_emulator::{DEFAULT_RUNNER_UUID, Emulator, Event, Recording};
use clap::Parser;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::scenario::Scenario;

/// A fake meshStack: serves runs from a scenario and prints what becomes of them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The runner's X.509 certificate (PEM), to which secrets are sealed.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// An API key to accept.
    #[arg(long, value_name = "ID:SECRET", value_parser = pair)]
    api_key: Vec<(String, String)>,
    /// A user to accept with HTTP Basic.
    #[arg(long, value_name = "USER:PASSWORD", value_parser = pair)]
    basic: Vec<(String, String)>,
    /// The runner that may claim.
    #[arg(long, default_value_t = DEFAULT_RUNNER_UUID)]
    runner_uuid: Uuid,
    /// How long a claimed run may be silent before it times out.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    run_timeout: Duration,
    /// How long an API token lives.
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    token_lifetime: Duration,
    /// Runs and faults (TOML or JSON); three manual runs without it.
    #[arg(long)]
    scenario: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (left, right) = text.split_once(':').ok_or("a colon is missing")?;
    Ok((left.to_owned(), right.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (events, mut seen) = mpsc::unbounded_channel();
    let mut builder = Emulator::builder()
        .listen(arguments.listen)
        .runner_uuid(arguments.runner_uuid)
        .run_timeout(arguments.run_timeout)
        .token_lifetime(arguments.token_lifetime)
        .recording(Recording::Counts)
        .observer(move |event| {
            // Nobody listens any more once the program ends.
            let _ = events.send(event.clone());
        });
    for (id, secret) in arguments.api_key {
        builder = builder.api_key(id, secret);
    }
    for (user, password) in arguments.basic {
        builder = builder.basic(user, password);
    }
    if let Some(path) = arguments.certificate {
        let pem = std::fs::read_to_string(&path)
            .with_context(|| format!("read the certificate `{}`", path.display()))?;
        builder = builder.runner_certificate(pem);
    }
    let scenario = match &arguments.scenario {
        Some(path) => Scenario::read(path)?,
        None => Scenario::example(),
    };
    let emulator = builder.start().await?;
    let (url, runner) = (emulator.url(), emulator.runner_uuid());
    print(&format!("meshStack emulator at {url} for runner {runner}"))?;
    scenario.play(&emulator)?;
    let result = watch(&emulator, &mut seen).await;
    // They were printed as they happened.
    drop(emulator.take_violations());
    result
}

/// Prints events and lets server time follow the clock on the wall, until Ctrl-C.
async fn watch(
    emulator: &Emulator,
    seen: &mut mpsc::UnboundedReceiver<Event>,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut advanced = Instant::now();
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return interrupted.context("wait for Ctrl-C"),
            Some(event) = seen.recv() => print(&describe(&event))?,
            _ = tick.tick() => {
                emulator.advance(advanced.elapsed());
                advanced = Instant::now();
            }
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Fault { route, kind } => format!("fault      {route}: {kind:?}"),
        Event::Run { id, state } => format!("run {id}: {state}"),
        Event::Step { run, step, status, user_message } => {
            let message = user_message.as_deref().unwrap_or_default();
            format!("run {run}:   step {step} {status} {message}").trim_end().to_owned()
        }
        Event::Violated(violation) => format!("VIOLATION  {violation}"),
        other => format!("{other:?}"),
    }
}

/// A reader that went away (`| head`) ends the program quietly with an error instead of a panic.
fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to standard output")
}
