//! The server: go-plugin's handshake, gRPC, and what each call does.

use crate::wire::{Message, attributes, field};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::http::{HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What go-plugin sets so that nobody starts a plugin by hand.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// gRPC's "unimplemented".
const UNIMPLEMENTED: &str = "12";

type Body = BoxBody<Bytes, Infallible>;

/// Serves until Terraform says that it is done, or closes its connection.
pub(crate) async fn serve() -> Result<()> {
    anyhow::ensure!(
        std::env::var(COOKIE.0).is_ok_and(|cookie| cookie == COOKIE.1),
        "this is a plugin; Terraform starts it"
    );
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der());
    let key = key.map_err(anyhow::Error::msg)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));

    let folder = std::env::temp_dir();
    let socket = folder.join(format!("plugin{}", std::process::id()));
    let listener = UnixListener::bind(&socket).context("listen on a socket")?;
    let line =
        format!("1|6|unix|{}|grpc|{}\n", socket.display(), BASE64_NOPAD.encode(&certificate));
    std::io::stdout().write_all(line.as_bytes())?;
    std::io::stdout().flush()?;

    let (stream, _) = listener.accept().await?;
    let stream = acceptor.accept(stream).await?;
    let done = Arc::new(Notify::new());
    let told = Arc::clone(&done);
    let service = service_fn(move |request| respond(request, Arc::clone(&told)));
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = done.notified() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    // It is in a directory that is removed anyway.
    let _ = std::fs::remove_file(socket);
    Ok(())
}

/// Where this provider has waited first.
static GATE: OnceLock<String> = OnceLock::new();

async fn respond(
    request: Request<Incoming>,
    done: Arc<Notify>,
) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path().to_owned();
    // Streams of go-plugin that this provider has no use for never end on the other side: they are refused unread.
    let answer = match path.strip_prefix("/tfplugin6.Provider/") {
        Some(verb) => {
            let body = request.into_body().collect().await?.to_bytes();
            // A byte for compression and four for the length.
            answer(verb, Message::parse(body.get(5..).unwrap_or_default())).await
        }
        None if path == "/plugin.GRPCController/Shutdown" => {
            done.notify_one();
            Some(Message::default())
        }
        None => None,
    };
    let mut trailers = HeaderMap::new();
    let status = if answer.is_some() { "0" } else { UNIMPLEMENTED };
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let body = match answer {
        Some(message) => Full::new(message.framed()).boxed(),
        None => Empty::new().boxed(),
    };
    let body = body.with_trailers(async move { Some(Ok(trailers)) }).boxed();
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

async fn answer(verb: &str, request: Message) -> Option<Message> {
    let mut answer = Message::default();
    match verb {
        "ApplyResourceChange" => {
            let planned = request.bytes(field::apply::PLANNED);
            for problem in act(&attributes(planned)).await {
                answer = answer.message(field::apply::DIAGNOSTICS, diagnostic(&problem));
            }
            Some(answer.put(field::apply::NEW, planned))
        }
        "ConfigureProvider" => {
            let config = attributes(request.bytes(field::configure::CONFIG));
            for problem in act(&config).await {
                answer = answer.message(field::configure::DIAGNOSTICS, diagnostic(&problem));
            }
            Some(answer)
        }
        "GetProviderSchema" => {
            let note = schema(&[("gate", false), ("text", true), ("write", false)]);
            let entry = Message::default()
                .put(field::entry::KEY, b"blockhousetest_note")
                .message(field::entry::VALUE, note);
            Some(
                answer
                    .message(field::schemas::PROVIDER, schema(&[("gate", false), ("write", false)]))
                    .message(field::schemas::RESOURCES, entry),
            )
        }
        "PlanResourceChange" => {
            Some(answer.put(field::plan::PLANNED, request.bytes(field::plan::PROPOSED)))
        }
        "ReadResource" => Some(answer.put(field::read::NEW, request.bytes(field::read::CURRENT))),
        "UpgradeResourceState" => {
            let state = Message::parse(request.bytes(field::upgrade::RAW));
            let json = state.bytes(field::upgrade::RAW_JSON);
            let value = Message::default().put(field::value::JSON, json);
            Some(answer.message(field::upgrade::UPGRADED, value))
        }
        "StopProvider" => {
            if let Some(gate) = GATE.get() {
                // Nobody may listen any more.
                let _ = visit(gate, "stop").await;
            }
            Some(answer)
        }
        "ValidateProviderConfig" | "ValidateResourceConfig" => Some(answer),
        _ => None,
    }
}

/// A schema of texts, each required or optional.
fn schema(attributes: &[(&str, bool)]) -> Message {
    let block = attributes.iter().fold(Message::default(), |block, (name, required)| {
        let how = if *required { field::attribute::REQUIRED } else { field::attribute::OPTIONAL };
        let attribute = Message::default()
            .put(field::attribute::NAME, name.as_bytes())
            .put(field::attribute::TYPE, br#""string""#)
            .number(how, 1);
        block.message(field::block::ATTRIBUTES, attribute)
    });
    Message::default().message(field::schema::BLOCK, block)
}

fn diagnostic(summary: &str) -> Message {
    Message::default()
        .number(field::diagnostic::SEVERITY, field::diagnostic::ERROR)
        .put(field::diagnostic::SUMMARY, summary.as_bytes())
}

/// What the attributes say, and what went wrong with it.
async fn act(attributes: &BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(gate) = attributes.get("gate")
        && let Err(error) = pass(gate).await
    {
        problems.push(format!("blockhousetest: could not pass the gate: {error}"));
    }
    problems.extend(write(attributes));
    problems
}

/// Waits until the gate says a byte, as the kit's `Gate` does for its other visitors.
async fn pass(gate: &str) -> std::io::Result<()> {
    GATE.get_or_init(|| gate.to_owned());
    visit(gate, "provider").await?.read_u8().await?;
    Ok(())
}

async fn visit(gate: &str, name: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(gate).await?;
    stream.write_all(format!("{name}\n").as_bytes()).await?;
    Ok(stream)
}

fn write(attributes: &BTreeMap<String, String>) -> Option<String> {
    let path = attributes.get("write")?;
    let result = std::fs::write(Path::new(path), "written by a provider");
    let error = result.err()?;
    Some(format!("blockhousetest: could not write `{path}`: {error}"))
}
