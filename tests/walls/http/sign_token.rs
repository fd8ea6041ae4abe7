//! Tokens that the host signs: with keys that policy names, for hosts that policy names, unseen.

use super::server::{Names, Server, ok};
use super::{
    everything_for, granted, nothing_was_passed_on, nothing_was_repeated, repeating, rule, text,
};
use crate::trial::Trial;
use blockhouse_artifacts::SIGN_TOKEN;
use data_encoding::BASE64URL_NOPAD;

const KEY: &str = include_str!("../../fixtures/sealed/TEST-ONLY-runner-pkcs1.pem");
const CLAIMS: &str = r#"{"iss":"1","iat":1.10}"#;

/// What a token begins with.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.";

/// Lets `app_key` sign tokens for this host.
fn signs(host: &str) -> String {
    let keys = "[[secrets.use]]\nreason = 'x'\nkeys = ['app_key']\nin = ['jwt']\n";
    format!("{keys}hosts = ['{host}']\n")
}

fn trial(policy: &str) -> Trial {
    let names = Names::of(&[("api.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let trial = Trial::of(SIGN_TOKEN).policy(policy).http(names.config());
    trial.secret("app_key", KEY).input("claims", text(CLAIMS))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_put_into_requests_without_being_seen() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = format!("{}{}", granted(server.port), signs("api.test"));
    let ended = trial(&policy).input("url", text(&server.url("/"))).run().await.succeeded();
    assert!(ended.told.contains("sent: Ok(200)"), "{}", ended.told);
    let seen = server.seen();
    let token = seen[0].header("authorization")[0].strip_prefix("Bearer ").unwrap();
    assert!(seen[1..].iter().all(|seen| seen.body == token), "{seen:?}");
    let body = token.strip_prefix(TOKEN).unwrap().split('.').next().unwrap();
    assert_eq!(BASE64URL_NOPAD.decode(body.as_bytes()).unwrap(), CLAIMS.as_bytes());
    assert!(!format!("{ended:?}").contains("eyJ"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_a_server_repeats_are_in_no_text_that_is_shown() {
    let server = repeating().await;
    let policy = format!("{}{}", granted(server.port), signs("api.test"));
    let ended = trial(&policy).input("url", text(&server.url("/"))).run().await.succeeded();
    let seen = server.seen();
    let token = seen[0].header("authorization")[0].strip_prefix("Bearer ").unwrap();
    nothing_was_repeated(&ended, token, "Bearer [secret token of app_key] with");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!format!("{ended:?}").contains(&signature[..20]), "{ended:?}");
    assert!(ended.told.contains("x-refused: Bearer [secret token of app_key]\n"), "{}", ended.told);
}

/// What is signed in the middle is long; the end makes it a token.
#[tokio::test(flavor = "multi_thread")]
async fn the_signature_of_a_long_token_is_shown_by_nobody() {
    let server = repeating().await;
    let policy = format!("{}{}", granted(server.port), signs("api.test"));
    let long: String = (0..1_000).map(|number| format!("{number} ")).collect();
    let claims = format!("{{\"x\":\"{long}\"}}");
    let trial = trial(&policy).with(|limits| limits.log_kept_bytes = 64 << 10);
    let trial = trial.input("claims", text(&claims)).input("url", text(&server.url("/")));
    let ended = trial.run().await.succeeded();
    let seen = server.seen();
    let tokens = seen.iter().flat_map(|seen| seen.header("authorization"));
    for token in tokens {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!format!("{ended:?}").contains(&signature[..20]), "{ended:?}");
    }
    assert!(ended.told.contains(TOKEN), "its beginning is no secret: {}", ended.told);
    assert!(ended.told.contains("[secret token of app_key] with"), "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_takes_a_grant_for_this_very_key() {
    let used = |keys: &str, places: &str| {
        format!(
            "[[secrets.use]]\nreason = 'x'\nkeys = ['{keys}']\nin = [{places}]\nhosts = ['*']\n"
        )
    };
    let other = used("app_ke", "'jwt'");
    let elsewhere = used("*", "'http', 'outputs', 'terraform'");
    for policy in ["", &*other, &*elsewhere] {
        let ended = trial(policy).run().await.succeeded();
        let words = "policy `test` does not grant the secret `app_key` in tokens (`jwt`)";
        let expected = format!("sign: SignError::Denied(\"{words}\")\n");
        assert!(ended.told.ends_with(&expected), "{}", ended.told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_to_no_other_host() {
    let server = Server::start(|_| ok("hello")).await;
    let place = format!("ports = [{}]\nprivate = ['127.0.0.0/8']", server.port);
    // That the key itself may go there makes no difference.
    let key =
        "[[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['http']\nhosts = ['other.test']\n";
    let policy = format!("{}{}{key}", rule("'api.test', 'other.test'", &place), signs("api.test"));
    let url = format!("http://other.test:{}/", server.port);
    let ended = trial(&policy).input("url", text(&url)).run().await.succeeded();
    let words =
        "does not grant tokens signed with the secret `app_key` in requests to http://other.test";
    assert!(ended.told.contains("sent: Err(SendError::Denied("), "{}", ended.told);
    assert!(ended.told.contains(words), "{}", ended.told);
    // A grant for the token is none for the request.
    let ended = trial(&signs("*")).input("url", text(&server.url("/"))).run().await.succeeded();
    assert!(ended.told.contains("grants no outbound HTTP"), "{}", ended.told);
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_neither_shown_nor_passed_on() {
    let trial = trial(&everything_for("app_key")).input("pass on", text(""));
    let ended = trial.run().await.succeeded();
    nothing_was_passed_on(&ended, "the token signed with the secret `app_key`");
    assert!(!format!("{ended:?}").contains("eyJ"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_no_object_are_not_signed() {
    let mut trial = trial(&signs("api.test"));
    for claims in ["", "[]", "\"x\"", "null", "{", "{}{}", "{\"a\":}"] {
        trial = trial.input("claims", text(claims));
    }
    let ended = trial.run().await.succeeded();
    let refused = "sign: SignError::InvalidClaims(\"the claims are no JSON object\")\n";
    assert_eq!(ended.told.matches(refused).count(), 7, "{}", ended.told);
    assert_eq!(ended.told.matches("signed\n").count(), 1, "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_no_key_signs_nothing_and_is_not_told() {
    let trial = Trial::of(SIGN_TOKEN).policy(&signs("api.test")).secret("app_key", "hunter2");
    let ended = trial.input("claims", text(CLAIMS)).run().await.succeeded();
    assert!(ended.told.contains("SignError::InvalidKey("), "{}", ended.told);
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
}
