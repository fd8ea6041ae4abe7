//! A GitHub that has trouble: what is tried again, and what never is.

use super::{Scene, described, github, implementation, order, seen};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{Fault, RunSpec, RunState};
use blockhouse_remotes::github::{Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace};
use std::time::{Duration, SystemTime};

/// More than the component takes: 4 MiB.
const OVERSIZED: u64 = (4 << 20) + 1;

/// Its run stays as it is until a test ends it.
fn patient() -> GitHub {
    let github = github();
    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    github
}

fn finish(github: &GitHub) {
    github.finish_run(github.runs().first().unwrap().id);
}

/// How long after the first request of this route the second one came.
fn pause(github: &GitHub, route: Route) -> Duration {
    let requests = github.requests_of(route);
    let [first, second, ..] = requests.as_slice() else { panic!("{requests:?}") };
    (second.at - first.at).try_into().unwrap()
}

#[tokio::test]
async fn limits_are_waited_for_as_long_as_github_says() {
    let [asked, secondary] = [(); 2].map(|()| github());
    asked.script(Route::Installation, Fault::retry_after(429, "1"), 1);
    asked.script(Route::AccessToken, Fault::retry_after(403, "1"), 1);
    secondary.script(Route::Runs, Fault::Pass, 1);
    let scene = Scene::of(&[&asked, &secondary]).await;
    let ids = [&asked, &secondary].map(|github| {
        github.plan_next(RunPlan::default().pace(Pace::ByHand));
        scene.enqueue(order(github))
    });
    seen(&secondary, Route::Run, 1).await;
    secondary.limit_rate_secondary(Duration::from_secs(1));
    seen(&asked, Route::Run, 1).await;
    for (github, id) in [&asked, &secondary].into_iter().zip(ids) {
        finish(github);
        assert_ended(&scene.ended(&id).await, RunState::Succeeded);
    }
    for route in [Route::Installation, Route::AccessToken] {
        assert!(pause(&asked, route) >= Duration::from_secs(1), "{:?}", asked.requests());
        assert_eq!(asked.count(route), 2);
    }
}

#[tokio::test]
async fn a_limit_that_lasts_is_explained() {
    let github = github();
    let scene = Scene::of(&[&github]).await;
    // Nobody waits for an hour.
    github.script(Route::AccessToken, used_up(3_600), 1);
    let run = scene.execute(order(&github)).await;
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("GitHub has had too many requests of this app"), "{run:#?}");
    assert_eq!((github.count(Route::AccessToken), github.count(Route::Dispatch)), (1, 0));
}

#[tokio::test]
async fn limits_of_searching_and_of_looking_are_waited_for_as_well() {
    let (looking, searching) = (patient(), described().without_run_details().start().unwrap());
    searching.plan_next(RunPlan::default().pace(Pace::ByHand));
    looking.script(Route::Run, Fault::retry_after(429, "1"), 1);
    looking.script(Route::Jobs, Fault::retry_after(403, "1"), 1);
    searching.script(Route::Runs, Fault::retry_after(403, "1"), 1);
    let scene = Scene::of(&[&looking, &searching]).await;
    let omitting = implementation(&searching).omitting_document();
    let ids = [order(&looking), RunSpec::github_workflow(omitting)].map(|spec| scene.enqueue(spec));
    for (github, id) in [&looking, &searching].into_iter().zip(ids) {
        seen(github, Route::Jobs, 2).await;
        finish(github);
        assert_ended(&scene.ended(&id).await, RunState::Succeeded);
    }
    let waited = [(&looking, Route::Run), (&looking, Route::Jobs), (&searching, Route::Runs)];
    for (github, route) in waited {
        assert!(pause(github, route) >= Duration::from_secs(1), "{:?}", github.requests());
    }
}

/// What GitHub answers when a limit is used up that is reset after so many seconds, or one less.
fn used_up(seconds: u64) -> Fault {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let headers = [
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", (now + seconds).to_string()),
    ];
    Fault::Answer {
        status: 403,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: br#"{"message":"API rate limit exceeded for installation ID 4711."}"#.to_vec(),
    }
}

#[tokio::test]
async fn a_limit_that_is_reset_soon_is_waited_for_and_one_that_lasts_is_explained() {
    let [soon, late] = [(); 2].map(|()| patient());
    let scene = Scene::of(&[&soon, &late]).await;
    let ids = [&soon, &late].map(|github| scene.enqueue(order(github)));
    for github in [&soon, &late] {
        seen(github, Route::Jobs, 1).await;
    }
    let before = soon.count(Route::Run);
    soon.script(Route::Run, used_up(3), 1);
    late.limit_rate(Duration::from_secs(3_600));
    let run = scene.ended(&ids[1]).await;
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    for told in ["can't be followed any more", "too many requests of this app", "It goes on: http"]
    {
        assert!(text.contains(told), "`{told}` is not in: {text}");
    }
    assert_eq!(late.count(Route::Dispatch), 1);
    seen(&soon, Route::Run, before + 3).await;
    finish(&soon);
    assert_ended(&scene.ended(&ids[0]).await, RunState::Succeeded);
    let looks = soon.requests_of(Route::Run);
    let limited = looks.iter().position(|look| look.status == Some(403)).unwrap();
    let waited: Duration = (looks[limited + 1].at - looks[limited].at).try_into().unwrap();
    assert!(waited >= Duration::from_secs(1), "{looks:?}");
}

