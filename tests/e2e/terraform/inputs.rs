//! What users enter arrives in Terraform as it was entered: values of variables. Files, the environment, and every
//! type with everything at once are in modules of their own.

mod environment;
mod every_type;
mod files;

use super::{PROGRAM, scene};
use crate::assert_ended;
use blockhouse_emulator::{Behavior, InputType, OutputType, RunState, RunView};
use blockhouse_tests::terraform::{HOSTILE_TEXTS, Module, Scene, Stage};
use serde_json::{Value, json};
use std::path::Path;

/// Terraform composes Unicode; nothing else changes.
fn composed(text: &str) -> String {
    text.replace("e\u{301}", "\u{e9}")
}

/// The text of an output that is one.
#[track_caller]
fn text<'r>(run: &'r RunView, name: &str) -> &'r str {
    let output = run.output(name).unwrap_or_else(|| panic!("no {name}: {run:#?}"));
    output.value.as_str().unwrap_or_else(|| panic!("{name} is no text"))
}

/// The log of this step has these words.
#[track_caller]
fn logged(run: &RunView, step: &str, words: &str) {
    assert!(run.log(step).contains(words), "no `{words}` in: {}", run.log(step));
}

#[tokio::test]
async fn hostile_texts_come_back_byte_for_byte() {
    let module = (0..HOSTILE_TEXTS.len()).fold(Module::new().echo("many", None), |module, at| {
        let module = module.echo(&format!("string_{at}"), Some("string"));
        module.echo(&format!("untyped_{at}"), None).echo(&format!("select_{at}"), None)
    });
    let mut scene = scene(&module).await;
    let spec = scene.spec().input("many", InputType::MultiSelect, json!(HOSTILE_TEXTS));
    let spec = HOSTILE_TEXTS.iter().enumerate().fold(spec, |spec, (at, text)| {
        spec.input(format!("string_{at}"), InputType::String, json!(text))
            .input(format!("untyped_{at}"), InputType::String, json!(text))
            .input(format!("select_{at}"), InputType::SingleSelect, json!(text))
    });
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    for (at, entered) in HOSTILE_TEXTS.iter().enumerate() {
        for name in ["string", "untyped", "select"] {
            let output = run.output(&format!("{name}_{at}_again")).unwrap();
            assert_eq!(output.kind, OutputType::String, "{name} {entered:?}");
            assert_eq!(output.value, json!(composed(entered)), "{name} {entered:?}");
            assert!(!output.is_sensitive);
        }
    }
    assert_eq!(run.output("many_again").unwrap().kind, OutputType::Code);
    let many: Vec<String> = serde_json::from_str(text(&run, "many_again")).unwrap();
    assert_eq!(many, HOSTILE_TEXTS.iter().map(|text| composed(text)).collect::<Vec<_>>());
}

#[tokio::test]
async fn hostile_secrets_come_back_byte_for_byte_and_are_in_no_log() {
    let module = (0..HOSTILE_TEXTS.len()).fold(Module::new(), |module, at| {
        let module = module.echo_sensitive(&format!("string_{at}"), Some("string"));
        module.echo_sensitive(&format!("code_{at}"), Some("string"))
    });
    let mut scene = scene(&module).await;
    let spec = HOSTILE_TEXTS.iter().enumerate().fold(scene.spec(), |spec, (at, text)| {
        spec.sensitive_input(format!("string_{at}"), InputType::String, *text).sensitive_input(
            format!("code_{at}"),
            InputType::Code,
            json!(text).to_string(),
        )
    });
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    for (at, entered) in HOSTILE_TEXTS.iter().enumerate() {
        for name in ["string", "code"] {
            let output = run.output(&format!("{name}_{at}_again")).unwrap();
            assert_eq!(output.kind, OutputType::String, "{name} {entered:?}");
            assert_eq!(output.value, json!(composed(entered)), "{name} {entered:?}");
            assert!(output.is_sensitive, "{name} {entered:?}");
        }
    }
    let (all, log) = (crate::all_text(&run), scene.log());
    for secret in ["line two", "heredoc", "$(touch /tmp/pwned)", "00123"] {
        assert!(!all.contains(secret) && !log.contains(secret), "{secret} was told: {all}{log}");
    }
}

