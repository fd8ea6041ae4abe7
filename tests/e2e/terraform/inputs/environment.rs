//! Inputs for the environment, and all else that Terraform and scripts find there.

use super::{logged, text};
use crate::assert_ended;
use crate::terraform::{PROGRAM, all, scene};
use blockhouse_emulator::{InputType, RunSpec, RunState, RunView};
use blockhouse_tests::terraform::{HOSTILE_TEXTS, Module, Scene, Stage};
use data_encoding::BASE64;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

const DUMP: &str = "env -0 | tr '\\n\\0' '@\\n'";

/// All that there is in the environment of a program, if its daemon has what the test below gives it; `_` and `SHLVL` are bash's own.
const NAMES: [&str; 26] = [
    "BLOCKHOUSE_OPERATION",
    "CHECKPOINT_DISABLE",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_TERMINAL_PROMPT",
    "HOME",
    "LOGNAME",
    "MESHSTACK_ENDPOINT",
    "MESHSTACK_USER_MESSAGE",
    "PATH",
    "PWD",
    "SHLVL",
    "TEMP",
    "TF_CLI_CONFIG_FILE",
    "TF_DATA_DIR",
    "TF_HTTP_PASSWORD",
    "TF_HTTP_RETRY_MAX",
    "TF_HTTP_RETRY_WAIT_MAX",
    "TF_HTTP_USERNAME",
    "TF_INPUT",
    "TF_IN_AUTOMATION",
    "TMP",
    "TMPDIR",
    "USER",
    "_",
    "no_proxy",
];

