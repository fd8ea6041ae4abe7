use super::*;
use crate::journal::{Config, Journal, Rejection};
use crate::meshstack::wire::{StepStatus, Update};
use crate::prepare::Protection;
use secrecy::SecretString;
use serde_json::json;
use std::fs;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

const SECRET: &str = "correct-horse-battery";

static KEY: LazyLock<Arc<PrivateKey>> = LazyLock::new(|| {
    let pem = include_str!("../../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    Arc::new(PrivateKey::from_pem(&SecretString::from(pem)).unwrap())
});

fn id(name: &str) -> RunId {
    RunId::parse(name).unwrap()
}

fn document(name: &str, sealed: &str) -> String {
    let input = json!({"key": "password", "value": sealed, "type": "STRING", "isSensitive": true, "isEnvironment": false});
    json!({
        "metadata": {"uuid": name},
        "spec": {
            "runNumber": 1, "behavior": "APPLY", "runToken": "the-token-of-the-run",
            "buildingBlock": {"uuid": "block", "spec": {
                "displayName": "A block", "workspaceIdentifier": "tenant", "inputs": [input],
                "parentBuildingBlocks": []}},
            "buildingBlockDefinition": {"uuid": "definition", "spec": {
                "workspaceIdentifier": "owner", "version": 1, "implementation": {"type": "MANUAL"}}}},
        "status": "IN_PROGRESS", "_links": {}
    })
    .to_string()
}

fn step(id: &str, status: StepStatus, message: Option<&str>) -> Step {
    Step {
        id: id.to_owned(),
        display_name: None,
        status,
        user_message: message.map(str::to_owned),
        system_message: None,
        outputs: BTreeMap::new(),
    }
}

fn update() -> Update {
    let steps = vec![
        step("second", StepStatus::Failed, Some("it broke")),
        step("third", StepStatus::Failed, None),
    ];
    Update { steps, summary: Some("A summary.".to_owned()), ..Update::bare(RunStatus::Failed) }
}

/// A state directory with a run in each phase, each named after it.
async fn state() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(state.path(), &KEY, Config::default()).unwrap();
    let sealed = KEY.public().seal_text(SECRET).unwrap();
    for name in ["claimed", "executing", "ended", "rejected", "settled"] {
        let run = journal.of(id(name));
        run.claim(&document(name, &sealed)).written().await.unwrap();
        if name != "claimed" {
            let steps = ["first", "second"].map(|id| step(id, StepStatus::InProgress, None));
            run.steps(steps.into()).await.unwrap();
        }
        if matches!(name, "ended" | "rejected") {
            run.end(update()).await.unwrap();
        }
    }
    journal.of(id("settled")).give_up().await.unwrap();
    let when = SystemTime::now();
    let rejection = Rejection { when, status: Some(410), text: "gone".to_owned() };
    journal.reject(&id("rejected"), update(), rejection).await.unwrap();
    for directory in ["runs/executing/work", "runs/left/work", "kept/kept", "runs/not a run"] {
        fs::create_dir_all(state.path().join(directory)).unwrap();
    }
    state
}

fn found<'a>(inventory: &'a Inventory, name: &str) -> &'a KnownRun {
    inventory.find(name).unwrap()
}

#[tokio::test]
async fn runs_are_found_in_every_phase_and_those_that_are_settled_are_not() {
    let state = state().await;
    let inventory = Inventory::take(state.path(), &KEY).unwrap();
    let phases: Vec<_> = inventory
        .runs
        .iter()
        .map(|run| format!("{}: {:?}", run.id, run.phase).to_lowercase())
        .collect();
    let expected = ["claimed", "ended", "executing", "kept", "left", "rejected"];
    assert_eq!(phases, expected.map(|name| format!("{name}: {name}")));
    assert!(inventory.unreadable.is_empty() && inventory.owner.is_none());
    let run = found(&inventory, "executing");
    assert_eq!(run.directory, Some(state.path().join("runs/executing")));
    assert_eq!(run.run().unwrap().block.tenant, "tenant");
    assert!(run.since.is_some() && found(&inventory, "left").since.is_some());
    assert_eq!(found(&inventory, "kept").copies, [state.path().join("kept/kept")]);
    assert_eq!(found(&inventory, "rejected").rejection().unwrap().status, Some(410));
    let steps = |name| -> Vec<_> {
        let steps = found(&inventory, name).steps().into_iter();
        steps.map(|step| (step.id.clone(), step.status)).collect()
    };
    let (first, second) = ("first".to_owned(), "second".to_owned());
    assert_eq!(
        steps("executing"),
        [(first.clone(), StepStatus::InProgress), (second.clone(), StepStatus::InProgress)]
    );
    assert_eq!(
        steps("rejected"),
        [
            (first, StepStatus::InProgress),
            (second, StepStatus::Failed),
            ("third".to_owned(), StepStatus::Failed)
        ]
    );
}

