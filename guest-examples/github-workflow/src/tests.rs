use crate::carry_out;
use blockhouse_sdk::scripted::{Answer, Script, Sent, Status};
use blockhouse_sdk::{
    Behavior, Entered, Failure, Fields, Host as _, Input, Link, Run, SendError, Verdict,
};
use std::cell::Cell;
use std::time::Duration;

mod finding;
mod tokens;

const RUN: &str = "b3116611-0000-4000-8000-000000000001";
const API: &str = "https://api.github.example/repos/acme/infra";

/// GitHub, as far as a run gets to see it. What it answers can be changed.
struct GitHub {
    /// The answer to a dispatch: with `return_run_details`, and without.
    dispatch: [(u16, &'static str); 2],
    /// When the n-th token expires.
    expires: fn(usize) -> &'static str,
    jobs: &'static str,
    permission: &'static str,
    /// What the run of the workflow is like when it is looked at for the n-th time.
    run: fn(usize) -> &'static str,
    runs: &'static str,
}

const DETAILS: &str = r#"{"workflow_run_id":77,"html_url":"https://github.example/r/77"}"#;
const UNKNOWN_FIELD: &str =
    r#"{"message":"Invalid request.\n\n\"return_run_details\" is not a permitted key."}"#;
const RUNNING: &str = r#"{"id":77,"status":"in_progress"}"#;
const SUCCESS: &str = r#"{"id":77,"status":"completed","conclusion":"success"}"#;
const JOBS: &str = r#"{"total_count":2,"jobs":[
    {"id":1,"name":"plan","status":"completed","conclusion":"success","started_at":"2026-11-02T10:00:00Z","html_url":"https://github.example/j/1"},
    {"id":2,"name":"notify","status":"completed","conclusion":"skipped"}]}"#;

impl Default for GitHub {
    fn default() -> Self {
        Self {
            dispatch: [(200, DETAILS), (204, "")],
            expires: |_| "2026-11-02T11:00:00Z",
            jobs: JOBS,
            permission: "write",
            run: |looks| if looks < 3 { RUNNING } else { SUCCESS },
            runs: r#"{"workflow_runs":[]}"#,
        }
    }
}

impl GitHub {
    fn host(self) -> Script<'static> {
        let (looks, tokens) = (Cell::new(0), Cell::new(0));
        Script::new(move |sent: &Sent, _| {
            let path = sent.url.strip_prefix("https://api.github.example").unwrap();
            let (status, body) = match (sent.method, path) {
                ("GET", "/repos/acme/infra/installation") => (200, r#"{"id":5}"#.to_owned()),
                ("POST", "/app/installations/5/access_tokens") => {
                    tokens.set(tokens.get() + 1);
                    let (expires, permission) = ((self.expires)(tokens.get()), self.permission);
                    let body = format!(
                        r#"{{"token":"installed","expires_at":"{expires}","permissions":{{"actions":"{permission}"}}}}"#
                    );
                    (201, body)
                }
                ("POST", path) if path.ends_with("/dispatches") => {
                    let [with, without] = self.dispatch;
                    let asks = sent.body.contains("return_run_details");
                    let (status, body) = if asks { with } else { without };
                    (status, body.to_owned())
                }
                ("POST", path) if path.ends_with("/cancel") => (202, "{}".to_owned()),
                ("GET", path) if path.contains("/jobs?") => (200, self.jobs.to_owned()),
                ("GET", path) if path.contains("/runs?") => (200, self.runs.to_owned()),
                ("GET", _) => {
                    looks.set(looks.get() + 1);
                    (200, (self.run)(looks.get()).to_owned())
                }
                _ => (404, String::new()),
            };
            Ok(Answer::new(status, &body))
        })
    }
}