#[tokio::test]
async fn every_type_is_a_value_of_its_own() {
    let names = ["yes", "no", "small", "negative", "large", "choice", "empty", "few"];
    let module = names.iter().fold(Module::new(), |module, name| module.echo(name, None));
    let module = ["t_yes", "t_large", "t_few", "t_code", "t_hcl", "t_list", "t_text"]
        .iter()
        .fold(module, |module, name| module.echo(name, Some("string")));
    let module = module.hcl("variable \"out\" {\n  default = \"by default\"\n}");
    let module = module.output("out_again", "var.out");
    let mut scene = scene(&module).await;
    let large = 9_007_199_254_740_993_u64;
    let spec = scene
        .spec()
        .input("yes", InputType::Boolean, json!(true))
        .input("no", InputType::Boolean, json!(false))
        .input("small", InputType::Integer, json!(42))
        .input("negative", InputType::Integer, json!(-7))
        .input("large", InputType::Integer, json!(large))
        .input("choice", InputType::SingleSelect, json!("true"))
        .input("empty", InputType::MultiSelect, json!([]))
        .input("few", InputType::MultiSelect, json!(["a", "${b}"]))
        .input("t_yes", InputType::Boolean, json!(true))
        .input("t_large", InputType::Integer, json!(large))
        .input("t_few", InputType::MultiSelect, json!(["a", "${b}"]))
        .input("t_code", InputType::Code, json!("{ \"a\" : [ 1.50, null ] }"))
        .input("t_hcl", InputType::Code, json!("{ a = [1, true] }"))
        .input("t_list", InputType::List, json!("[\"x\", \"y\"]"))
        .input("t_text", InputType::Code, json!("neither ${this} nor {that"))
        .input("out", InputType::String, json!(null));
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let value = |name: &str| {
        let output = run.output(&format!("{name}_again")).unwrap();
        (output.kind, output.value.clone())
    };
    assert_eq!(value("yes"), (OutputType::Boolean, json!(true)));
    assert_eq!(value("no"), (OutputType::Boolean, json!(false)));
    assert_eq!(value("small"), (OutputType::Integer, json!(42)));
    assert_eq!(value("negative"), (OutputType::Integer, json!(-7)));
    assert_eq!(value("large"), (OutputType::Integer, json!(large)));
    assert_eq!(value("choice"), (OutputType::String, json!("true")));
    assert_eq!(value("empty"), (OutputType::Code, json!("[]")));
    assert_eq!(value("few"), (OutputType::Code, json!("[\n  \"a\",\n  \"${b}\"\n]")));
    // Who declares a string gets compact JSON of what is none.
    for (name, expected) in [
        ("t_yes", "true"),
        ("t_large", "9007199254740993"),
        ("t_few", "[\"a\",\"${b}\"]"),
        ("t_code", "{\"a\":[1.50,null]}"),
        ("t_hcl", "{\"a\":[1,true]}"),
        ("t_list", "[\"x\",\"y\"]"),
        ("t_text", "neither ${this} nor {that"),
        ("out", "by default"),
    ] {
        assert_eq!(value(name), (OutputType::String, json!(expected)), "{name}");
    }
}

const LONG: &str = "12345678901234567890123456789012345678901234567890";

