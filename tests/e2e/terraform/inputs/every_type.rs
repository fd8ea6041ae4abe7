//! Every type of input with hostile values, plain and sensitive, as variable, as `TF_VAR_…` and in the environment: all come back byte for
//! byte.

use super::{PROGRAM, composed};
use crate::assert_ended;
use blockhouse_emulator::{InputType, OutputType, RunSpec, RunState, RunView};
use blockhouse_tests::terraform::{HOSTILE_TEXTS, Module, Scene, Stage, quoted};
use blockhouse_tests::{Process, on_path};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::path::Path;

/// One input, what becomes of it as a variable without a type, and in the environment. Sensitive ones are entered in the same way.
struct Case {
    kind: InputType,
    entered: Value,
    variable: (OutputType, Value),
    environment: String,
}

fn text(kind: InputType, text: &str) -> Case {
    let variable = (OutputType::String, json!(composed(text)));
    Case { kind, entered: json!(text), variable, environment: text.to_owned() }
}

/// A number or a boolean: as it is in JSON.
fn plain(kind: InputType, entered: Value, output: OutputType) -> Case {
    let variable = (output, entered.clone());
    Case { kind, environment: entered.to_string(), entered, variable }
}

fn code(kind: InputType, entered: String, value: Value) -> Case {
    Case {
        kind,
        entered: json!(entered),
        variable: (OutputType::Code, value),
        environment: entered,
    }
}

/// What is in a value, after Terraform has composed it.
fn composed_value(value: &Value) -> Value {
    serde_json::from_str(&composed(&value.to_string())).unwrap()
}

/// All that is entered at once.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entered in HOSTILE_TEXTS {
        cases.push(text(InputType::String, entered));
        cases.push(text(InputType::SingleSelect, entered));
    }
    for number in [json!(0), json!(-1), json!(9_007_199_254_740_993_u64), json!(i64::MIN)] {
        cases.push(plain(InputType::Integer, number, OutputType::Integer));
    }
    // More than any integer of meshStack's clients holds.
    for exponent in [22, 300] {
        let number: Value = serde_json::from_str(&format!("1e{exponent}")).unwrap();
        let variable = (OutputType::Code, json!(format!("1{}", "0".repeat(exponent))));
        let environment = number.to_string();
        cases.push(Case { kind: InputType::Integer, entered: number, variable, environment });
    }
    for truth in [true, false] {
        cases.push(plain(InputType::Boolean, json!(truth), OutputType::Boolean));
    }
    let (all, composed) = (json!(HOSTILE_TEXTS), composed_value(&json!(HOSTILE_TEXTS)));
    cases.push(Case {
        kind: InputType::MultiSelect,
        entered: all.clone(),
        variable: (OutputType::Code, composed.clone()),
        environment: all.to_string(),
    });
    let keyed: Value = HOSTILE_TEXTS.iter().map(|text| ((*text).to_owned(), json!(text))).collect();
    let as_hcl: Vec<_> = HOSTILE_TEXTS.iter().map(|text| quoted(text)).collect();
    for kind in [InputType::Code, InputType::List] {
        cases.push(code(kind.clone(), all.to_string(), composed.clone()));
        cases.push(code(kind.clone(), keyed.to_string(), composed_value(&keyed)));
        cases.push(code(
            kind,
            format!("[ # not JSON\n  {},\n]", as_hcl.join(",\r\n  ")),
            composed.clone(),
        ));
    }
    cases
}

/// A scene that echoes the variables of these names, and what the script finds in the environment under them.
async fn scene(names: &[String]) -> Scene {
    let module = names.iter().fold(Module::new(), |module, name| {
        let module = module.echo_sensitive(name, None).echo_sensitive(&format!("{name}_tf"), None);
        let file = format!("filebase64(\"${{path.root}}/{name}_env\")");
        module.hcl(&format!("output \"{name}_env\" {{\n  value = {file}\n  sensitive = true\n}}"))
    });
    let mut scene = Scene::set(Path::new(PROGRAM), &module, Stage::default()).await.unwrap();
    scene.change_policy("log_kib = 1_024", "log_kib = 1_024\noutputs_kib = 16_384").unwrap();
    scene.begin().unwrap();
    scene
}

/// A script that writes what is in its environment into files.
fn script(names: &[String]) -> String {
    let names = names.join(" ");
    format!(
        "for name in {names}; do env=\"${{name}}_env\"; printf %s \"${{!env}}\" > \"$env\"; done"
    )
}

