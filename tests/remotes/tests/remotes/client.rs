//! Clients that do everything right until a test makes them do something wrong. Main types: [`Hub`], [`Lab`], [`Ops`].

use std::sync::LazyLock;

use blockhouse_remotes::azure::{self, BadToken};
use blockhouse_remotes::github::{self, AppKey, Repository, Workflow};
use blockhouse_remotes::{AzureDevOps, Builder, GitHub, GitLab, gitlab};
use reqwest::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) const APP: &str = "12345";
pub(crate) const TRIGGER_TOKEN: &str = "trigger-token-s3cret";
pub(crate) const ACCESS_TOKEN: &str = "personal-access-s3cret";
pub(crate) const DISPATCHES: &str = "/repos/acme/infra/actions/workflows/apply.yml/dispatches";
pub(crate) const RUNS: &str = "/repos/acme/infra/actions/workflows/apply.yml/runs";

/// Making one takes a while.
pub(crate) static KEY: LazyLock<AppKey> = LazyLock::new(|| AppKey::generate().unwrap());

pub(crate) fn http() -> Client {
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

/// The status and the body, which is null when it is no JSON.
pub(crate) async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

pub(crate) fn hub_builder() -> Builder<github::Remote> {
    let apply = Workflow::new("apply.yml")
        .input("buildingBlockRun")
        .input("name")
        .run_name("run ${{ inputs.name }}");
    let strict = Workflow::new("strict.yml").required_input("region");
    let repository = Repository::new("acme", "infra")
        .branch("main")
        .workflow(apply)
        .workflow(strict)
        .workflow(Workflow::new("push.yml").without_dispatch())
        .workflow(Workflow::new("off.yml").disabled());
    GitHub::builder().app(APP, &KEY).repository(repository)
}

/// A GitHub, and a client with an installation's token.
pub(crate) struct Hub {
    pub(crate) github: GitHub,
    http: Client,
    pub(crate) token: String,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        Self::of(hub_builder()).await
    }

    pub(crate) async fn of(builder: Builder<github::Remote>) -> Self {
        let mut hub = Self::without_token(builder);
        hub.renew().await;
        hub
    }

    pub(crate) fn without_token(builder: Builder<github::Remote>) -> Self {
        Self { github: builder.start().unwrap(), http: http(), token: String::new() }
    }

    /// A new token of the installation.
    pub(crate) async fn renew(&mut self) {
        let jwt = self.jwt(&self.claims());
        let found = self.with(Method::GET, "/repos/acme/infra/installation", &jwt);
        let (status, installation) = read(found.send().await.unwrap()).await;
        assert_eq!(status, 200);
        let path = format!("/app/installations/{}/access_tokens", installation["id"]);
        let (status, made) = read(self.with(Method::POST, &path, &jwt).send().await.unwrap()).await;
        assert_eq!(status, 201);
        self.token = made["token"].as_str().unwrap().to_owned();
    }

    pub(crate) fn claims(&self) -> Value {
        let now = self.github.now().unix_timestamp();
        json!({"iss": APP, "iat": now - 10, "exp": now + 300})
    }

    pub(crate) fn jwt(&self, claims: &Value) -> String {
        KEY.sign(&json!({"alg": "RS256", "typ": "JWT"}), claims).unwrap()
    }

    /// Without any header.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.github.api_url()))
    }

    pub(crate) fn with(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.bare(method, path)
            .header(USER_AGENT, "test/1")
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .bearer_auth(token)
    }

    pub(crate) async fn find(&self, path: &str) -> (u16, Value) {
        read(self.with(Method::GET, path, &self.token).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.with(Method::POST, path, &self.token).json(body);
        read(request.send().await.unwrap()).await
    }

    /// Dispatches `apply.yml` with this name and gives the run's number.
    pub(crate) async fn dispatch(&self, name: &str) -> u64 {
        let body = json!({"ref": "main", "inputs": {"name": name}, "return_run_details": true});
        let (status, body) = self.post(DISPATCHES, &body).await;
        assert_eq!(status, 200, "{body}");
        body["workflow_run_id"].as_u64().unwrap()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.github.take_violations().into_iter().map(|violation| violation.message).collect()
    }
}