#[tokio::test]
async fn what_only_asks_is_asked_again_and_a_poll_that_fails_is_not_the_end() {
    let [early, polls] = [(); 2].map(|()| patient());
    early.script(Route::Installation, Fault::status(500), 1);
    early.script(Route::Installation, Fault::DropBefore, 1);
    early.script(Route::AccessToken, Fault::TruncatedBody, 1);
    polls.script(Route::Run, Fault::status(503), 1);
    polls.script(Route::Run, Fault::MalformedBody, 1);
    polls.script(Route::Run, Fault::DropAfter, 1);
    // The run can be followed without its jobs.
    polls.script(Route::Jobs, Fault::OversizedBody(OVERSIZED), 1);
    polls.script(Route::Jobs, Fault::status(404), 1);
    let scene = Scene::of(&[&early, &polls]).await;
    let ids = [&early, &polls].map(|github| scene.enqueue(order(github)));
    seen(&early, Route::Run, 1).await;
    finish(&early);
    seen(&polls, Route::Jobs, 3).await;
    finish(&polls);
    for id in ids {
        assert_ended(&scene.ended(&id).await, RunState::Succeeded);
    }
    assert_eq!((early.count(Route::Installation), early.count(Route::Dispatch)), (3, 1));
    assert_eq!(polls.count(Route::Dispatch), 1);
}

#[tokio::test]
async fn answers_that_are_none_end_the_run_with_a_clear_message() {
    let understood = "GitHub has given an answer that can't be understood";
    let cases = [
        (Route::Installation, Fault::MalformedBody, understood),
        (Route::AccessToken, Fault::MalformedBody, understood),
        (Route::Installation, Fault::OversizedBody(OVERSIZED), "The answer of GitHub is too large"),
        (Route::Run, Fault::OversizedBody(OVERSIZED), "The answer of GitHub is too large"),
    ];
    let githubs: Vec<_> = cases.iter().map(|_| github()).collect();
    let scene = Scene::of(&githubs.iter().collect::<Vec<_>>()).await;
    let enqueue = |((route, fault, _), github): (&(Route, Fault, &str), &GitHub)| {
        github.script(*route, fault.clone(), 1);
        scene.enqueue(order(github))
    };
    let ids: Vec<_> = cases.iter().zip(&githubs).map(enqueue).collect();
    for ((route, _, told), id) in cases.into_iter().zip(ids) {
        let run = scene.ended(&id).await;
        assert_ended(&run, RunState::Failed);
        let text = all_text(&run);
        assert!(text.contains(told), "`{told}` is not in: {text}");
        let is_under_way = text.contains("The workflow was dispatched, but can't be followed");
        assert_eq!(is_under_way, route == Route::Run, "{text}");
    }
}

#[tokio::test]
async fn a_dispatch_whose_answer_is_lost_is_not_repeated() {
    let cases = [
        (Fault::DropBefore, 0),
        (Fault::DropAfter, 1),
        (Fault::TruncatedBody, 1),
        (Fault::OversizedBody(OVERSIZED), 1),
        (Fault::status(500), 0),
    ];
    let githubs: Vec<_> = cases.iter().map(|_| github()).collect();
    let scene = Scene::of(&githubs.iter().collect::<Vec<_>>()).await;
    let enqueue = |((fault, _), github): (&(Fault, usize), &GitHub)| {
        github.script(Route::Dispatch, fault.clone(), 1);
        scene.enqueue(order(github))
    };
    let ids: Vec<_> = cases.iter().zip(&githubs).map(enqueue).collect();
    for (((_, runs), github), id) in cases.into_iter().zip(&githubs).zip(ids) {
        let run = scene.ended(&id).await;
        let told = "t is not known whether the workflow was dispatched";
        assert_ended(&run, RunState::Failed);
        assert!(all_text(&run).contains(told), "{run:#?}");
        assert_eq!((github.count(Route::Dispatch), github.runs().len()), (1, runs));
    }
}

#[tokio::test]
async fn a_token_that_expires_during_a_long_poll_is_renewed() {
    let github = patient();
    let scene = Scene::of(&[&github]).await;
    let id = scene.enqueue(order(&github));
    seen(&github, Route::Jobs, 1).await;
    assert_eq!(github.count(Route::AccessToken), 1);
    github.expire_tokens();
    seen(&github, Route::AccessToken, 2).await;
    finish(&github);
    assert_ended(&scene.ended(&id).await, RunState::Succeeded);
    assert_eq!((github.count(Route::AccessToken), github.count(Route::Dispatch)), (2, 1));
}
