//! What a run does from its sources to its outputs.

mod backends;
mod scripts;
mod sources;
#[cfg(unix)]
mod ssh;

use super::scene;
use crate::assert_ended;
use blockhouse_emulator::{
    Behavior, InputType, OutputType, RunSpec, RunState, RunView, StateAddress, Status,
};
use blockhouse_tests::patience;
use blockhouse_tests::terraform::{Module, Scene};
use serde_json::json;
use uuid::Uuid;

const STEPS: [&str; 6] = ["sources", "input", "init_tf", "pre_run_script", "execute_tf", "output"];

fn names(run: &RunView) -> Vec<&str> {
    run.steps.iter().map(|step| step.display_name.as_str()).collect()
}

/// The log of this step has these words.
#[track_caller]
fn logged(run: &RunView, step: &str, words: &str) {
    assert!(run.log(step).contains(words), "no `{words}` in: {}", run.log(step));
}

/// The run has failed in this step for a reason with these words: those before have succeeded, those behind say why they were not
/// executed.
#[track_caller]
fn assert_failed_in(run: &RunView, step: &str, words: &str) {
    assert_ended(run, RunState::Failed);
    let at = run.steps.iter().position(|other| other.id == step).unwrap();
    for (index, step) in run.steps.iter().enumerate() {
        let expected = if index < at { Status::Succeeded } else { Status::Failed };
        assert_eq!(step.status, expected, "{}: {run:#?}", step.id);
        if index > at {
            assert!(run.log(&step.id).contains("an earlier step failed"), "{run:#?}");
        }
    }
    let told = format!("{}\n{}", run.told(step), run.log(step));
    assert!(told.contains(words), "no `{words}` in {told}");
}

fn address(run: &RunView) -> &StateAddress {
    run.state_address.as_ref().unwrap()
}

fn resources(scene: &Scene, run: &RunView) -> Vec<String> {
    let state = scene.emulator.terraform_state(address(run));
    state.map(|state| state.resources().into_iter().collect()).unwrap_or_default()
}

#[tokio::test]
async fn every_behaviour_has_its_steps_in_their_order_and_each_its_own_log() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let spec = scene.spec();
    let detect = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    let apply = scene.execute(spec.clone()).await.unwrap();
    assert_eq!(resources(&scene, &apply), ["terraform_data.one"]);
    let destroy = scene.execute(spec.behavior(Behavior::Destroy)).await.unwrap();
    assert_eq!(resources(&scene, &apply), [""; 0]);
    let runs = [(&detect, "Plan", 5), (&apply, "Apply", 6), (&destroy, "Destroy", 6)];
    for (run, verb, count) in runs {
        assert_ended(run, RunState::Succeeded);
        let expected: Vec<_> = STEPS.map(|id| (id, Status::Succeeded)).into();
        assert_eq!(Some(run.timeline().as_slice()), expected.get(..count));
        let expected = [
            "Prepare Run and download Sources".to_owned(),
            "Initialize Inputs".to_owned(),
            "Initialize Terraform and select Workspace".to_owned(),
            "Execute Pre-Run Script".to_owned(),
            format!("Run Terraform {verb}"),
            "Collect Outputs and clean up".to_owned(),
        ];
        assert_eq!(names(run), expected.get(..count).unwrap());
        // What belongs to one step is in no other.
        for (step, words) in [
            ("sources", "checked out"),
            ("init_tf", "successfully initialized"),
            ("execute_tf", "Terraform "),
        ] {
            logged(run, step, words);
        }
        let others = ["input", "init_tf", "pre_run_script", "execute_tf"];
        assert!(!others.iter().any(|step| run.log(step).contains("checked out")), "{run:#?}");
        assert!(!run.log("execute_tf").contains("successfully initialized"), "{run:#?}");
    }
}

