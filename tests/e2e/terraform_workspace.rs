//! The verbs of a workspace with the real Terraform, supervised by the real shim, against a state backend that can be told to fail.

mod locks;
mod states;
mod world;

use blockhouse::outcome::AbortReason;
use blockhouse::terraform::{
    OperationError, OutputShape, OutputValue, StateFate, StopReason, open_sealed,
};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use world::*;

const RESOURCE: &str = "variable \"v\" {\n default = \"x\"\n}\nresource \"terraform_data\" \"x\" {\n input = var.v\n}\n";

async fn wait_for(what: impl Fn() -> bool) {
    for _ in 0..600 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_applied_told_and_destroyed() {
    let world = World::new();
    let body = format!(
        "{RESOURCE}output \"big\" {{ value = 123456789012345678901234567890 }}\noutput \"none\" {{ value = null }}\noutput \"half\" {{ value = 0.5 }}\noutput \"secret\" {{\n value = \"hunter2\"\n sensitive = true\n}}\noutput \"list\" {{ value = [1, \"<&>\"] }}\n"
    );
    let mut workspace = world.ready("run-1", false, &world.configuration(&body)).await;
    assert!(workspace.plan().await.unwrap());
    assert!(workspace.take_plan(1 << 20).await.unwrap().len() > 100);
    assert!(matches!(workspace.take_plan(10).await, Err(OperationError::Invalid(_))));
    workspace.apply().await.unwrap();
    let outputs: BTreeMap<_, _> =
        workspace.outputs().await.unwrap().into_iter().map(|o| (o.name.clone(), o)).collect();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["big", "half", "list", "secret"]);
    // More than meshStack takes for an integer.
    assert_eq!(outputs["big"].shape, OutputShape::Number);
    let OutputValue::Json(text) = &outputs["big"].value else { panic!() };
    assert_eq!(text, "123456789012345678901234567890");
    let OutputValue::Secret(text) = &outputs["secret"].value else { panic!() };
    assert_eq!(text.expose_secret(), "hunter2");
    assert!(!workspace.plan().await.unwrap());
    workspace.destroy().await.unwrap();
    assert!(world.backend.with(|kept| kept.lock.is_none()));
    assert!(world.log().contains("Apply complete") && world.log().contains("Destroy complete"));

    assert!(!world.log().contains("hunter2"));
    assert_eq!(workspace.in_flight().report().unwrap().state, StateFate::Saved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_applied_exactly_and_a_stale_one_is_refused() {
    let mut world = World::new();
    let main = world.configuration(RESOURCE);
    let plan = {
        let mut workspace = world.ready("detect", false, &main).await;
        assert!(workspace.plan().await.unwrap());
        workspace.take_plan(1 << 20).await.unwrap().to_vec()
    };
    world.plan = Some(plan);
    for (run, works) in [("apply-1", true), ("apply-2", false)] {
        let mut workspace = world.ready(run, false, &main).await;
        assert!(workspace.has_plan());
        workspace.fetch_plan().await.unwrap();
        let answer = workspace.apply_plan().await;
        assert!(!world.root(run).join("plan/fetched").exists());
        if works {
            answer.unwrap();
        } else {
            let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
            assert!(failure.diagnostics.contains("stale"), "{}", failure.diagnostics);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_taken_is_on_the_disk_as_it_was_sealed() {
    let world = World::new();
    let main = world.configuration(RESOURCE);
    let mut workspace = world.ready("run-1", false, &main).await;
    assert!(workspace.plan().await.unwrap());
    let plan = workspace.take_plan(1 << 20).await.unwrap();
    let directory = world.root("run-1").join("plan");
    let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
    let [left] = left.as_slice() else { panic!("{left:?}") };
    let sealed = fs::read(left.path()).unwrap();
    assert!(plan.starts_with(b"PK") && !sealed.windows(16).any(|part| part == &plan[..16]));
    // A resumed run has it once more, without planning again.
    drop(workspace);
    let mut workspace = world.ready("run-1", true, &main).await;
    assert!(workspace.plan().await.unwrap());
    assert_eq!(workspace.take_plan(1 << 20).await.unwrap(), plan);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_can_not_be_written_is_kept_and_pushed_again() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    world.backend.with(|kept| kept.refuse_writes = 3);
    let answer = workspace.apply().await;
    let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?} {}", world.log()) };
    assert_eq!(failure.state, StateFate::Saved, "{}", world.log());
    assert!(world.backend.with(|kept| kept.state.is_some() && kept.lock.is_none()));
    assert!(!world.root("run-1").join("work/errored.tfstate").exists());
    assert_eq!(fs::read_dir(world.place.path().join("quarantine")).unwrap().count(), 0);
    // A resumed run comes to the same answer, from the same files.
    drop(workspace);
    let mut workspace = world.ready("run-1", true, &world.configuration(RESOURCE)).await;
    let again = workspace.apply().await;
    let Err(OperationError::Failed(again)) = again else { panic!("{again:?}") };
    assert_eq!(again, failure);

    // And if it can't be pushed at all, it is kept, sealed.
    let world = World::new();
    let mut workspace = world.ready("run-2", false, &world.configuration(RESOURCE)).await;
    world.backend.with(|kept| kept.refuse_writes = 1000);
    let answer = workspace.apply().await;
    let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
    let StateFate::NotSaved(text) = &failure.state else { panic!("{:?}", failure.state) };
    let kept = fs::read_dir(world.place.path().join("quarantine")).unwrap().next().unwrap();
    let kept = kept.unwrap().path();
    assert!(text.contains(kept.to_str().unwrap()), "{text}");
    let state = open_sealed(&kept, &key()).unwrap();
    assert!(String::from_utf8_lossy(&state).contains("terraform_data"));
    assert!(workspace.in_flight().report().unwrap().state == failure.state);
}

const SLOW: &str = "resource \"terraform_data\" \"x\" {\n provisioner \"local-exec\" {\n  command = \"sleep 30\"\n }\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_interrupts_once_and_the_state_is_saved() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(SLOW)).await;
    let flight = workspace.in_flight();
    let apply = tokio::spawn(async move { (workspace.apply().await, workspace) });
    wait_for(|| world.log().contains("Provisioning")).await;
    world.abort.abort(AbortReason::ByUser);
    let (answer, mut workspace) = apply.await.unwrap();
    let Err(OperationError::Cancelled(cancelled)) = answer else { panic!("{answer:?}") };
    assert_eq!(cancelled.reason, StopReason::ByUser);
    assert_eq!(cancelled.state, StateFate::Saved, "{}", world.log());
    assert!(cancelled.message.contains("interrupted once"), "{}", cancelled.message);
    assert_eq!(cancelled.lock, None);
    assert!(world.backend.with(|kept| kept.lock.is_none() && kept.state.is_some()));
    flight.settled().await;
    assert!(matches!(workspace.plan().await, Err(OperationError::Cancelled(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_a_dead_process_is_released_only_if_policy_allows() {
    for releases in [true, false] {
        let mut world = World::new();
        if !releases {
            world.policy = ALL.replace("release_locks = true", "release_locks = false");
        }
        let mut workspace = world.ready("run-1", false, &world.configuration(SLOW)).await;
        let apply = tokio::spawn(async move { (workspace.apply().await, workspace) });
        wait_for(|| world.log().contains("Provisioning")).await;
        kill(&world.root("run-1").join("work"));
        let (answer, _workspace) = apply.await.unwrap();
        let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
        assert_eq!(failure.exit_code, None);
        assert!(matches!(failure.state, StateFate::Unknown(_)), "{failure:?}");
        let lock = _workspace.in_flight().report().unwrap().lock;
        assert_eq!(lock.is_none(), releases, "{}", world.log());
        assert_eq!(world.backend.with(|kept| kept.lock.is_none()), releases, "{}", world.log());
        let evidence = world.place.path().join("locks/block.json");
        assert_eq!(evidence.exists(), !releases);
        if !releases {
            // A later run of the block can prove it, too, and may have leave.
            drop(_workspace);
            world.policy = ALL.to_owned();
            let mut workspace = world.ready("run-2", false, &world.configuration(RESOURCE)).await;
            workspace.apply().await.unwrap();
            assert!(!evidence.exists());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_one_is_never_released() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    let lock = "{\"ID\":\"5d5e30c8-82bd-b9a0-0835-a687c4c2d502\",\"Operation\":\"OperationTypeApply\",\"Who\":\"root@vm\"}";
    world.backend.with(|kept| kept.lock = Some(lock.to_owned()));
    let answer = workspace.apply().await;
    let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.state, StateFate::Untouched);
    assert!(failure.diagnostics.contains("5d5e30c8"));
    assert!(world.backend.with(|kept| kept.lock.is_some()));
}

/// Kills the Terraform that works in a directory.
fn kill(work: &Path) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let is_there = fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == work);
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        if is_there && line.starts_with(b"/usr/local/bin/terraform") {
            let pid = entry.file_name().into_string().unwrap().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            return;
        }
    }
    panic!("there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_run_is_answered_from_its_records_and_waits_for_what_is_running() {
    let world = World::new();
    let main = world.configuration(&SLOW.replace("30", "3"));
    let mut workspace = world.ready("run-1", false, &main).await;
    assert_eq!(workspace.keep("first").await.unwrap(), "first");
    // The call is dropped in the middle of it.
    let apply = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::select! {
            answer = workspace.apply() => panic!("{answer:?}"),
            () = wait_for(|| world.log().contains("Provisioning")) => {}
        }
    });
    apply.await.unwrap();
    workspace.in_flight().settled().await;
    drop(workspace);
    fs::write(world.root("run-1").join("work/main.tf"), "changed by a script").unwrap();
    let before = world.backend.with(|kept| kept.requests.len());
    let mut workspace = world.ready("run-1", true, &main).await;

    assert_eq!(workspace.keep("second").await.unwrap(), "first");
    workspace.apply().await.unwrap();
    assert_eq!(world.backend.with(|kept| kept.requests.len()), before);
    let text = fs::read_to_string(world.root("run-1").join("work/main.tf")).unwrap();
    assert_eq!(text, "changed by a script");
    // Another call than the recorded one is an honest fault.
    drop(workspace);
    let mut workspace = world.ready("run-1", true, &main).await;
    assert!(matches!(workspace.plan().await, Err(OperationError::Fault(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_meshstack_and_nowhere_else() {
    let mut world = World::new();
    world.meshstack = true;
    let other = Backend::start();
    let init = async |run: &str, backend: String| {
        let mut workspace = world.enter(run, false).await;
        workspace.install("1.11.4").await.unwrap();
        let main = format!("terraform {{\n{backend}\n}}\n{RESOURCE}");
        workspace.write_file("main.tf", Zeroizing::new(main.into_bytes())).await.unwrap();
        let answer = workspace.init(true, false).await;
        (answer, workspace)
    };
    let (answer, mut workspace) =
        init("run-1", format!("backend \"http\" {{\n address = \"{}/other\"\n }}", other.address))
            .await;
    answer.unwrap();
    workspace.apply().await.unwrap();
    drop(workspace);
    let requests = world.backend.with(|kept| kept.requests.clone());
    assert!(requests.iter().all(|r| r.contains("/state") && r.contains("Basic ")), "{requests:?}");
    let (answer, _) = init("run-2", String::new()).await;
    assert!(matches!(answer, Err(OperationError::Invalid(_))), "{answer:?}");
    let locks = format!(
        "backend \"http\" {{\n address = \"x\"\n lock_address = \"{}\"\n }}",
        other.address
    );
    let (answer, _) = init("run-3", locks).await;
    assert!(matches!(answer, Err(OperationError::Invalid(_))), "{answer:?}");
    assert_eq!(other.with(|kept| kept.requests.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_have_their_document_and_leave_a_message_even_when_they_fail() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    workspace.set_environment("TOKEN", SecretString::from("abc")).unwrap();
    let script = "echo \"$1 $(cat) $TOKEN ${TF_HTTP_PASSWORD-none} $(pwd)\"\r\nwhich terraform\necho ' told ' > \"$MESHSTACK_USER_MESSAGE\"\n";
    assert_eq!(workspace.run_script(script).await.unwrap().as_deref(), Some("told"));
    let work = world.root("run-1").join("work");
    let expected = format!("APPLY {{\"document\":1}} abc none {}\n", work.display());
    assert!(world.log().contains(&expected), "{}", world.log());
    let answer =
        workspace.run_script("echo no > \"$MESHSTACK_USER_MESSAGE\"; false | true; exit 7").await;
    let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.message.as_deref(), Some("no"));
    assert_eq!(failure.exit_code, Some(1));
    let link = "ln -s /etc/passwd \"$MESHSTACK_USER_MESSAGE\"";
    assert_eq!(workspace.run_script(link).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_are_made_chosen_and_deleted_and_a_bad_init_is_repeated_once() {
    let world = World::new();
    let main = format!("terraform {{\n backend \"local\" {{}}\n}}\n{RESOURCE}");
    let mut workspace = world.ready("run-1", false, &main).await;
    workspace.create_workspace("a.b._:1").await.unwrap();
    assert_eq!(workspace.workspaces().await.unwrap(), ["default", "a.b._:1"]);
    workspace.select_workspace("default").await.unwrap();
    workspace.delete_workspace("a.b._:1").await.unwrap();
    assert!(matches!(workspace.select_workspace("-x").await, Err(OperationError::Invalid(_))));
    let answer = workspace.select_workspace("none").await;
    assert!(matches!(answer, Err(OperationError::Failed(_))));
    drop(workspace);

    let mut workspace = world.enter("run-2", false).await;
    assert!(matches!(workspace.plan().await, Err(OperationError::Invalid(_))));
    workspace.install("1.11.4").await.unwrap();
    workspace.write_file("main.tf", Zeroizing::new(b"nonsense".to_vec())).await.unwrap();
    let answer = workspace.init(false, false).await;
    assert!(matches!(answer, Err(OperationError::Failed(_))), "{answer:?}");
    assert_eq!(world.log().matches("trying once again").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_module_keeps_later_verbs_from_running() {
    let mut world = World::new();
    world.policy = ALL.replace("modules = [\"*\"]\n", "");
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    let manifest = world.root("run-1").join("data/modules/modules.json");
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    fs::write(
        &manifest,
        r#"{"Modules":[{"Key":"m","Source":"registry.terraform.io/a/b/c","Dir":"x"}]}"#,
    )
    .unwrap();
    assert!(matches!(workspace.apply().await, Err(OperationError::Denied(_))));
    fs::remove_file(&manifest).unwrap();
    assert!(matches!(workspace.outputs().await, Err(OperationError::Denied(_))));
}
