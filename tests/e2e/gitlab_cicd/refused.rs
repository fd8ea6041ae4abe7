//! What GitLab refuses, and what goes wrong on the way.

use super::{Scene, TOKEN, component, gitlab};
use crate::emulator;
use blockhouse_emulator::{GitlabCicd, InputType, RunSpec};
use blockhouse_remotes::gitlab::{Project, Route, retry_later};
use blockhouse_remotes::{Fault, GitLab};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use serde_json::json;

const UNCLEAR: &str = "not known whether the pipeline was triggered";

#[tokio::test]
async fn what_gitlab_refuses_is_told_in_words() {
    let idle = Project::new(44, "acme/idle", TOKEN).reference("main").without_jobs();
    let gitlab = GitLab::builder()
        .project(Project::new(42, "acme/infra", TOKEN).reference("main"))
        .project(idle)
        .start()
        .unwrap();
    let scene = Scene::of(gitlab).await;
    let of = |implementation| RunSpec::gitlab_cicd(implementation);
    let base = super::address(&scene.gitlab);
    let undeclared = scene.spec().input("size", InputType::Integer, json!(3));
    for (spec, says) in [
        (of(GitlabCicd::of(&*base, json!("acme/other"), TOKEN)), "`projectId`"),
        (of(GitlabCicd::of(&*base, json!(42), "glptt-of-another")), "trigger token"),
        (of(scene.implementation().reference("gone")), "Reference not found"),
        (undeclared, "Given inputs not defined in the `spec` section"),
        (of(GitlabCicd::of(&*base, json!(44), TOKEN)), "Pipeline will not run"),
    ] {
        let text = scene.refuse(spec).await;
        assert!(text.contains(says), "`{says}` is not in: {text}");
    }
    scene.gitlab.require_verification(true);
    let text = scene.refuse(scene.spec()).await;
    assert!(text.contains("verify their identity"), "{text}");
    assert_eq!(scene.triggers(), 6, "each was sent once");
    assert!(scene.gitlab.pipelines().is_empty());
}

/// An answer of GitLab's own.
fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

#[tokio::test]
async fn gitlabs_own_message_is_passed_on_whatever_its_form() {
    let scene = Scene::start().await;
    for (status, body, says) in [
        (403, r#"{"message":"403 Forbidden"}"#, "403 Forbidden"),
        (400, r#"{"error":"ref is missing, ref is empty"}"#, "ref is missing, ref is empty"),
        (409, r#"{"message":["one","two"]}"#, "one; two"),
        (422, r#"{"message":{"base":["a thing"],"ref":["is odd"]}}"#, "a thing; ref: is odd"),
        (401, r#"{"error":"invalid_token","error_description":"Revoked.\nNow."}"#, "Revoked. Now."),
        (418, "<html>I'm a teapot</html>", "status 418"),
    ] {
        scene.gitlab.script(Route::Trigger, answer(status, body), 1);
        let text = scene.refuse(scene.spec()).await;
        assert!(text.contains(says), "`{says}` is not in: {text}");
    }
    assert_eq!(scene.triggers(), 6);
}

#[tokio::test]
async fn a_trigger_is_sent_once_whatever_becomes_of_it() {
    let scene = Scene::start().await;
    for (fault, says) in [
        (retry_later(1), "too many requests"),
        (Fault::status(500), UNCLEAR),
        (Fault::status(502), UNCLEAR),
        (Fault::retry_after(503, "1"), UNCLEAR),
        (Fault::DropBefore, UNCLEAR),
        (Fault::DropAfter, UNCLEAR),
        (Fault::TruncatedBody, UNCLEAR),
        (Fault::MalformedBody, "not known whether the pipeline was triggered"),
        (Fault::OversizedBody(5 << 20), UNCLEAR),
        (answer(201, r#"{"id":"seven"}"#), "`gitlabBaseUrl`"),
        (answer(200, "<html>Sign in</html>"), "`gitlabBaseUrl`"),
    ] {
        let before = scene.triggers();
        let what = format!("{fault:?}");
        scene.gitlab.script(Route::Trigger, fault, 1);
        let text = scene.refuse(scene.spec()).await;
        assert!(text.contains(says), "{what}: {text}");
        assert_eq!(scene.triggers(), before + 1, "{what}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = gitlab();
    let scene = Scene::start().await;
    let to = format!("{}/api/v4/projects/42/trigger/pipeline", elsewhere.url());
    for status in [301, 302, 307, 308] {
        scene.gitlab.script(Route::Trigger, Fault::redirect(status, &to), 1);
        let text = scene.refuse(scene.spec()).await;
        assert!(text.contains("`gitlabBaseUrl`") && text.contains(&to), "{text}");
    }
    assert_eq!((scene.triggers(), elsewhere.requests().len()), (4, 0));
}

#[tokio::test]
async fn a_definition_that_lacks_something_is_told_which_field() {
    let scene = Scene::start().await;
    for (field, value) in [
        ("gitlabBaseUrl", json!("ftp://gitlab.example")),
        ("gitlabBaseUrl", json!("https://user:hunter2-hunter2@gitlab.example")),
        ("projectId", json!("")),
        ("refName", json!(null)),
    ] {
        let spec = RunSpec::gitlab_cicd(scene.implementation().field(field, value));
        let text = scene.refuse(spec).await;
        assert!(text.contains(&format!("`{field}`")) && !text.contains("hunter2"), "{text}");
    }
    assert_eq!(scene.triggers(), 0);
}

/// Loopback is no public network, and http is not https.
#[tokio::test]
async fn as_it_is_shipped_the_policy_reaches_neither_private_networks_nor_http() {
    let gitlab = gitlab();
    let emulator = emulator().await;
    let shipped = ShippedPolicy::named("gitlab-cicd").unwrap();
    let runner = blockhouse_tests::Runner::builder().component(component(&shipped));
    let runner = runner.start(&emulator).unwrap();
    let scene = Scene { runner, emulator, gitlab };
    let (http, https) = (super::address(&scene.gitlab), "https://localhost");
    for base in [&*http, https] {
        let spec = RunSpec::gitlab_cicd(GitlabCicd::of(base, json!(42), TOKEN));
        let text = scene.refuse(spec).await;
        assert!(text.contains("is not allowed to talk to GitLab"), "{text}");
    }
    assert_eq!(scene.gitlab.connections(), 0);
}

#[tokio::test]
async fn a_gitlab_that_is_not_there_is_told() {
    // Bound, so that nobody else gets the port, and never listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let policy = ShippedPolicy::named("gitlab-cicd").unwrap().at_localhost("http", &[port]);
    let scene = Scene::under(gitlab(), &policy).await;
    let base = format!("http://localhost:{port}");
    let text = scene.refuse(RunSpec::gitlab_cicd(GitlabCicd::of(base, json!(42), TOKEN))).await;
    assert!(text.contains("can't be reached, and nothing was sent"), "{text}");
}