#[tokio::test]
async fn a_failure_fails_the_later_steps_which_say_so() {
    let good = Module::new().resource("one");
    let mut scene = scene(&good).await;
    let run = scene.execute(RunSpec::terraform(scene.terraform().reference("nowhere"))).await;
    assert_failed_in(&run.unwrap(), "sources", "nowhere");
    let run = scene.execute(RunSpec::terraform(scene.terraform().version("v1"))).await;
    assert_failed_in(&run.unwrap(), "sources", "`terraformVersion`");
    let spec = scene.spec().file_input("../x", b"x");
    assert_failed_in(&scene.execute(spec).await.unwrap(), "input", "../x");
    let script = RunSpec::terraform(scene.terraform().pre_run_script("exit 7"));
    let run = scene.execute(script).await.unwrap();
    assert_failed_in(&run, "pre_run_script", "pre-run script failed with exit code 7");
    scene.commit(&good.clone().resource_that_fails("two", 3, &["one"])).unwrap();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_failed_in(&run, "execute_tf", "Terraform apply failed with exit code 1");
    logged(&run, "execute_tf", "two fails");
    assert!(resources(&scene, &run).contains(&"terraform_data.one".to_owned()), "state is lost");
    scene.commit(&good.hcl("resource \"terraform_data\" \"x\" { nonsense = 1 }")).unwrap();
    let run = scene.execute(scene.spec().behavior(Behavior::Detect)).await.unwrap();
    assert_failed_in(&run, "execute_tf", "Terraform plan failed with exit code 1");
    logged(&run, "execute_tf", "nonsense");
}

#[tokio::test]
async fn a_run_whose_outputs_can_not_be_told_does_not_say_beside_its_status_that_all_is_well() {
    let kib = "join(\"\", [for i in range(64) : \"0123456789abcdef\"])";
    let large = format!("join(\"\", [for i in range(1024) : join(\"\", [{kib}, {kib}])])");
    let mut scene = scene(&Module::new().resource("one").output("large", &large)).await;
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_failed_in(&run, "output", "outputs");
    assert!(run.told("execute_tf").contains("was applied"), "{run:#?}");
    let summary = run.summary.as_deref().unwrap_or_default();
    assert!(summary.contains("outputs"), "{summary}");
}

#[tokio::test]
async fn asynchronous_runs_have_one_step_and_are_ended_by_others() {
    let module = Module::new().resource("one").output("x", "1");
    let module = module.resource_unmade_by("two", "echo two is destroyed", &[]);
    let mut scene = scene(&module).await;
    let spec = RunSpec::terraform(scene.terraform().asynchronous());
    for behavior in [Behavior::Apply, Behavior::Destroy] {
        // A destroy applies first: it is a block of its own.
        let spec = spec.clone().behavior(behavior).block(Uuid::new_v4());
        let id = scene.emulator.enqueue(spec);
        let Scene { emulator, daemon, .. } = &mut scene;
        let handed_over = emulator.wait_until(patience(), |view| {
            let run = view.run(&id);
            let first = run.as_ref().and_then(|run| run.steps.first());
            first.is_some_and(|step| matches!(step.status, Status::Succeeded | Status::Failed))
        });
        daemon.as_mut().unwrap().until(handed_over).await.unwrap().unwrap();
        let run = scene.emulator.run(&id).unwrap();
        assert_eq!(run.timeline(), [("trigger", Status::Succeeded)]);
        assert_eq!(names(&run), ["Prepare Run"]);
        assert_eq!((run.state, run.terminal_updates), (RunState::InProgress, 0));
        let log = run.log("trigger");
        assert!(log.contains("Apply complete! Resources: 2 added"), "{log}");
        let is_destroy = behavior == Behavior::Destroy;
        assert_eq!(log.contains("Destroy complete! Resources: 2 destroyed"), is_destroy, "{log}");
        assert_eq!(log.contains("two is destroyed"), is_destroy, "{log}");
        assert_eq!(run.output("x").is_some(), !is_destroy);
        scene.emulator.finish_from_outside(&id, true);
        assert_eq!(scene.emulator.run(&id).unwrap().state, RunState::Succeeded);
    }
    let run = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.timeline(), [("trigger", Status::Succeeded)]);
    assert_eq!(run.changes_detected, Some(true));
    let failing = scene.terraform().asynchronous().pre_run_script("exit 1");
    let run = scene.execute(RunSpec::terraform(failing)).await.unwrap();
    assert_ended(&run, RunState::Failed);
    assert_eq!(run.timeline(), [("trigger", Status::Failed)]);
}