#[tokio::test]
async fn code_is_the_value_that_it_describes_or_a_string_with_a_warning() {
    let values = [
        ("json", "{\"a\": \"${x} %{y}\", \"b\": [1, null, true]}"),
        ("hcl", "{\n  a = \"$${x}\" # said\n  \"b c\" = [1, null, /* so */ true,]\n}"),
        ("heredoc", "<<EOT\none\ntwo\nEOT\n"),
        ("text", "\"just text\""),
        // JSON comes first, and is not computed.
        ("like_a_template", "\"${path.root}\""),
        ("sum", "(1 + 1) * 1.25"),
        ("choice", "{ a = 2 > 1 ? [for x in [1, 2] : \"${x}!\"] : null }"),
    ];
    let numbers = format!("[{LONG}, -{LONG}, 0.1234567890123456789012345678901, 1.50]");
    // A loop within a loop, nine times, each over ten elements.
    let bomb = (0..9).fold("a".to_owned(), |inner, _| {
        format!("[for a in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] : {inner}]")
    });
    let strings = [
        ("reference", "{ a = var.json }"),
        ("function", "upper(\"x\")"),
        ("template", "{ a = \"${path.root}\" }"),
        ("quotient", "1 / 3"),
        ("bomb", &bomb),
        ("nonsense", "} not { code"),
        ("word", "word"),
    ];
    let names = values.iter().chain(&strings).map(|(name, _)| *name).chain(["numbers", "plain"]);
    let module = names.fold(Module::new(), |module, name| module.echo(name, None));
    let mut scene = scene(&module).await;
    let numbers = [("numbers", numbers.as_str())];
    let inputs = values.iter().chain(&strings).chain(&numbers);
    let spec = inputs
        .fold(scene.spec(), |spec, (name, value)| spec.input(*name, InputType::Code, json!(value)));
    let spec = spec.input("plain", InputType::List, json!("[\"a\", 1]"));
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let value = |name: &str| {
        let output = run.output(&format!("{name}_again")).unwrap();
        assert_eq!(output.kind, OutputType::Code, "{name}");
        let text = output.value.as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("{name}: {text}"))
    };
    assert_eq!(value("json"), json!({"a": "${x} %{y}", "b": [1, null, true]}));
    assert_eq!(value("hcl"), json!({"a": "${x}", "b c": [1, null, true]}));
    assert_eq!(value("plain"), json!(["a", 1]));
    assert_eq!(value("sum"), json!(2.5));
    assert_eq!(value("choice"), json!({"a": ["1!", "2!"]}));
    assert_eq!(text(&run, "heredoc_again"), "one\ntwo\n");
    assert_eq!(text(&run, "text_again"), "just text");
    assert_eq!(text(&run, "like_a_template_again"), "${path.root}");
    let expected =
        format!("[\n  {LONG},\n  -{LONG},\n  0.1234567890123456789012345678901,\n  1.5\n]");
    assert_eq!(text(&run, "numbers_again"), expected);
    for (name, entered) in strings {
        let output = run.output(&format!("{name}_again")).unwrap();
        assert_eq!((output.kind, &output.value), (OutputType::String, &json!(entered)));
        logged(&run, "input", &format!("warning: the input `{name}`: passed as a string"));
    }
    for (name, _) in values {
        assert!(!run.log("input").contains(&format!("`{name}`: passed")), "{name}");
    }
}

#[tokio::test]
async fn secret_code_is_a_secret_value_or_a_string_where_it_may_not_be_seen() {
    let module = Module::new().echo_sensitive("hcl", None).echo_sensitive("json", None);
    for (reveal, kind) in [(true, OutputType::Code), (false, OutputType::String)] {
        let mut scene = Scene::set(Path::new(PROGRAM), &module, Stage::default()).await;
        let scene = scene.as_mut().unwrap();
        let policy = scene.directory().join("terraform.toml");
        let text = std::fs::read_to_string(&policy).unwrap();
        let text = text.replace("reveal_code = true", &format!("reveal_code = {reveal}"));
        std::fs::write(&policy, text).unwrap();
        scene.begin().unwrap();
        let spec = scene
            .spec()
            .sensitive_input("hcl", InputType::Code, "{ a = \"hunter2\" }")
            .sensitive_input("json", InputType::Code, "{\"a\": \"hunter3\"}");
        let run = scene.execute(spec).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        let [hcl, json] = ["hcl_again", "json_again"].map(|name| run.output(name).unwrap());
        assert!(hcl.is_sensitive && json.is_sensitive);
        assert_eq!((hcl.kind, json.kind), (kind, OutputType::Code));
        let expected = if reveal { "{\n  \"a\": \"hunter2\"\n}" } else { "{ a = \"hunter2\" }" };
        assert_eq!(hcl.value, json!(expected));
        assert_eq!(json.value, json!("{\n  \"a\": \"hunter3\"\n}"));
        if !reveal {
            logged(&run, "input", "warning: the input `hcl`: its text can't be looked at");
        }
        assert!(!crate::all_text(&run).contains("hunter"), "{run:#?}");
    }
}

