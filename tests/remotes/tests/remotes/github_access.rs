//! GitHub: headers, the App, its installation, and tokens.

use std::time::Duration;

use blockhouse_remotes::GitHub;
use blockhouse_remotes::github::{AppKey, Permission};
use reqwest::Method;
use reqwest::header::{ACCEPT, USER_AGENT};
use serde_json::{Value, json};

use crate::client::{APP, DISPATCHES, Hub, KEY, RUNS, hub_builder, read};

const INSTALLATION: &str = "/repos/acme/infra/installation";

/// What is answered to this JSON Web Token.
async fn installation(hub: &Hub, jwt: &str) -> (u16, String) {
    let request = hub.with(Method::GET, INSTALLATION, jwt);
    let (status, body) = read(request.send().await.unwrap()).await;
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_app_gets_a_token_of_its_installation() {
    let hub = Hub::without_token(hub_builder());
    let jwt = hub.jwt(&hub.claims());
    let found = hub.with(Method::GET, INSTALLATION, &jwt).send().await.unwrap();
    let (_, installation) = read(found).await;
    let path = format!("/app/installations/{}/access_tokens", installation["id"]);
    let made = hub.with(Method::POST, &path, &jwt).send().await.unwrap();
    let (status, made) = read(made).await;
    assert_eq!(status, 201);
    assert!(made["token"].as_str().unwrap().starts_with("ghs_"));
    assert_eq!(made["permissions"]["actions"], "write");
    let broken = hub.with(Method::POST, &path, &jwt).body("{").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    assert!(hub.violations().contains(&"the body is no JSON".to_owned()));
    let (other, _) = read(
        hub.with(Method::POST, "/app/installations/1/access_tokens", &jwt).send().await.unwrap(),
    )
    .await;
    assert_eq!(other, 404);
}

#[tokio::test]
async fn an_enterprise_server_serves_below_its_prefix_only() {
    let hub = Hub::of(hub_builder().enterprise_server()).await;
    assert!(hub.github.api_url().ends_with("/api/v3"));
    assert_eq!(hub.find(RUNS).await.0, 200);
    let outside = GitHub::url(&hub.github).to_owned() + RUNS;
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(outside);
    let answer = answer
        .header(USER_AGENT, "test/1")
        .header(ACCEPT, "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28");
    assert_eq!(answer.send().await.unwrap().status(), 404);
    assert_eq!(hub.violations(), ["no such endpoint"]);
}

#[tokio::test]
async fn both_forms_of_a_key_sign_for_the_same_app() {
    let (pkcs1, pkcs8) = (KEY.pkcs1_pem().unwrap(), KEY.pkcs8_pem());
    assert!(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(pkcs8.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    // Not by a reader of ours only: that it is PKCS#1 is what matters.
    let inner = pem::parse(&pkcs1).unwrap().into_contents();
    assert!(aws_lc_rs::rsa::KeyPair::from_der(&inner).is_ok());
    let hub = Hub::without_token(hub_builder());
    for text in [pkcs1, pkcs8] {
        let key = AppKey::from_pem(&text).unwrap();
        let jwt = key.sign(&json!({"alg": "RS256"}), &hub.claims()).unwrap();
        assert_eq!(installation(&hub, &jwt).await.0, 200);
    }
    assert!(AppKey::from_pem("nonsense").is_err());
}

#[tokio::test]
async fn claims_out_of_bounds_are_violations() {
    let hub = Hub::without_token(hub_builder());
    let now = hub.github.now().unix_timestamp();
    let wrong = [
        (json!({"iss": APP, "iat": now + 60, "exp": now + 300}), "'iat'"),
        (json!({"iss": APP, "iat": now - 60, "exp": now - 10}), "'exp'"),
        (json!({"iss": APP, "iat": now - 10, "exp": now + 700}), "too far"),
        (json!({"iss": APP, "iat": now - 500, "exp": now + 300}), "too far"),
        (json!({"iss": APP, "exp": now + 300}), "'iat'"),
        (json!({"iss": APP, "iat": now - 10}), "'exp'"),
        (json!({"iat": now - 10, "exp": now + 300}), "'iss'"),
    ];
    for (claims, part) in wrong {
        let (status, message) = installation(&hub, &hub.jwt(&claims)).await;
        assert!(status == 401 && message.contains(part), "{claims}: {status} {message}");
        assert_eq!(hub.violations().len(), 1, "{claims}");
    }
}

#[tokio::test]
async fn a_signature_is_verified() {
    let hub = Hub::without_token(hub_builder());
    let good = hub.jwt(&hub.claims());
    // The last character has bits that no decoder may ignore.
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{flipped}{}", &signature[1..]);
    let none = KEY.sign(&json!({"alg": "none"}), &hub.claims()).unwrap();
    let padded = format!("{good}==");
    for jwt in [forged.as_str(), none.as_str(), padded.as_str(), "a.b", "ghs_x"] {
        assert_eq!(installation(&hub, jwt).await.0, 401, "{jwt}");
    }
    // The forged one could be an operator's mistake; no client makes the others by accident.
    assert_eq!(hub.violations().len(), 4);
}

#[tokio::test]
async fn an_operators_mistakes_are_no_violations() {
    let other = AppKey::generate().unwrap();
    let hub = Hub::without_token(hub_builder());
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let wrong_key = other.sign(&header, &hub.claims()).unwrap();
    let mut claims = hub.claims();
    claims["iss"] = json!("99");
    let wrong_app = hub.jwt(&claims);
    assert_eq!(installation(&hub, &wrong_key).await.0, 401);
    assert_eq!(installation(&hub, &wrong_app).await, (404, "Integration not found".to_owned()));
    let jwt = hub.jwt(&hub.claims());
    let elsewhere = hub.with(Method::GET, "/repos/acme/none/installation", &jwt);
    assert_eq!(elsewhere.send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn tokens_expire_by_the_servers_clock() {
    let mut hub = Hub::start().await;
    hub.github.advance(Duration::from_secs(3_599));
    assert_eq!(hub.find(RUNS).await.0, 200);
    hub.github.advance(Duration::from_secs(2));
    let (status, body) = hub.find(RUNS).await;
    assert_eq!((status, body["message"].as_str()), (401, Some("Bad credentials")));
    hub.renew().await;
    assert_eq!(hub.find(RUNS).await.0, 200);
    hub.github.expire_tokens();
    assert_eq!(hub.find(RUNS).await.0, 401);
}

#[tokio::test]
async fn a_clock_set_back_makes_clients_come_from_the_future() {
    let hub = Hub::without_token(hub_builder());
    let jwt = hub.jwt(&hub.claims());
    hub.github.set_back(Duration::from_secs(60));
    assert_eq!(installation(&hub, &jwt).await.0, 401);
    assert_eq!(hub.violations(), ["'Issued at' claim ('iat') is in the future"]);
}

#[tokio::test]
async fn permissions_are_those_of_the_token() {
    let mut hub = Hub::of(hub_builder().permission(Permission::Read)).await;
    let order = json!({"ref": "main", "inputs": {"name": "x"}});
    assert_eq!(hub.find(RUNS).await.0, 200);
    assert_eq!(hub.post(DISPATCHES, &order).await.0, 403);
    hub.github.set_permission(Permission::Absent);
    assert_eq!(hub.find(RUNS).await.0, 200, "the token is still the old one");
    hub.renew().await;
    assert_eq!(hub.find(RUNS).await.0, 403);
    hub.github.set_permission(Permission::Write);
    hub.renew().await;
    assert_eq!(hub.post(DISPATCHES, &order).await.0, 204);
}

#[tokio::test]
async fn each_kind_of_token_has_its_place() {
    let hub = Hub::start().await;
    assert_eq!(installation(&hub, &hub.token).await.0, 401);
    let jwt = hub.jwt(&hub.claims());
    assert_eq!(hub.with(Method::GET, RUNS, &jwt).send().await.unwrap().status(), 401);
    let bare = hub.bare(Method::GET, RUNS).header(USER_AGENT, "test/1");
    let bare = bare.header(ACCEPT, "application/vnd.github+json");
    let bare = bare.header("X-GitHub-Api-Version", "2022-11-28");
    assert_eq!(bare.send().await.unwrap().status(), 401);
    let expected = [
        "an installation's token where the App's own is needed",
        "a token that was never handed out",
        "no bearer token",
    ];
    assert_eq!(hub.violations(), expected);
}

#[tokio::test]
async fn headers_are_checked() {
    let hub = Hub::start().await;
    let request = || hub.bare(Method::GET, RUNS).bearer_auth(&hub.token);
    let media = "application/vnd.github+json";
    let version = "X-GitHub-Api-Version";
    let silent = request().header(ACCEPT, media).header(version, "2022-11-28");
    let unknown = request().header(USER_AGENT, "t").header(ACCEPT, media).header(version, "2001");
    let sloppy = request().header(USER_AGENT, "t");
    let mut seen = Vec::new();
    for request in [silent, unknown, sloppy] {
        let status = request.send().await.unwrap().status().as_u16();
        seen.push((status, hub.violations()));
    }
    let form = hub.with(Method::POST, DISPATCHES, &hub.token).body("{\"ref\": \"main\"}");
    assert_eq!(form.send().await.unwrap().status(), 204);
    assert_eq!(hub.violations(), ["Content-Type is not `application/json`"]);
    let expected: [(u16, &[&str]); 3] = [
        (403, &["no User-Agent"]),
        (400, &["X-GitHub-Api-Version `2001` is not supported"]),
        // Recommended only, but promised by our client.
        (200, &["Accept is not `application/vnd.github+json`", "no X-GitHub-Api-Version"]),
    ];
    for ((status, messages), (expected_status, expected_messages)) in seen.iter().zip(expected) {
        assert_eq!(*status, expected_status);
        assert_eq!(messages, expected_messages);
    }
}

#[tokio::test]
async fn a_used_up_limit_says_when_it_is_over() {
    let hub = Hub::start().await;
    hub.github.limit_rate(Duration::from_secs(90));
    let answer = hub.with(Method::GET, RUNS, &hub.token).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-ratelimit-remaining"), "0");
    let reset: i64 = header("x-ratelimit-reset").parse().unwrap();
    assert!((85..=90).contains(&(reset - hub.github.now().unix_timestamp())), "{reset}");
    hub.github.limit_rate_secondary(Duration::from_secs(30));
    let answer = hub.with(Method::GET, RUNS, &hub.token).send().await.unwrap();
    let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((25..=30).contains(&after), "{after}");
    hub.github.advance(Duration::from_secs(31));
    assert_eq!(hub.find(RUNS).await.0, 200);
}

#[tokio::test]
async fn errors_have_githubs_shape() {
    let hub = Hub::start().await;
    let (status, body) = hub.find("/repos/acme/infra/actions/workflows/none.yml/runs").await;
    let expected: Value = json!({
        "message": "Not Found",
        "documentation_url": "https://docs.github.com/rest",
        "status": "404",
    });
    assert_eq!((status, body), (404, expected));
}
