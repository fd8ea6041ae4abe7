//! Pre-run scripts.

use super::{assert_failed_in, logged};
use crate::assert_ended;
use crate::terraform::{PROGRAM, scene};
use blockhouse_emulator::{Behavior, InputType, RunSpec, RunState};
use blockhouse_tests::terraform::{Module, Scene, Stage};
use std::path::Path;

fn scripted(scene: &Scene, script: &str) -> RunSpec {
    RunSpec::terraform(scene.terraform().pre_run_script(script))
}

/// Each line is a claim, as Windows writes lines (the secret is shifted by one letter: the script itself is in the document); `set -e` ends the script at the first that does not hold.
const CLAIMS: &str = "\
echo \"behaviour $1 of $#\"\r
case $- in *e*) ;; *) exit 11;; esac\r
shopt -qo pipefail || exit 12\r
[ -f main.tf ] || exit 13\r
[ \"$(command -v terraform)\" ] && [ \"$(command -v tofu)\" ] || exit 14\r
first=${PATH%%:*}; [ -x \"$first/terraform\" ] && [ -x \"$first/tofu\" ] || exit 15\r
[ \"$(terraform version | head -1)\" = \"$(tofu version | head -1)\" ] || exit 16\r
document=$(cat)\r
case $document in *'\"kind\"'*) ;; *) exit 17;; esac\r
printf %s \"$document\" | tr a-z b-za | grep -q 'ivoufs2-pg-uif-epdvnfou' || exit 18\r
[ -z \"${BASH_ENV-}\" ] && [ ! -e ~/.bashrc ] || exit 19\r
echo to the error stream >&2\r
echo made by the script > made.txt\r
printf '\\n  told to the user  \\n' > \"$MESHSTACK_USER_MESSAGE\"\r
";

#[tokio::test]
async fn a_script_has_behaviour_document_programs_and_a_message() {
    let module = Module::new().resource("one").read_file("made", "made.txt");
    let mut scene = scene(&module).await;
    for (behavior, word) in
        [(Behavior::Apply, "APPLY"), (Behavior::Detect, "DETECT"), (Behavior::Destroy, "DESTROY")]
    {
        let secret = "hunter2-of-the-document";
        let spec = scripted(&scene, CLAIMS).sensitive_input("secret", InputType::String, secret);
        let run = scene.execute(spec.behavior(behavior)).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        logged(&run, "pre_run_script", &format!("behaviour {word} of 1\n"));
        logged(&run, "pre_run_script", "to the error stream");
        assert_eq!(run.told("pre_run_script"), "told to the user");
        assert!(!crate::all_text(&run).contains("hunter2"));
    }
}

#[tokio::test]
async fn a_script_that_fails_ends_the_run_with_its_code_and_still_tells_the_user() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let script =
        "echo said; echo ask for a quota > \"$MESHSTACK_USER_MESSAGE\"\nfalse | true\necho never";
    let run = scene.execute(scripted(&scene, script)).await.unwrap();
    assert_failed_in(&run, "pre_run_script", "pre-run script failed with exit code 1");
    assert!(run.told("pre_run_script").contains("ask for a quota"), "{run:#?}");
    logged(&run, "pre_run_script", "said");
    assert!(!run.log("pre_run_script").contains("never"), "{run:#?}");
    assert!(
        scene.emulator.terraform_state(super::address(&run)).is_none_or(|s| s.current.is_none())
    );
    let run = scene.execute(scripted(&scene, "kill -9 $$")).await.unwrap();
    assert_failed_in(&run, "pre_run_script", "pre-run script was ended by a signal");
    // A blank one is none.
    let run = scene.execute(scripted(&scene, " \r\n ")).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
}

#[tokio::test]
async fn a_message_that_is_a_link_is_not_followed() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let script = "ln -s /etc/passwd \"$MESHSTACK_USER_MESSAGE\"";
    let run = scene.execute(scripted(&scene, script)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(!crate::all_text(&run).contains("root:"), "{run:#?}");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_cut_and_not_dropped() {
    let mut scene = scene(&Module::new().resource("one")).await;
    // `yes` ends by a signal, which is no failure of the script.
    let script = "yes 'ask for a quota' | head -c 100000 > \"$MESHSTACK_USER_MESSAGE\" || true";
    let run = scene.execute(scripted(&scene, script)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let told = run.told("pre_run_script");
    assert!(told.starts_with("ask for a quota\n") && told.ends_with('…'), "{told}");
}

#[tokio::test]
async fn scripts_that_policy_forbids_are_not_run_and_the_policy_is_named() {
    let module = Module::new().resource("one");
    let mut scene = Scene::set(Path::new(PROGRAM), &module, Stage::default()).await.unwrap();
    let policy = scene.directory().join("terraform.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("scripts = { network = true }\n", "")).unwrap();
    scene.begin().unwrap();
    let run = scene.execute(scripted(&scene, "echo was run")).await.unwrap();
    assert_failed_in(&run, "pre_run_script", "policy `terraform`");
    assert!(!crate::all_text(&run).contains("was run"), "{run:#?}");
}
