//! Outbound HTTP: what is not granted is not reached, whatever it is called, and what is reached can't be misused.
//!
//! Servers are on loopback, which policies here grant by `private`, and names lead there by a resolver of the tests' own.

pub(crate) mod give_document_away;
pub(crate) mod hang_on_request;
pub(crate) mod http_endless_body;
pub(crate) mod http_hoard_headers;
pub(crate) mod http_many_connections;
pub(crate) mod http_many_requests;
pub(crate) mod http_many_secrets;
mod http_proxy;
pub(crate) mod http_request;
pub(crate) mod multiply_document;
pub(crate) mod server;
pub(crate) mod sign_for_ever;
pub(crate) mod sign_token;
pub(crate) mod take_secret;
pub(crate) mod wasi_http_request;

use crate::trial::{Ended, Trial};
use blockhouse::run::Value;
use blockhouse_artifacts::HTTP_REQUEST;
use server::{Names, Server, response};
use std::sync::Arc;

/// A policy that grants `api.test` on this port, by `http`, at an address of this machine.
pub(crate) fn granted(port: u16) -> String {
    rule("'api.test'", &format!("ports = [{port}]\nprivate = ['127.0.0.0/8']"))
}

/// A policy that grants these hosts by `http`.
fn rule(hosts: &str, more: &str) -> String {
    format!("[[http]]\nreason = 'x'\nhosts = [{hosts}]\nschemes = ['http']\n{more}\n")
}

/// Lets the secret `token` be used in requests to this host.
fn usable(host: &str) -> String {
    format!("[[secrets.use]]\nreason = 'x'\nkeys = ['token']\nin = ['http']\nhosts = ['{host}']\n")
}

/// Every grant there is for this secret, and Terraform.
fn everything_for(key: &str) -> String {
    format!(
        "[[secrets.reveal]]\nreason = 'x'\nkeys = ['{key}']\n\
         [[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['http', 'jwt', 'outputs', 'terraform']\nhosts = ['*']\n\
         [terraform]\nreason = 'x'\nverbs = ['plan']\nrepositories = ['ssh://git.invalid/*']\nreveal_code = true\n"
    )
}

/// A server that repeats what it was sent, in its error's text and in a header.
async fn repeating() -> Server {
    Server::start(|seen| {
        let authorization = seen.header("authorization").join("");
        let body = format!("no access for {authorization} with {}", seen.body);
        response(403, &format!("x-refused: {authorization}\r\n"), &body)
    })
    .await
}

/// The component has told what the server said, and this takes the place of what it was sent in all of it.
#[track_caller]
fn nothing_was_repeated(ended: &Ended, secret: &str, marker: &str) {
    assert!(!format!("{ended:?}").contains(secret), "{ended:?}");
    let [step, named] = ended.steps.as_slice() else { panic!("{ended:?}") };
    let marker = format!("no access for {marker}");
    let output = format!("{:?}", ended.output("answer"));
    let told = [step.user_message.as_deref(), ended.summary.as_deref(), Some(&*output)];
    for text in told.into_iter().chain([Some(&*named.display_name), Some(&*ended.told)]) {
        assert!(text.unwrap().contains(&marker), "`{marker}` is not in {text:?}: {ended:?}");
    }
    assert_eq!(ended.told.matches(&marker).count(), 2, "{}", ended.told);
}

/// Each answer to an attempt at something else than a request is no, and for this reason.
#[track_caller]
fn nothing_was_passed_on(ended: &Ended, what: &str) {
    let tried = ["reveal: ", "output: ", "file: ", "variable: ", "key: ", "sign: "];
    let answers = ended.told.lines().filter(|line| tried.iter().any(|way| line.starts_with(way)));
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 11, "{}", ended.told);
    for answer in answers {
        assert!(answer.contains(&format!("{what} is for requests only")), "{answer}");
    }
    assert!(ended.output("copy").is_none());
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A request for this URL by the plain interface, with names that lead to this machine.
fn request(policy: &str, url: &str) -> Trial {
    request_by(&Names::local(), policy, url)
}

fn request_by(names: &Arc<Names>, policy: &str, url: &str) -> Trial {
    Trial::of(HTTP_REQUEST).policy(policy).http(names.config()).input("url", text(url))
}

/// A request to this server, which the policy grants.
fn request_to(server: &Server) -> Trial {
    request(&granted(server.port), &server.url("/"))
}

/// The component was told that something failed, in these words.
#[track_caller]
fn told(ended: &Ended, kind: &str, words: &str) {
    assert!(ended.told.contains(&format!("error: SendError::{kind}(")), "{}", ended.told);
    assert!(ended.told.contains(words), "{}", ended.told);
}
