//! Azure DevOps: how runs go on, their timelines, and how they are cancelled.

use blockhouse_remotes::Pace;
use blockhouse_remotes::azure::{Outcome, RunPlan, RunState};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Ops;

fn run_path(id: u64) -> String {
    format!("/acme/infra/_apis/pipelines/7/runs/{id}?api-version=7.1")
}

fn build_path(id: u64, rest: &str) -> String {
    format!("/acme/infra/_apis/build/builds/{id}{rest}?api-version=7.1")
}

async fn poll(ops: &Ops, id: u64) -> (String, String) {
    let (status, body) = ops.find(&run_path(id)).await;
    assert_eq!(status, 200);
    let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
    (text("state"), text("result"))
}

/// Name, state and result of each stage, in their order.
async fn stages(ops: &Ops, id: u64) -> Vec<(String, String, String)> {
    let (status, body) = ops.find(&build_path(id, "/timeline")).await;
    assert_eq!(status, 200);
    let records = body["records"].as_array().unwrap().iter();
    let mut stages: Vec<_> = records.filter(|record| record["type"] == "Stage").collect();
    stages.sort_by_key(|stage| stage["order"].as_u64());
    let text = |stage: &Value, key: &str| stage[key].as_str().unwrap_or("-").to_owned();
    stages.iter().map(|s| (text(s, "name"), text(s, "state"), text(s, "result"))).collect()
}

fn rows(expected: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let own = |text: &str| text.to_owned();
    expected.iter().map(|(a, b, c)| (own(a), own(b), own(c))).collect()
}

#[tokio::test]
async fn each_poll_moves_a_run_on() {
    let ops = Ops::start();
    let id = ops.launch().await;
    assert_eq!(ops.find(&build_path(id, "/timeline")).await, (204, Value::Null));
    for _ in 0..3 {
        assert_eq!(poll(&ops, id).await, ("inProgress".to_owned(), "-".to_owned()));
    }
    assert_eq!(poll(&ops, id).await, ("completed".to_owned(), "succeeded".to_owned()));
    assert_eq!(stages(&ops, id).await, rows(&[("Deploy", "completed", "succeeded")]));
}

#[tokio::test]
async fn stages_run_one_after_the_other_and_decide_the_result() {
    let ops = Ops::start();
    let plan = RunPlan::of_stages([
        ("Plan", Outcome::SucceededWithIssues),
        ("Apply", Outcome::Failed),
        ("Notify", Outcome::Skipped),
    ]);
    ops.azure.plan_next(plan.pace(Pace::ByHand));
    let id = ops.launch().await;
    for _ in 0..4 {
        ops.azure.advance_run(id);
    }
    let issues = ("Plan", "completed", "succeededWithIssues");
    let running = [issues, ("Apply", "inProgress", "-"), ("Notify", "pending", "-")];
    assert_eq!(stages(&ops, id).await, rows(&running));
    assert_eq!(poll(&ops, id).await.0, "inProgress");
    ops.azure.finish_run(id);
    let ended = [issues, ("Apply", "completed", "failed"), ("Notify", "completed", "skipped")];
    assert_eq!(stages(&ops, id).await, rows(&ended));
    assert_eq!(poll(&ops, id).await, ("completed".to_owned(), "failed".to_owned()));
}

#[tokio::test]
async fn a_run_can_have_a_result_of_its_own() {
    let ops = Ops::start();
    ops.azure.plan_next(RunPlan::default().resulting(Outcome::Failed));
    let id = ops.launch().await;
    ops.azure.finish_run(id);
    assert_eq!(poll(&ops, id).await, ("completed".to_owned(), "failed".to_owned()));
}

#[tokio::test]
async fn a_stage_holds_a_phase_a_job_and_a_task() {
    let ops = Ops::start();
    let id = ops.launch().await;
    ops.azure.finish_run(id);
    let (_, body) = ops.find(&build_path(id, "/timeline")).await;
    let records = body["records"].as_array().unwrap();
    let of = |kind: &str| records.iter().find(|record| record["type"] == kind).unwrap();
    assert_eq!(of("Stage")["parentId"], Value::Null);
    for (outer, inner) in [("Stage", "Phase"), ("Phase", "Job"), ("Job", "Task")] {
        assert_eq!(of(inner)["parentId"], of(outer)["id"], "{inner}");
    }
    assert!(of("Stage")["startTime"].is_string() && of("Stage")["finishTime"].is_string());
}

#[tokio::test]
async fn a_cancelled_run_ends_with_the_next_step() {
    let ops = Ops::start();
    let plan = RunPlan::of_stages([("Plan", Outcome::Succeeded), ("Apply", Outcome::Succeeded)]);
    ops.azure.plan_next(plan.pace(Pace::ByHand));
    let id = ops.launch().await;
    ops.azure.advance_run(id);
    ops.azure.advance_run(id);
    let cancel = json!({"status": "cancelling"});
    let (status, build) = ops.send(Method::PATCH, &build_path(id, ""), &cancel).await;
    assert_eq!((status, &build["status"]), (200, &json!("cancelling")));
    assert_eq!(ops.azure.runs()[0].state, RunState::Canceling);
    assert_eq!(poll(&ops, id).await.0, "canceling");
    ops.azure.advance_run(id);
    assert_eq!(poll(&ops, id).await, ("completed".to_owned(), "canceled".to_owned()));
    let ended = [("Plan", "completed", "canceled"), ("Apply", "completed", "skipped")];
    assert_eq!(stages(&ops, id).await, rows(&ended));
    assert_eq!(ops.send(Method::PATCH, &build_path(id, ""), &cancel).await.0, 400);
    assert!(ops.violations().is_empty());
}

#[tokio::test]
async fn another_change_to_a_build_is_a_violation() {
    let ops = Ops::start();
    let id = ops.launch().await;
    for body in [json!({"status": "completed"}), json!({"status": "cancelling", "tags": []})] {
        assert_eq!(ops.send(Method::PATCH, &build_path(id, ""), &body).await.0, 400);
        assert_eq!(ops.violations(), ["the body is not `{\"status\": \"cancelling\"}`"]);
    }
}

#[tokio::test]
async fn unknown_runs_are_not_found() {
    let ops = Ops::start();
    let (status, body) = ops.find(&run_path(1)).await;
    assert_eq!((status, &body["typeKey"]), (404, &json!("BuildNotFoundException")));
    assert_eq!(ops.find(&build_path(1, "/timeline")).await.0, 404);
    let id = ops.launch().await;
    let elsewhere = run_path(id).replace("pipelines/7", "pipelines/8");
    assert_eq!(ops.find(&elsewhere).await.0, 404);
    let other = run_path(id).replace("pipelines/7", "pipelines/9");
    assert_eq!(ops.find(&other).await.1["typeKey"], "RunNotFoundException");
}

#[tokio::test]
async fn a_server_can_ask_to_slow_down() {
    let ops = Ops::start();
    let id = ops.launch().await;
    ops.azure.slow_down(true);
    let request = ops.bare(Method::GET, &run_path(id)).basic_auth("", Some(&ops.token));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "0");
}