fn carried_out(
    host: &Script<'_>,
    behavior: Behavior,
    flags: &[&'static str],
) -> Result<Verdict, Failure> {
    let (key, token) = ("key".to_owned(), "api-token".to_owned());
    let mut fields = vec![
        ("appId", Entered::Json("123")),
        ("appPem", Entered::Secret(&key)),
        ("applyWorkflow", Entered::Text("apply.yml")),
        ("branch", Entered::Text("main")),
        ("githubBaseUrl", Entered::Text("https://api.github.example/")),
        ("owner", Entered::Text("acme")),
        ("repository", Entered::Text("infra")),
    ];
    fields.extend(flags.iter().map(|flag| (*flag, Entered::Json("true"))));
    let input = |key, value| Input { is_environment: false, key, value };
    let link = |name: &str, href: &str| Link { name: name.to_owned(), href: href.to_owned() };
    let run = Run {
        behavior,
        fields: Fields(fields),
        id: RUN,
        inputs: vec![
            input("MESHSTACK_API_TOKEN", Entered::Secret(&token)),
            input("MESHSTACK_RUN_TOKEN", Entered::Text("run-token")),
            input("other", Entered::Text("x")),
        ],
        links: &[
            link("meshstackBaseUrl", "https://mesh.example"),
            link("self", "https://mesh.example/runs/1"),
        ],
    };
    carry_out(host, &run)
}

fn applied(host: &Script<'_>) -> Result<Verdict, Failure> {
    carried_out(host, Behavior::Apply, &[])
}

fn message(github: GitHub) -> String {
    applied(&github.host()).unwrap_err().message
}

/// The requests that start something.
fn dispatches(host: &Script<'_>) -> Vec<Sent> {
    let is_dispatch = |sent: &Sent| sent.url.ends_with("/dispatches");
    host.requests().into_iter().filter(is_dispatch).collect()
}

#[test]
fn the_workflow_gets_the_document_of_the_run() {
    let host = GitHub::default().host();
    assert_eq!(carried_out(&host, Behavior::Detect, &["async"]).unwrap(), Verdict::HandedOver);
    let sent = dispatches(&host).remove(0);
    assert_eq!(sent.url, format!("{API}/actions/workflows/apply.yml/dispatches"));
    assert_eq!(sent.header("authorization"), Some("Bearer <secret installed>"));
    assert_eq!(sent.header("accept"), Some("application/vnd.github+json"));
    assert_eq!(sent.header("x-github-api-version"), Some("2022-11-28"));
    assert_eq!(
        sent.body,
        r#"{"ref":"main","inputs":{"buildingBlockRun":"<run document base64 without-implementation>"},"return_run_details":true}"#
    );
    let step = host.find("gh-trigger").unwrap();
    assert_eq!(step.status, Status::Succeeded);
    assert!(step.message.contains("https://github.example/r/77"));
    assert_eq!(host.requests().len(), 3, "nothing is followed");
}

#[test]
fn or_the_address_of_the_run_and_how_to_get_in() {
    let host = GitHub::default().host();
    carried_out(&host, Behavior::Apply, &["async", "omitRunObjectInput"]).unwrap();
    assert_eq!(
        dispatches(&host)[0].body,
        r#"{"ref":"main","inputs":{"buildingBlockRunUrl":"https://mesh.example/runs/1","MESHSTACK_API_TOKEN":"<secret api-token>","MESHSTACK_ENDPOINT":"https://mesh.example","MESHSTACK_RUN_TOKEN":"run-token"},"return_run_details":true}"#
    );
}

#[test]
fn jobs_are_steps() {
    let host = GitHub::default().host();
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    let steps: Vec<_> = host.steps().into_iter().map(|step| (step.id, step.display_name)).collect();
    let expected = [
        ("gh-trigger", "Trigger GitHub Action"),
        ("gh-workflow-job-1", "GitHub Job: plan"),
        ("gh-workflow-job-2", "GitHub Job: notify"),
    ];
    assert_eq!(steps, expected.map(|(id, name)| (id.to_owned(), name.to_owned())));
    let plan = host.find("gh-workflow-job-1").unwrap();
    assert_eq!(plan.message, "success, from 2026-11-02T10:00:00Z: https://github.example/j/1");
    assert_eq!(host.find("gh-workflow-job-2").unwrap().message, "skipped");
    assert_eq!(host.uptime(), Duration::from_secs(20));
}

#[test]
fn jobs_come_in_pages() {
    let page = |page: usize| {
        let jobs: Vec<_> = (0..100)
            .map(|job| {
                format!(
                    r#"{{"id":{},"status":"completed","conclusion":"success"}}"#,
                    page * 100 + job
                )
            })
            .collect();
        format!(r#"{{"total_count":1000,"jobs":[{}]}}"#, jobs.join(","))
    };
    let github = GitHub::default().host();
    let host = Script::new(move |sent: &Sent, _| {
        let at = sent.url.rsplit_once("page=").map(|(_, page)| page.parse().unwrap());
        match at {
            Some(number) if sent.url.contains("/jobs?") => Ok(Answer::new(200, &page(number))),
            _ => github.answer(sent),
        }
    });
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    // Fifty of their own, the trigger, and the rest.
    assert_eq!(host.steps().len(), 52);
    let others = host.find("gh-workflow-job-others").unwrap();
    assert_eq!(others.message, "350 succeeded, 600 not looked at.");
}

#[test]
fn only_success_is_success() {
    for run in [
        (|_| r#"{"id":77,"status":"completed","conclusion":"failure"}"#) as fn(usize) -> _,
        |_| r#"{"id":77,"status":"completed","conclusion":"skipped"}"#,
        |_| r#"{"id":77,"status":"completed"}"#,
    ] {
        let message = message(GitHub { run, ..GitHub::default() });
        assert!(message.contains("ended with the conclusion"), "{message}");
    }
}

#[test]
fn destroying_needs_a_workflow_of_its_own() {
    let host = GitHub::default().host();
    let message = carried_out(&host, Behavior::Destroy, &[]).unwrap_err().message;
    assert!(message.contains("`destroyWorkflow`"), "{message}");
    assert!(host.requests().is_empty());
}

#[test]
fn an_abort_cancels_the_workflow() {
    let host = GitHub { run: |_| RUNNING, ..GitHub::default() }.host();
    host.abort_after(Duration::from_secs(15));
    let message = applied(&host).unwrap_err().message;
    assert!(
        message.contains("told to cancel the workflow: https://github.example/r/77"),
        "{message}"
    );
    let last = host.requests().pop().unwrap();
    assert_eq!(last.url, format!("{API}/actions/runs/77/cancel"));
    assert_eq!(host.uptime(), Duration::from_secs(15));
}

#[test]
fn waiting_has_an_end() {
    let host = GitHub { run: |_| RUNNING, ..GitHub::default() }.host();
    let message = applied(&host).unwrap_err().message;
    assert!(message.contains("within 30 minutes"), "{message}");
}

#[test]
fn an_input_that_the_workflow_does_not_declare_is_explained() {
    const ANSWER: &str = r#"{"message":"Unexpected inputs provided: [\"buildingBlockRun\"]"}"#;
    let message = message(GitHub { dispatch: [(422, ANSWER), (500, "")], ..GitHub::default() });
    assert!(
        message.contains("`buildingBlockRun`") && message.contains("workflow_dispatch"),
        "{message}"
    );
    assert!(!message.contains("buildingBlockRunUrl"), "{message}");
}

#[test]
fn refusals_are_told_in_words() {
    for (status, body, expected) in [
        (404, "", "no workflow `apply.yml`"),
        (422, r#"{"message":"No ref found for: main"}"#, "No ref found for: main"),
        (403, r#"{"message":"Resource not accessible by integration"}"#, "Resource not accessible"),
        (301, "", "`githubBaseUrl`"),
        (503, "", "not known whether"),
    ] {
        let host = GitHub { dispatch: [(status, body), (500, "")], ..GitHub::default() }.host();
        let message = applied(&host).unwrap_err().message;
        assert!(message.contains(expected), "{status}: {message}");
        assert_eq!(dispatches(&host).len(), 1, "sent again");
    }
}
