//! GitHub: how runs go on, how they are found, and how they are cancelled.

use blockhouse_remotes::Pace;
use blockhouse_remotes::github::{Conclusion, RunPlan, RunStatus};
use reqwest::Method;
use serde_json::Value;

use crate::client::{Hub, RUNS};

fn run_path(id: u64) -> String {
    format!("/repos/acme/infra/actions/runs/{id}")
}

/// Status and conclusion of each job.
async fn jobs(hub: &Hub, id: u64) -> Vec<(String, String)> {
    let (status, body) = hub.find(&format!("{}/jobs", run_path(id))).await;
    assert_eq!(status, 200);
    let text = |job: &Value, key: &str| job[key].as_str().unwrap_or("-").to_owned();
    let jobs = body["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (text(job, "status"), text(job, "conclusion"))).collect()
}

async fn poll(hub: &Hub, id: u64) -> (String, String) {
    let (status, body) = hub.find(&run_path(id)).await;
    assert_eq!(status, 200);
    let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
    (text("status"), text("conclusion"))
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn each_poll_moves_a_run_on() {
    let hub = Hub::start().await;
    let id = hub.dispatch("a").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(poll(&hub, id).await);
    }
    let running = ("in_progress", "-");
    assert_eq!(seen, pairs(&[("queued", "-"), running, running, ("completed", "success")]));
}

#[tokio::test]
async fn so_many_polls_move_a_run_on() {
    let hub = Hub::start().await;
    hub.github.plan_next(RunPlan::default().pace(Pace::Polls(3)));
    let id = hub.dispatch("a").await;
    for _ in 0..3 {
        assert_eq!(poll(&hub, id).await.0, "queued");
    }
    assert_eq!(poll(&hub, id).await.0, "in_progress");
}

#[tokio::test]
async fn jobs_run_one_after_the_other_and_decide_the_conclusion() {
    let hub = Hub::start().await;
    let plan = RunPlan::of_jobs([("plan", Conclusion::Success), ("apply", Conclusion::Failure)]);
    hub.github.plan_next(plan.pace(Pace::ByHand));
    let id = hub.dispatch("a").await;
    assert!(jobs(&hub, id).await.is_empty());
    let (queued, running) = (("queued", "-"), ("in_progress", "-"));
    let done = ("completed", "success");
    let expected = [
        [queued, queued],
        [running, queued],
        [done, queued],
        [done, running],
        [done, ("completed", "failure")],
    ];
    for expected in expected {
        hub.github.advance_run(id);
        assert_eq!(jobs(&hub, id).await, pairs(&expected));
    }
    assert_eq!(poll(&hub, id).await, ("completed".to_owned(), "failure".to_owned()));
}

#[tokio::test]
async fn a_run_can_be_finished_at_once_with_a_conclusion_of_its_own() {
    let hub = Hub::start().await;
    let plan = RunPlan::of_jobs([]).concluding(Conclusion::StartupFailure).pace(Pace::ByHand);
    hub.github.plan_next(plan);
    let id = hub.dispatch("a").await;
    assert_eq!(poll(&hub, id).await.0, "queued");
    hub.github.finish_run(id);
    assert_eq!(poll(&hub, id).await, ("completed".to_owned(), "startup_failure".to_owned()));
}

#[tokio::test]
async fn a_cancelled_run_ends_with_the_next_step() {
    let hub = Hub::start().await;
    let id = hub.dispatch("a").await;
    poll(&hub, id).await;
    poll(&hub, id).await;
    let cancel = || hub.with(Method::POST, &format!("{}/cancel", run_path(id)), &hub.token);
    assert_eq!(cancel().send().await.unwrap().status(), 202);
    assert!(hub.github.runs()[0].is_cancelling);
    assert_eq!(poll(&hub, id).await.0, "in_progress");
    assert_eq!(poll(&hub, id).await, ("completed".to_owned(), "cancelled".to_owned()));
    assert_eq!(jobs(&hub, id).await, pairs(&[("completed", "cancelled")]));
    assert_eq!(cancel().send().await.unwrap().status(), 409);
    assert_eq!(hub.github.runs()[0].conclusion, Some(Conclusion::Cancelled));
}

#[tokio::test]
async fn unknown_runs_are_not_found() {
    let hub = Hub::start().await;
    assert_eq!(hub.find(&run_path(1)).await.0, 404);
    assert_eq!(hub.find(&format!("{}/jobs", run_path(1))).await.0, 404);
}

#[tokio::test]
async fn jobs_come_in_pages_with_links() {
    let hub = Hub::start().await;
    let names: Vec<_> = (0..5).map(|index| format!("job {index}")).collect();
    let plan = names.iter().map(|name| (name.as_str(), Conclusion::Success));
    hub.github.plan_next(RunPlan::of_jobs(plan).pace(Pace::ByHand));
    let id = hub.dispatch("a").await;
    hub.github.finish_run(id);
    let path = format!("{}/jobs?per_page=2&page=2", run_path(id));
    let answer = hub.with(Method::GET, &path, &hub.token).send().await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["total_count"], &body["jobs"][0]["name"]), (&5.into(), &"job 2".into()));
    assert_eq!(body["jobs"].as_array().unwrap().len(), 2);
    let base = format!("{}{}/jobs?per_page=2&page=", hub.github.api_url(), run_path(id));
    for (page, rel) in [(1, "prev"), (3, "next"), (3, "last"), (1, "first")] {
        assert!(link.contains(&format!("<{base}{page}>; rel=\"{rel}\"")), "{link}");
    }
}

