//! The client against scripted servers on loopback: real sockets, and no waiting for luck.

mod auth;
mod bodies;
mod claims;
mod connections;
mod golden;
mod links;
mod repeats;
mod runs;
mod server;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::{Claim, Client, Config, Credentials, HttpConfig, Retry, RunClient, RunnerIdentity};
use crate::backoff;
use server::{Reply, Server};

const RUNNER: &str = "11111111-2222-3333-4444-555555555555";
const RUN: &str = "b3116611-0000-4000-8000-000000000001";
const RUN_TOKEN: &str = "eyJ-run-token";
const SECRET: &str = "s3cr3t-of-the-api-key";
const PASSWORD: &str = "hunter2-password";

const SOURCE_PATH: &str =
    "/api/meshobjects/meshbuildingblockruns/b3116611-0000-4000-8000-000000000001/status/source";
const CLAIM_PATH: &str = "/api/meshobjects/meshbuildingblockruns/create?forRunnerUuid=11111111-2222-3333-4444-555555555555";

fn runner() -> RunnerIdentity {
    RunnerIdentity { uuid: Uuid::parse_str(RUNNER).unwrap(), node: "node-1".to_owned() }
}

fn api_key() -> Credentials {
    Credentials::ApiKey {
        client_id: "key-id".to_owned(),
        client_secret: SecretString::from(SECRET),
    }
}

fn basic() -> Credentials {
    Credentials::Basic { username: "user".to_owned(), password: SecretString::from(PASSWORD) }
}

/// Patient timeouts, hardly any back-off.
fn http() -> HttpConfig {
    HttpConfig {
        retry: Retry {
            tries: 3,
            backoff: backoff::Config {
                first: Duration::from_millis(1),
                cap: Duration::from_millis(2),
            },
            retry_after_cap: Duration::from_secs(60),
        },
        ..HttpConfig::default()
    }
}

fn config(base_url: &Url, credentials: Credentials) -> Config {
    Config { base_url: base_url.clone(), credentials, runner: runner(), http: http() }
}

fn client(server: &Server, credentials: Credentials) -> Client {
    Client::new(config(&server.url, credentials)).unwrap()
}

/// A document with the given token and links.
fn claim(token: Option<&str>, links: &serde_json::Value) -> Claim {
    let document = serde_json::json!({
        "metadata": { "uuid": RUN },
        "spec": { "runToken": token },
        "_links": links,
    });
    Claim::parse(document.to_string().as_bytes()).unwrap()
}

/// A client for a run with a token and no links.
fn run_client(server: &Server) -> RunClient {
    client(server, basic()).run_client(&claim(Some(RUN_TOKEN), &serde_json::json!({}))).unwrap()
}

fn login(token: &str, expires_in: u64) -> Reply {
    Reply::json(
        200,
        &format!(
            r#"{{"access_token":"{token}","expires_in":{expires_in},"token_type":"Bearer","scope":"x"}}"#
        ),
    )
}

/// An error as a log would show it: the chain of messages and the `Debug` form.
fn shown(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!("\n{error}"));
        next = error.source();
    }
    text
}
