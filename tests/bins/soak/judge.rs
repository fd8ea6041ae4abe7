//! Whether a run has ended as it should.

use crate::orders::Ordered;
use blockhouse_emulator::{Behavior, RunState, RunView, Status};
use blockhouse_tests::{AllTypes, Kind};

/// What a run says whose daemon was killed while a request was under way that must not be repeated.
const HONEST: &str = "may have been carried out";

/// What is wrong with a run that has ended. `kills`: daemons that were killed by now.
pub(crate) fn judge(run: &RunView, ordered: &Ordered, all: &AllTypes, kills: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_lost = run.state == RunState::TimedOut;
    if is_lost && (run.registered || run.updates > 0) {
        wrong.push("it timed out although its runner knew of it".to_owned());
    }
    let by_us = u64::from(!is_lost && ordered.kind != Kind::Gitlab);
    let is_once = run.terminal_updates == by_us
        // A run that is handed over and fails before is ended by us.
        || (ordered.kind == Kind::Gitlab && run.state == RunState::Failed && run.terminal_updates == 1);
    if !is_once {
        wrong.push(format!("{} final statuses", run.terminal_updates));
    }
    let is_open = |status| matches!(status, Status::InProgress | Status::Pending);
    if !is_lost && run.steps.iter().any(|step| is_open(step.status)) {
        wrong.push(format!("open steps: {:?}", run.timeline()));
    }
    wrong.extend(all.leaks_in(run));
    let effects = all.effects(ordered.kind, &run.id);
    if effects > 1 {
        wrong.push(format!("{effects} pipelines were started"));
    }
    match run.state {
        RunState::Succeeded => {
            if !matches!(ordered.block, Some((_, Behavior::Destroy))) {
                wrong.extend(all.wrong_outputs(ordered.kind, run, ordered.size));
            }
            let acts = matches!(ordered.kind, Kind::Azure | Kind::Github | Kind::Gitlab);
            if acts && effects != 1 {
                wrong.push("no pipeline was started".to_owned());
            }
            if let Some((plot, behavior)) = &ordered.block {
                let applied = (*behavior == Behavior::Apply).then_some(ordered.size);
                wrong.extend(all.wrong_state(&plot.block, applied));
            }
        }
        RunState::Failed if !may_fail(run, ordered, kills) => {
            wrong.push("it failed, and nothing happened to it".to_owned());
        }
        RunState::Failed | RunState::TimedOut => {}
        other => wrong.push(format!("it is {other}")),
    }
    if let Some((plot, _)) = &ordered.block {
        // Nobody can know what a Terraform has done that was killed; its run says so.
        wrong.extend(plot.compare(all, ordered.was_hit));
    }
    wrong
}

/// Failing is honest if Terraform or its shim was killed, and if a request may have been carried out that nobody has seen the answer of.
fn may_fail(run: &RunView, ordered: &Ordered, kills: usize) -> bool {
    if ordered.was_hit {
        return true;
    }
    let text = text(run);
    let is_remote = matches!(ordered.kind, Kind::Azure | Kind::Github | Kind::Gitlab);
    let is_honest = text.contains(HONEST);
    // Terraform itself gives up on a state backend that answers with errors for too long, or breaks off its answers.
    let is_backend = ordered.kind == Kind::Terraform && is_about_state(&text);
    (is_remote && kills > ordered.kills_before && is_honest) || is_backend
}

fn is_about_state(text: &str) -> bool {
    [
        "state lock",
        "state data",
        "saving state",
        "loading state",
        "save state",
        "load state",
        "unexpected eof",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// All that a run says, in lower case.
pub(crate) fn text(run: &RunView) -> String {
    let steps = run.steps.iter().flat_map(|step| [&step.user_message, &step.system_message]);
    let texts = steps.chain([&run.summary]).flatten().map(String::as_str);
    texts.collect::<Vec<_>>().join("\n").to_lowercase()
}