#[tokio::test]
async fn runs_are_found_by_filters() {
    let hub = Hub::start().await;
    let ours = hub.dispatch("ours").await;
    let foreign = hub.github.start_foreign_run("apply.yml", "theirs").unwrap();
    let now = hub.github.now();
    let day = |offset: i64| now.unix_timestamp() + offset;
    let stamp = |at: i64| {
        let at = time_text(at);
        at.replace(':', "%3A")
    };
    let listed = async |query: &str| {
        let (status, body) = hub.find(&format!("{RUNS}?{query}")).await;
        assert_eq!(status, 200, "{query}");
        let runs = body["workflow_runs"].as_array().unwrap().iter();
        runs.map(|run| run["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, [foreign, ours]);
    assert_eq!(listed("event=workflow_dispatch&branch=main").await, [foreign, ours]);
    assert!(listed("event=push").await.is_empty());
    assert!(listed("branch=next").await.is_empty());
    assert_eq!(listed("status=queued").await, [foreign, ours]);
    assert_eq!(listed("per_page=1&page=2").await, [ours]);
    let (past, future) = (stamp(day(-60)), stamp(day(60)));
    assert_eq!(listed(&format!("created=%3E%3D{past}")).await, [foreign, ours]);
    assert!(listed(&format!("created=%3E{future}")).await.is_empty());
    assert_eq!(listed(&format!("created={past}..{future}")).await, [foreign, ours]);
    assert_eq!(listed(&format!("created=%3C{future}")).await, [foreign, ours]);
    assert!(hub.violations().is_empty());
    assert_eq!(hub.find(&format!("{RUNS}?created=soon")).await.0, 422);
    listed("since=1").await;
    assert_eq!(hub.violations().len(), 2);
}

/// RFC 3339, for the offset from the epoch.
fn time_text(seconds: i64) -> String {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap().format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn a_run_can_be_missing_from_the_first_listings() {
    let hub = Hub::start().await;
    hub.github.plan_next(RunPlan::default().hidden_for(2));
    let id = hub.dispatch("a").await;
    for expected in [0, 0, 1] {
        let (_, body) = hub.find(RUNS).await;
        assert_eq!(body["total_count"], expected);
    }
    let (_, body) = hub.find(RUNS).await;
    assert_eq!(body["workflow_runs"][0]["display_title"], "run a");
    assert_eq!(body["workflow_runs"][0]["id"], id);
}

#[tokio::test]
async fn tests_wait_for_what_clients_bring_about() {
    let hub = Hub::start().await;
    let id = hub.dispatch("a").await;
    let polls = async { while poll(&hub, id).await.0 != "completed" {} };
    let ended = hub
        .github
        .wait_until(|github| github.runs().iter().any(|run| run.status() == RunStatus::Completed));
    let (ended, ()) = tokio::join!(ended, polls);
    ended.unwrap();
}