#[tokio::test]
async fn a_dry_runs_plan_is_applied_exactly_and_a_stale_one_is_not() {
    let module = Module::new().hcl(
        "variable \"name\" {}\nresource \"terraform_data\" \"one\" {\n  input = var.name\n}\n\
         output \"made\" {\n  value = terraform_data.one.output\n}",
    );
    let mut scene = scene(&module).await;
    let named = |name: &str| {
        let spec = scene.spec().block(block());
        spec.input("name", InputType::String, json!(name))
    };
    let spec = named("first");
    let detect = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    assert_ended(&detect, RunState::Succeeded);
    assert_eq!((detect.changes_detected, detect.artifact.is_some()), (Some(true), true));
    assert!(resources(&scene, &detect).is_empty(), "a dry run has made something");
    let stale = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    let applied = scene.execute(spec.clone().applying_plan_of(detect.id)).await.unwrap();
    assert_ended(&applied, RunState::Succeeded);
    assert_eq!(applied.output("made").unwrap().value, json!("first"));
    let log = applied.log("execute_tf");
    assert!(!log.contains("Terraform will perform"), "it was planned anew: {log}");

    let run = scene.execute(spec.clone().applying_plan_of(stale.id)).await.unwrap();
    assert_failed_in(&run, "execute_tf", "Please run the dry run again");
    assert!(run.told("execute_tf").contains("Something has changed"), "{run:#?}");

    let nothing = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    assert_eq!((nothing.changes_detected, nothing.artifact.is_some()), (Some(false), true));

    // There is no such run, so meshStack answers 404.
    let run = scene.execute(spec.applying_plan_of(Uuid::new_v4())).await.unwrap();
    assert_failed_in(&run, "execute_tf", "Please run the dry run again");
    assert!(run.told("execute_tf").contains("does not have the plan"), "{run:#?}");
}

fn block() -> Uuid {
    Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888)
}

#[tokio::test]
async fn a_plan_is_applied_although_the_sources_have_changed_since() {
    let made = |what: &str| {
        let input = format!("resource \"terraform_data\" \"one\" {{\n  input = \"{what}\"\n}}");
        Module::new().hcl(&input).output("made", "terraform_data.one.output")
    };
    let mut scene = scene(&made("reviewed")).await;
    let spec = scene.spec();
    let detect = scene.execute(spec.clone().behavior(Behavior::Detect)).await.unwrap();
    scene.commit(&made("not reviewed")).unwrap();
    let run = scene.execute(spec.applying_plan_of(detect.id)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("made").unwrap().value, json!("reviewed"));
}

#[tokio::test]
async fn outputs_have_types_and_numbers_are_not_rounded() {
    let long = "123456789012345678901234567890";
    let cases = [
        ("whole", "42", OutputType::Integer, json!(42)),
        ("negative", "-42", OutputType::Integer, json!(-42)),
        ("exact", "9007199254740993", OutputType::Integer, json!(9_007_199_254_740_993_u64)),
        ("fraction", "1.5", OutputType::Code, json!("1.5")),
        ("tiny", "0.1234567890123456789", OutputType::Code, json!("0.1234567890123456789")),
        ("yes", "true", OutputType::Boolean, json!(true)),
        ("text", "\"<a> & \\\"b\\\"\"", OutputType::String, json!("<a> & \"b\"")),
        ("list", "[1, \"<x>\"]", OutputType::Code, json!("[\n  1,\n  \"<x>\"\n]")),
        (
            "object",
            "{ a = { b = 1.50 } }",
            OutputType::Code,
            json!("{\n  \"a\": {\n    \"b\": 1.5\n  }\n}"),
        ),
        ("nothing", "{}", OutputType::Code, json!("{}")),
        ("inside", "[null]", OutputType::Code, json!("[\n  null\n]")),
    ];
    let module = cases.iter().fold(Module::new(), |module, (name, expression, ..)| {
        let module = module.output(name, expression);
        module.hcl(&format!(
            "output \"secret_{name}\" {{\n  value = {expression}\n  sensitive = true\n}}"
        ))
    });
    let module = module.output("absent", "null").output("long", long);
    let mut scene = scene(&module).await;
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    for (name, _, kind, value) in cases {
        let output = run.output(name).unwrap();
        assert_eq!((output.kind, &output.value), (kind, &value), "{name}");
        assert!(!output.is_sensitive, "{name}");
        let output = run.output(&format!("secret_{name}")).unwrap();
        assert_eq!((output.kind, &output.value), (kind, &value), "secret {name}");
        assert!(output.is_sensitive, "{name}");
    }
    assert!(run.output("absent").is_none());
    // More than any integer type of meshStack's clients holds: as text, digit for digit.
    let output = run.output("long").unwrap();
    assert_eq!((output.kind, &output.value), (OutputType::Code, &json!(long)));
    let detect = scene.execute(scene.spec().behavior(Behavior::Detect)).await.unwrap();
    assert!(detect.outputs().is_empty());
    let destroy = scene.execute(scene.spec().behavior(Behavior::Destroy)).await.unwrap();
    assert!(destroy.outputs().is_empty());
}