/// A GitLab and a client.
pub(crate) struct Lab {
    pub(crate) gitlab: GitLab,
    http: Client,
}

pub(crate) const BOUNDARY: &str = "a-boundary";

/// A form of several parts.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let parts = fields.iter().map(|(name, value)| {
        format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    });
    format!("{}--{BOUNDARY}--\r\n", parts.collect::<String>())
}

impl Lab {
    pub(crate) fn start() -> Self {
        let plain = gitlab::Project::new(42, "acme/infra", TRIGGER_TOKEN).reference("main");
        let declared = gitlab::Project::new(43, "acme/declared", TRIGGER_TOKEN)
            .reference("main")
            .input("region")
            .required_input("name");
        let idle = gitlab::Project::new(44, "acme/idle", TRIGGER_TOKEN);
        let builder = GitLab::builder().project(plain).project(declared);
        let gitlab = builder.project(idle.reference("main").without_jobs()).start().unwrap();
        Self { gitlab, http: http() }
    }

    pub(crate) fn request(&self, project: &str, form: String) -> RequestBuilder {
        self.request_with(project, "", form)
    }

    pub(crate) fn request_with(&self, project: &str, query: &str, form: String) -> RequestBuilder {
        let path = format!("/api/v4/projects/{project}/trigger/pipeline{query}");
        let url = format!("{}{path}", self.gitlab.url());
        let media = format!("multipart/form-data; boundary={BOUNDARY}");
        self.http.post(url).header(CONTENT_TYPE, media).body(form)
    }

    /// With the right token and branch, and these fields besides.
    pub(crate) async fn trigger(&self, project: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let mut all = vec![("token", TRIGGER_TOKEN), ("ref", "main")];
        all.extend_from_slice(fields);
        read(self.request(project, form(&all)).send().await.unwrap()).await
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.gitlab.take_violations().into_iter().map(|violation| violation.message).collect()
    }
}

/// An Azure DevOps and a client.
pub(crate) struct Ops {
    pub(crate) azure: AzureDevOps,
    http: Client,
    pub(crate) token: String,
}

pub(crate) const LAUNCH: &str = "/acme/infra/_apis/pipelines/7/runs?api-version=7.1";

impl Ops {
    pub(crate) fn start() -> Self {
        Self::with_bad_token(BadToken::default())
    }

    pub(crate) fn with_bad_token(bad_token: BadToken) -> Self {
        let pipeline = azure::Pipeline::new("infra", 7, "apply").branch("next");
        let pipeline = pipeline.parameter("name").required_parameter("MESHSTACK_BEHAVIOR");
        let builder = AzureDevOps::builder().organization("acme").token(ACCESS_TOKEN);
        let azure = builder
            .bad_token(bad_token)
            .pipeline(pipeline)
            .pipeline(azure::Pipeline::new("infra", 9, "other"))
            .start()
            .unwrap();
        Self { azure, http: http(), token: ACCESS_TOKEN.to_owned() }
    }

    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.azure.url()))
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.bare(method, path).basic_auth("", Some(&self.token)).json(body);
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn find(&self, path: &str) -> (u16, Value) {
        let request = self.bare(Method::GET, path).basic_auth("", Some(&self.token));
        read(request.send().await.unwrap()).await
    }

    /// Launches the pipeline and gives the run's number.
    pub(crate) async fn launch(&self) -> u64 {
        let body = json!({"templateParameters": {"MESHSTACK_BEHAVIOR": "APPLY"}});
        let (status, run) = self.send(Method::POST, LAUNCH, &body).await;
        assert_eq!(status, 200, "{run}");
        run["id"].as_u64().unwrap()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.azure.take_violations().into_iter().map(|violation| violation.message).collect()
    }
}