/// What a process's `env` has printed: in the log of a script as it is, in that of Terraform with its name in front.
fn variables(run: &RunView, step: &str) -> BTreeMap<String, String> {
    let lines = run.log(step).lines();
    let lines = lines.map(|line| line.split_once("(local-exec): ").map_or(line, |(_, rest)| rest));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let pairs = pairs.filter(|(name, _)| is_name(name));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn scripted(scene: &Scene, script: &str) -> RunSpec {
    RunSpec::terraform(scene.terraform().pre_run_script(script))
}

#[tokio::test]
async fn nothing_is_inherited_but_what_is_listed_and_home_is_private() {
    let secrets =
        ["AWS_SECRET_ACCESS_KEY", "TF_VAR_leak", "TF_TOKEN_app_terraform_io", "KUBECONFIG"];
    let mut environment: Vec<_> = secrets
        .iter()
        .map(|name| ((*name).to_owned(), "hunter2-of-the-daemon".to_owned()))
        .collect();
    for (name, value) in [("MESHSTACK_ENDPOINT", "https://mesh.example"), ("no_proxy", "localhost")]
    {
        environment.push((name.to_owned(), value.to_owned()));
    }
    let module = Module::new().resource_made_by("env", DUMP, &[]);
    let stage = Stage { environment, ..Stage::default() };
    let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
    let run = scene.execute(scripted(&scene, DUMP)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let root = scene.state().canonicalize().unwrap().join("runs").join(run.id.to_string());
    for step in ["pre_run_script", "execute_tf"] {
        let all = variables(&run, step);
        assert!(all.len() > 10, "{step}: {all:?}");
        for name in secrets {
            assert_eq!(all.get(name), None, "{step}");
        }
        assert!(!all.values().any(|value| value.contains("hunter2")), "{step}: {all:?}");
        assert_eq!(all["MESHSTACK_ENDPOINT"], "https://mesh.example");
        assert_eq!(all["no_proxy"], "localhost");
        for name in ["HOME", "TMPDIR", "TMP", "TEMP", "PWD"] {
            assert!(Path::new(&all[name]).starts_with(&root), "{step}: {name} is {}", all[name]);
        }
        assert_eq!(all["TF_IN_AUTOMATION"], "1");
        assert_eq!(all["CHECKPOINT_DISABLE"], "1");
        assert!(!all.contains_key("GIT_SSH_COMMAND"), "there is no ssh source: {all:?}");
        let is_script = step == "pre_run_script";
        let expected = NAMES.iter().filter(|name| is_script || **name != "MESHSTACK_USER_MESSAGE");
        let expected: Vec<_> = expected.copied().collect();
        assert_eq!(all.keys().collect::<Vec<_>>(), expected, "{step}");
    }
    let other = scene.execute(scripted(&scene, DUMP)).await.unwrap();
    let [first, second] = [&run, &other].map(|run| variables(run, "pre_run_script"));
    for name in ["HOME", "TMPDIR"] {
        assert_ne!(first[name], second[name], "two runs share {name}");
    }
}

#[tokio::test]
async fn environment_inputs_are_plain_text_and_multi_selects_json() {
    let script = format!(
        "for i in {}; do n=E$i; printf 'E%s:%s\\n' $i \"$(printf '%s.' \"${{!n}}\" | base64 -w0)\"; done\n\
         [ \"$MANY\" = '[\"a\",\"b c\"]' ] && [ \"$NUMBER\" = 42 ] && [ \"$YES\" = true ] && [ \"$CODE\" = '{{ a = 1 }}' ] \
         && [ \"$(printf %s \"$SECRET\" | tr a-z b-za)\" = ivoufs3 ] && [ \"$(printf %s \"$BURIED\" | tr a-z b-za)\" = '{{\"l\": 1}}' ]",
        (0..HOSTILE_TEXTS.len()).map(|at| at.to_string()).collect::<Vec<_>>().join(" ")
    );
    let script = script.replace("ivoufs3", "ivoufs2");
    let module = Module::new().resource_made_by(
        "env",
        "[ \"$NUMBER\" = 42 ] && [ \"$(printf %s \"$SECRET\" | tr a-z b-za)\" = ivoufs2 ]",
        &[],
    );
    let mut scene = scene(&module).await;
    let spec =
        HOSTILE_TEXTS.iter().enumerate().fold(scripted(&scene, &script), |spec, (at, text)| {
            spec.environment_input(format!("E{at}"), InputType::String, json!(text))
        });
    let spec = spec
        .environment_input("MANY", InputType::MultiSelect, json!(["a", "b c"]))
        .environment_input("NUMBER", InputType::Integer, json!(42))
        .environment_input("YES", InputType::Boolean, json!(true))
        .environment_input("CODE", InputType::Code, json!("{ a = 1 }"))
        .sensitive_environment_input("SECRET", InputType::String, "hunter2")
        .sensitive_environment_input("BURIED", InputType::Code, "{\"k\": 1}");
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let log = run.log("pre_run_script");
    for (at, entered) in HOSTILE_TEXTS.iter().enumerate() {
        let line = format!("E{at}:{}\n", BASE64.encode(format!("{entered}.").as_bytes()));
        assert!(log.contains(&line), "{entered:?}: no {line} in {log}");
    }
    assert!(!crate::all_text(&run).contains("hunter2"));
}

#[tokio::test]
async fn variables_in_the_environment_are_variables_unless_there_is_an_input() {
    let module = Module::new().echo("a", None).echo("b", None).echo("c", None);
    let module = module.echo_sensitive("d", None);
    let mut scene = scene(&module).await;
    let hostile = "quotes \" ${path.root} %{ if } \\ \n日本語";
    let spec = scene
        .spec()
        .environment_input("TF_VAR_a", InputType::String, json!(hostile))
        .environment_input("TF_VAR_b", InputType::String, json!("from the environment"))
        .input("b", InputType::String, json!("from the input"))
        .environment_input("TF_VAR_c", InputType::MultiSelect, json!(["x"]))
        .sensitive_environment_input("TF_VAR_d", InputType::String, "hunter2");
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(text(&run, "a_again"), hostile);
    assert_eq!(text(&run, "b_again"), "from the input");
    assert_eq!(text(&run, "c_again"), "[\n  \"x\"\n]");
    assert_eq!(text(&run, "d_again"), "hunter2");
    logged(&run, "input", "the input `TF_VAR_b` is not used: there is an input `b`");
}

#[tokio::test]
async fn names_that_would_subvert_a_process_are_denied_by_policy() {
    let names = [
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "HOME",
        "LD_PRELOAD",
        "PATH",
        "TF_CLI_ARGS",
        "TF_CLI_ARGS_apply",
        "TF_CLI_CONFIG_FILE",
        "TF_DATA_DIR",
        "TF_HTTP_ADDRESS",
        "TF_WORKSPACE",
        "ld_preload",
        "TF_LOG",
        "HTTPS_PROXY",
    ];
    let mut scene = scene(&Module::new().resource("one")).await;
    let specs = names
        .map(|name| scene.spec().environment_input(name, InputType::String, json!("/tmp/pwned")));
    let runs = all(&mut scene, specs).await;
    for (name, run) in names.iter().zip(&runs) {
        assert_ended(run, RunState::Failed);
        let told = run.told("input");
        assert!(told.contains(&format!("`{name}`")), "{name}: {told}");
        assert!(told.contains("policy `terraform`"), "{name}: {told}");
        assert_eq!(run.log("init_tf").lines().count(), 1, "{name}: {run:#?}");
    }
}

#[tokio::test]
async fn a_reserved_name_that_policy_names_is_granted_and_others_are_not() {
    let terraform = "environment = [\"OK_*\", \"TF_CLI_ARGS_plan\", \"LD_PRELOAD\"]".to_owned();
    let stage = Stage { terraform, ..Stage::default() };
    let module = Module::new().resource("one").echo("x", None);
    let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
    let spec = |name: &str, value: &str| {
        let spec = scene.spec().behavior(blockhouse_emulator::Behavior::Detect);
        spec.environment_input(name, InputType::String, json!(value)).input(
            "x",
            InputType::String,
            json!("entered"),
        )
    };
    let specs = [spec("TF_CLI_ARGS_plan", "-var=x=bent"), spec("OK_1", "x"), spec("OTHER", "x")];
    let [bent, granted, denied] = all(&mut scene, specs).await.try_into().unwrap();
    assert_ended(&bent, RunState::Succeeded);
    logged(&bent, "execute_tf", "bent");
    assert_ended(&granted, RunState::Succeeded);
    assert_ended(&denied, RunState::Failed);
    assert!(denied.told("input").contains("`OTHER`"), "{denied:#?}");
}