fn decoded(run: &RunView, name: &str) -> Vec<u8> {
    let output = run.output(name).unwrap_or_else(|| panic!("no {name}"));
    BASE64.decode(output.value.as_str().unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn every_type_comes_back_byte_for_byte_however_it_was_entered() {
    let cases = cases();
    let names: Vec<_> = (0..cases.len()).map(|at| format!("v{at}")).collect();
    let mut scene = scene(&names).await;
    for is_sensitive in [false, true] {
        let script = script(&names);
        let spec = RunSpec::terraform(scene.terraform().pre_run_script(script));
        let spec = cases.iter().zip(&names).fold(spec, |spec, (case, name)| {
            let (tf, environment) = (format!("TF_VAR_{name}_tf"), format!("{name}_env"));
            let (kind, entered) = (|| case.kind.clone(), || case.entered.clone());
            if is_sensitive {
                spec.sensitive_input(name, kind(), entered())
                    .sensitive_environment_input(tf, kind(), entered())
                    .sensitive_environment_input(environment, kind(), entered())
            } else {
                spec.input(name, kind(), entered())
                    .environment_input(tf, kind(), entered())
                    .environment_input(environment, kind(), entered())
            }
        });
        let run = scene.execute(spec).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        for (Case { kind, entered, variable, environment }, name) in cases.iter().zip(&names) {
            let what = format!("{kind:?} {entered} (sensitive: {is_sensitive})");
            for name in [format!("{name}_again"), format!("{name}_tf_again")] {
                let output = run.output(&name).unwrap_or_else(|| panic!("no {name}: {what}"));
                let value = match (output.kind, &variable.1) {
                    (OutputType::Code, Value::Array(_) | Value::Object(_)) => {
                        serde_json::from_str(output.value.as_str().unwrap()).unwrap()
                    }
                    _ => output.value.clone(),
                };
                assert_eq!((output.kind, &value), (variable.0, &variable.1), "{name}: {what}");
            }
            let seen = decoded(&run, &format!("{name}_env"));
            // What meshStack sends of it is JSON, and the host makes no text of what nobody may see.
            let is_secret_list = is_sensitive && matches!(kind, InputType::List);
            let environment = if is_secret_list { &entered.to_string() } else { environment };
            assert_eq!(String::from_utf8_lossy(&seen), *environment, "environment: {what}");
        }
    }
}

#[tokio::test]
async fn a_mebibyte_of_text_comes_back_byte_for_byte() {
    let long = |bytes: usize| {
        let mut text = HOSTILE_TEXTS.concat().repeat(bytes / HOSTILE_TEXTS.concat().len() + 1);
        text.truncate((0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap());
        text
    };
    let text = long(1 << 20);
    let names = ["v0", "v1", "v2"].map(str::to_owned);
    let module = names.iter().fold(Module::new(), |module, name| module.echo_sensitive(name, None));
    let module = ["plain.bin", "secret.bin"].iter().fold(module, |module, name| {
        let output = format!("filesha256(\"${{path.root}}/{name}\")");
        let name = name.trim_end_matches(".bin");
        module.hcl(&format!("output \"{name}\" {{\n  value = {output}\n}}"))
    });
    let mut scene = Scene::set(Path::new(PROGRAM), &module, Stage::default()).await.unwrap();
    scene.change_policy("log_kib = 1_024", "log_kib = 1_024\noutputs_kib = 16_384").unwrap();
    scene.begin().unwrap();
    let spec = scene
        .spec()
        .input("v0", InputType::String, json!(text))
        .sensitive_input("v1", InputType::String, text.as_str())
        .input("v2", InputType::Code, json!(json!([text]).to_string()))
        .file_input("plain.bin", text.as_bytes())
        .sensitive_file_input("secret.bin", text.as_bytes());
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let composed = composed(&text);
    for name in ["v0_again", "v1_again"] {
        assert!(run.output(name).unwrap().value == json!(composed), "{name} differs");
    }
    let code = run.output("v2_again").unwrap().value.as_str().unwrap();
    assert!(serde_json::from_str::<Vec<String>>(code).unwrap() == [composed], "v2 differs");
    let digest = blockhouse::digest::Digest::of(text.as_bytes()).to_string();
    for name in ["plain", "secret"] {
        let value = run.output(name).unwrap().value.as_str().unwrap();
        assert!(digest.ends_with(value), "{name}: {value}, not {digest}");
    }
}

/// What Linux lets a program be given in one variable, and what it does not.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_variable_of_the_environment_that_no_program_can_be_given_ends_the_run_for_that_reason() {
    let mut scene = super::scene(&Module::new().resource("one")).await;
    for (length, state) in [
        (100_000, RunState::Succeeded),
        (130_000, RunState::Succeeded),
        (131_072, RunState::Failed),
        (1 << 20, RunState::Failed),
    ] {
        let text = "x".repeat(length);
        let spec = scene.spec().environment_input("LONG", InputType::String, json!(text));
        let run = scene.execute(spec).await.unwrap();
        assert_ended(&run, state);
        if state == RunState::Failed {
            let told = run.told("input");
            assert!(told.contains("the variable `LONG` is longer than a program can be"), "{told}");
        }
    }
}

/// The one thing that changes on the way is changed by Terraform: strings are composed (NFC).
#[test]
fn the_bare_terraform_composes_unicode_and_changes_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    Module::new().echo("texts", None).write_to(directory.path()).unwrap();
    let variables = json!({"texts": HOSTILE_TEXTS}).to_string();
    std::fs::write(directory.path().join("x.auto.tfvars.json"), variables).unwrap();
    let terraform = |arguments: &[&str]| {
        let mut command = Process::command(&on_path("terraform"), directory.path());
        let output = command.args(arguments).env("CHECKPOINT_DISABLE", "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    terraform(&["apply", "-auto-approve", "-input=false"]);
    let outputs: Value = serde_json::from_slice(&terraform(&["output", "-json"])).unwrap();
    let expected = composed_value(&json!(HOSTILE_TEXTS));
    assert_eq!(outputs["texts_again"]["value"], expected);
    assert_ne!(expected, json!(HOSTILE_TEXTS));
}
