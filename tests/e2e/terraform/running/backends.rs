//! Where the state is: in meshStack, or where the configuration says, in a workspace.

use super::{address, assert_failed_in, logged};
use crate::assert_ended;
use crate::terraform::scene;
use blockhouse_emulator::{Behavior, Fault, Route, RunSpec, RunState, RunView};
use blockhouse_tests::terraform::{Module, Scene};
use serde_json::json;
use uuid::Uuid;

fn scripted(scene: &Scene, script: &str) -> RunSpec {
    RunSpec::terraform(scene.terraform().pre_run_script(script))
}

fn is_in_meshstack(scene: &Scene, run: &RunView) -> bool {
    let state = scene.emulator.terraform_state(address(run));
    state.is_some_and(|state| state.current.is_some())
}

const LIST: &str =
    "ls -A; cat meshStack_backend*.tf 2>/dev/null || true; env | grep ^TF_HTTP_USER || true";

#[tokio::test]
async fn meshstack_keeps_the_state_unless_there_is_a_backend() {
    let commented = "# terraform { backend \"local\" {} }\n// backend \"s3\" {}\n/*\nterraform {\n  \
                     cloud {}\n}\n*/\nlocals {\n  x = <<EOT\nterraform {\n  backend \"local\" {}\n}\nEOT\n}";
    let module = Module::new().resource("one").hcl(commented);
    let module = module.file("modules/x/main.tf", "terraform {\n  backend \"local\" {}\n}\n");
    let module = module.file("ignored.tf.txt", "terraform {\n  backend \"local\" {}\n}\n");
    let module = module.output("workspace", "terraform.workspace");
    let mut scene = scene(&module).await;
    let token = "hunter2-run-token";
    let spec = scripted(&scene, LIST).run_token(token);
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(is_in_meshstack(&scene, &run));
    assert_eq!(run.output("workspace").unwrap().value, json!("default"));
    let log = run.log("pre_run_script");
    assert!(log.contains("meshStack_backend.tf\n"), "{log}");
    assert!(log.contains("backend \"http\" {\n    address = \"http"), "{log}");
    assert!(!log.contains("password") && !log.contains("username"), "{log}");
    assert!(!crate::all_text(&run).contains(token) && !scene.log().contains(token));
    let reads = scene.emulator.requests_of(Route::StateWrite);
    assert!(reads.iter().all(|request| request.header("authorization").is_some()));

    // A file of that name is not overwritten, nor is one that the user brings.
    let module = module.file("meshStack_backend.tf", "# theirs\n");
    scene.commit(&module).unwrap();
    let run = scene.execute(scripted(&scene, LIST)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    logged(&run, "pre_run_script", "meshStack_backend_2.tf\n");
    logged(&run, "pre_run_script", "# theirs");
    assert!(is_in_meshstack(&scene, &run));
}

#[tokio::test]
async fn a_backend_of_the_configuration_is_used_and_nothing_is_written() {
    let in_json = Module::new()
        .resource("one")
        .output("workspace", "terraform.workspace")
        .file("backend.tf.json", "{\"terraform\": {\"backend\": {\"local\": {}}}}");
    let module = Module::new().resource("one").local_backend();
    let mut scene = scene(&module.output("workspace", "terraform.workspace")).await;
    for module in [None, Some(in_json)] {
        if let Some(module) = module {
            scene.commit(&module).unwrap();
        }
        let run = scene.execute(scripted(&scene, LIST)).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        assert!(!is_in_meshstack(&scene, &run));
        assert!(!run.log("pre_run_script").contains("meshStack_backend"), "{run:#?}");
        assert!(!run.log("pre_run_script").contains("TF_HTTP_USERNAME"), "{run:#?}");
        let name = run.output("workspace").unwrap();
        let block = address(&run).block;
        let expected = format!("tenant-a.my-project.my-platform.my-location:{block}");
        assert_eq!(name.value, json!(expected));
    }
}

#[tokio::test]
async fn a_cloud_block_is_a_backend_and_nothing_is_written() {
    let cloud = "terraform {\n  cloud {\n    hostname = \"cloud.invalid\"\n    organization = \"x\"\n    \
                 workspaces {\n      name = \"x\"\n    }\n  }\n}";
    let in_json = json!({"terraform": {"cloud": {"hostname": "cloud.invalid", "organization": "x", "workspaces": {"name": "x"}}}});
    let modules = [
        Module::new().resource("one").hcl(cloud),
        Module::new().resource("one").file("cloud.tf.json", in_json.to_string()),
    ];
    let mut scene = scene(&Module::new()).await;
    for module in modules {
        scene.commit(&module).unwrap();
        let run = scene.execute(scene.spec()).await.unwrap();
        // A backend of ours beside it would be the mistake; this is what Terraform says of the cloud itself.
        assert_failed_in(&run, "init_tf", "cloud.invalid");
        assert!(!run.log("init_tf").contains("Both a backend and"), "{run:#?}");
        assert!(!is_in_meshstack(&scene, &run));
        assert_eq!(scene.emulator.count(Route::StateRead), 0);
    }
}

#[tokio::test]
async fn without_any_backend_there_is_a_workspace_and_a_warning_that_it_will_be_gone() {
    let module = Module::new().resource("one").output("workspace", "terraform.workspace");
    let mut scene = scene(&module).await;
    let nowhere = scene.terraform().field("useMeshHttpBackendFallback", json!(false));
    let run = scene.execute(RunSpec::terraform(nowhere)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(!is_in_meshstack(&scene, &run));
    logged(&run, "input", "warning: the configuration has no backend");
    let expected = format!("tenant-a.my-project.my-platform.my-location:{}", address(&run).block);
    assert_eq!(run.output("workspace").unwrap().value, json!(expected));
}

#[tokio::test]
async fn a_configuration_that_can_not_be_read_is_an_error_before_anything_is_written() {
    let mut scene = scene(&Module::new().hcl("terraform {\n  backend \"local\" {")).await;
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_failed_in(&run, "input", "`main.tf`, line");
    scene.commit(&Module::new().resource("one").file("x.tf.json", "{")).unwrap();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_failed_in(&run, "input", "`x.tf.json`, line");
}

#[tokio::test]
async fn without_a_run_token_nothing_is_written_or_started() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let spec = scene.spec().without_run_token().file_input("input.txt", b"x");
    let run = scene.execute(spec).await.unwrap();
    assert_failed_in(&run, "input", "has given no token");
    assert!(!run.log("input").contains("becomes a file"), "{run:#?}");
    assert_eq!(scene.emulator.count(Route::StateRead), 0);
}

#[tokio::test]
async fn a_workspace_of_the_block_is_used_whatever_its_name_begins_with_and_deleted_at_last() {
    let (block, other) = (Uuid::new_v4(), Uuid::new_v4());
    let old = format!("former.project._:{block}");
    let module = Module::new()
        .resource("one")
        .local_backend()
        .existing_workspace(&old)
        .existing_workspace(&format!("tenant-a.my-project.my-platform.my-location:{other}"))
        .output("workspace", "terraform.workspace");
    let mut scene = scene(&module).await;
    let run = scene.execute(scene.spec().block(block)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("workspace").unwrap().value, json!(old));
    logged(&run, "init_tf", &format!("using the workspace `{old}`"));

    let spec = scene.spec().block(block).behavior(Behavior::Destroy);
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    logged(&run, "output", &format!("Deleted workspace \"{old}\"!"));
    logged(&run, "output", &format!("deleted the workspace `{old}`"));

    // Of a block of a workspace, which has neither project nor platform.
    let third = Uuid::new_v4();
    let spec = scene.spec().block(third).project(None).platform(None);
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let expected = format!("tenant-a._._:{third}");
    assert_eq!(run.output("workspace").unwrap().value, json!(expected));
    logged(&run, "init_tf", &format!("creating the workspace `{expected}`"));
}

#[tokio::test]
async fn a_workspace_that_can_not_be_deleted_is_left_and_the_run_succeeds() {
    let module = Module::new().resource("one").local_backend();
    // The script makes it, and its destruction changes the configuration: after that, Terraform would want `init` again.
    let unmade = "sed -i 's/\"local\" {}/\"local\" { path = \"other\" }/' main.tf";
    let module = module.resource_unmade_by("last", unmade, &[]);
    let mut scene = scene(&module).await;
    let spec = scripted(&scene, "terraform apply -auto-approve -no-color");
    let run = scene.execute(spec.behavior(Behavior::Destroy)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    logged(&run, "output", "warning: the workspace `tenant-a.");
    logged(&run, "output", "` is left: ");
}

#[tokio::test]
async fn init_is_tried_once_again_and_no_more() {
    let mut scene = scene(&Module::new().resource("one")).await;
    scene.emulator.script(Route::StateRead, Fault::status(400), 1);
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.log("init_tf").matches("trying once again").count(), 1, "{run:#?}");

    scene
        .commit(&Module::new().resource("one").provider("nobody.invalid/x/y", ">= 1.0.0"))
        .unwrap();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_failed_in(&run, "init_tf", "Terraform init failed with exit code 1");
    assert_eq!(run.log("init_tf").matches("trying once again").count(), 1, "{run:#?}");
    assert_eq!(run.log("init_tf").matches("Initializing provider plugins").count(), 2, "{run:#?}");
}