#[tokio::test]
async fn a_run_is_found_by_how_it_begins_if_only_one_does() {
    let state = state().await;
    let inventory = Inventory::take(state.path(), &KEY).unwrap();
    assert_eq!(found(&inventory, "c").id, id("claimed"));
    for (prefix, expected) in
        [("e", "several runs begin with `e`: ended, executing"), ("x", "no run"), ("", "no run")]
    {
        let error = inventory.find(prefix).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_directory_without_a_daemon_ever_has_no_runs_and_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let inventory = Inventory::take(&place.path().join("state"), &KEY).unwrap();
    assert!(inventory.runs.is_empty());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

fn told(run: &KnownRun, only: Option<&str>) -> String {
    let logs = Logs::of(run, &Protection::Sealed(Arc::clone(&KEY)));
    let mut out = Vec::new();
    let is_any = logs.write(only, &mut out).unwrap();
    assert_eq!(is_any, !out.is_empty());
    String::from_utf8(out).unwrap()
}

/// Lets a program of the run have printed something.
fn print(state: &TempDir, run: &str, operation: &str, text: &str) {
    let directory = state.path().join("runs").join(run).join("operations").join(operation);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("stdout"), text).unwrap();
    fs::write(directory.join("stderr"), "").unwrap();
}

#[tokio::test]
async fn what_programs_have_printed_is_shown_without_secrets() {
    let state = state().await;
    let text = format!("Plan: \u{1b}[1m{SECRET}\u{1b}[0m and the-token-of-the-run, é");
    print(&state, "executing", "0001-apply", &text);
    print(&state, "executing", "0002-outputs", "a secret that nobody knows");
    let inventory = Inventory::take(state.path(), &KEY).unwrap();
    let run = found(&inventory, "executing");
    let expected =
        "--- 0001-apply: output\nPlan: [1m[secret password][0m and [secret run token], é\n";
    assert_eq!(told(run, None), expected);
    assert_eq!(told(run, Some("0001-apply")), expected);
    assert_eq!(told(run, Some("0002-outputs")), "");
}

#[tokio::test]
async fn what_programs_print_is_not_shown_if_it_can_not_be_redacted() {
    let state = state().await;
    print(&state, "left", "0001-apply", SECRET);
    let (journal, _) = Journal::open(state.path(), &KEY, Config::default()).unwrap();
    let claim = document("foreign", "bm90IHNlYWxlZCB0byB1cw==");
    journal.of(id("foreign")).claim(&claim).written().await.unwrap();
    drop(journal);
    print(&state, "foreign", "0001-apply", SECRET);
    let inventory = Inventory::take(state.path(), &KEY).unwrap();
    for (run, why) in [("left", "document is not known"), ("foreign", "can't be told")] {
        let told = told(found(&inventory, run), None);
        assert!(told.contains("[not shown: ") && told.contains(why), "{told}");
        assert!(!told.contains(SECRET), "{told}");
    }
}

#[tokio::test]
async fn messages_of_the_final_status_are_told_by_step() {
    let state = state().await;
    let inventory = Inventory::take(state.path(), &KEY).unwrap();
    let run = found(&inventory, "ended");
    assert_eq!(told(run, None), "--- second: user message\nit broke\n--- summary\nA summary.\n");
    assert_eq!(told(run, Some("second")), "--- second: user message\nit broke\n");
    assert_eq!(told(run, Some("first")), "");
    assert_eq!(told(found(&inventory, "claimed"), None), "");
}
