//! A client that does everything right until a test makes it do something wrong. Main type: [`Client`].

use std::time::Duration;

use blockhouse_emulator::{Builder, DEFAULT_RUNNER_UUID, Emulator};
use reqwest::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) const RUN_MEDIA: &str = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";
pub(crate) const RUNNER_MEDIA: &str =
    "application/vnd.meshcloud.api.meshbuildingblockrunner.v1-preview.hal+json";
pub(crate) const CERTIFICATE: &str =
    include_str!("../../../fixtures/sealed/TEST-ONLY-certificate.pem");
/// For conditions that are met at once unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn builder() -> Builder {
    Emulator::builder().api_key("id", "secret").basic("user", "pw").runner_certificate(CERTIFICATE)
}

pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

impl Client {
    /// Logged in.
    pub(crate) async fn of(emulator: &Emulator) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client = Self { http, base: emulator.url().to_owned(), token: String::new() };
        client.login().await;
        client
    }

    pub(crate) async fn login(&mut self) {
        let key = json!({"clientId": "id", "clientSecret": "secret"});
        let answer = self.bare(Method::POST, "/api/login").json(&key).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    /// A request without any header.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// With the headers of a meshObject call, but without authorization.
    pub(crate) fn mesh(&self, method: Method, path: &str, media: &str) -> RequestBuilder {
        self.bare(method, path)
            .header(ACCEPT, media)
            .header(CONTENT_TYPE, media)
            .header(USER_AGENT, "test/1")
            .header("X-Block-Runner-Node-Id", format!("{DEFAULT_RUNNER_UUID}-node"))
            .header("X-Meshcloud-Runner-Name", "test")
            .header("X-Meshcloud-Runner-Version", "1")
    }

    pub(crate) fn claim_request(&self) -> RequestBuilder {
        let path = format!(
            "/api/meshobjects/meshbuildingblockruns/create?forRunnerUuid={DEFAULT_RUNNER_UUID}"
        );
        self.mesh(Method::POST, &path, RUN_MEDIA).bearer_auth(&self.token)
    }

    /// Claims; there must be a run.
    pub(crate) async fn claim(&self) -> Claimed {
        let answer = self.claim_request().send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 200 | 201), "{}", answer.status());
        Claimed { document: answer.json().await.unwrap() }
    }

    pub(crate) fn register_request(&self, run: &Claimed, body: &Value) -> RequestBuilder {
        self.mesh(Method::POST, &self.path(run.link("registerSource")), RUN_MEDIA)
            .bearer_auth(run.token().unwrap_or(&self.token))
            .body(body.to_string())
    }

    /// Registers with the steps `one` and `two`.
    pub(crate) async fn register(&self, run: &Claimed) -> u16 {
        let steps =
            json!([{"id": "one", "displayName": "One"}, {"id": "two", "displayName": "Two"}]);
        let body = json!({"source": {"id": DEFAULT_RUNNER_UUID}, "steps": steps});
        self.register_request(run, &body).send().await.unwrap().status().as_u16()
    }

    pub(crate) fn update_request(&self, run: &Claimed, body: &Value) -> RequestBuilder {
        let source = DEFAULT_RUNNER_UUID.to_string();
        let link = run.link("updateSource").replace("{sourceId}", &source);
        self.mesh(Method::PATCH, &self.path(&link), RUN_MEDIA)
            .bearer_auth(run.token().unwrap_or(&self.token))
            .body(body.to_string())
    }

    pub(crate) async fn update(&self, run: &Claimed, body: Value) -> (u16, Value) {
        read(self.update_request(run, &body).send().await.unwrap()).await
    }

    pub(crate) fn path(&self, url: &str) -> String {
        url.strip_prefix(&self.base).unwrap().to_owned()
    }
}

pub(crate) async fn read(answer: Response) -> (u16, Value) {
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// A claimed run's document.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) document: Value,
}

impl Claimed {
    pub(crate) fn token(&self) -> Option<&str> {
        self.document["spec"]["runToken"].as_str()
    }

    pub(crate) fn link(&self, name: &str) -> &str {
        self.document["_links"][name]["href"].as_str().unwrap()
    }
}