#[tokio::test]
async fn the_variables_of_the_run_are_declared_and_given_but_for_dry_runs() {
    let names = ["id", "run_id", "run_b64"].map(|name| format!("meshstack_building_block_{name}"));
    // The run token is in the document, and is found in any output: only a part of it can be one.
    let part = format!("try(jsondecode(base64decode(var.{})).metadata.uuid, null)", names[2]);
    let module = Module::new()
        .resource("one")
        .output(&names[0], &format!("var.{}", names[0]))
        .output(&names[1], &format!("var.{}", names[1]))
        .output(&names[2], &part);
    let mut scene = scene(&module).await;
    let show = "cat meshStack_run_vars.tf aaaaaa_meshstack-*.auto.tfvars.json; stat -c '%a %n' *";
    let spec = |scene: &Scene| {
        let spec = scene.terraform().pre_run_script(show);
        blockhouse_emulator::RunSpec::terraform(spec)
    };
    let entered = spec(&scene).input(&*names[0], InputType::String, json!("entered"));
    let run = scene.execute(entered).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    logged(&run, "input", "is not used: the variable comes from the run");
    let log = run.log("pre_run_script");
    for name in &names {
        assert!(log.contains(&format!("variable \"{name}\"")), "{log}");
    }
    assert_eq!(log.matches("nullable    = false").count(), 1, "{log}");
    assert_eq!(log.matches("default     = null").count(), 2, "{log}");
    assert!(log.contains("600 aaaaaa_meshstack-inputs.auto.tfvars.json"), "{log}");
    assert_eq!(text(&run, &names[0]), run.state_address.as_ref().unwrap().block.to_string());
    assert_eq!(text(&run, &names[1]), run.id.to_string());
    assert_eq!(text(&run, &names[2]), run.id.to_string());

    let run = scene.execute(spec(&scene).behavior(Behavior::Detect)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let log = run.log("pre_run_script");
    assert!(log.contains(&format!("\"{}\": \"", names[0])), "{log}");
    assert!(!log.contains(&format!("\"{}\": ", names[1])), "{log}");
    assert!(!log.contains(&format!("\"{}\": ", names[2])), "{log}");

    // What the module declares stays as it is, and so does a file of that name.
    let own = Module::new().echo(&names[0], Some("string")).echo(&names[1], Some("string"));
    let own = own.hcl(&format!("variable \"{}\" {{\n  default = \"\"\n}}", names[2]));
    scene.commit(&own).unwrap();
    let list = scene.terraform().pre_run_script("ls -A");
    let run = scene.execute(blockhouse_emulator::RunSpec::terraform(list)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(!run.log("pre_run_script").contains("meshStack_run_vars.tf"), "{run:#?}");
    assert_eq!(text(&run, &format!("{}_again", names[1])), run.id.to_string());
    let file = module.file(
        "meshStack_run_vars.tf",
        names.iter().fold(String::new(), |text, name| {
            text + &format!("variable \"{name}\" {{ # theirs\n  default = null\n}}\n")
        }),
    );
    scene.commit(&file).unwrap();
    let run = scene.execute(spec(&scene)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.log("pre_run_script").matches("# theirs").count(), 3);
}
