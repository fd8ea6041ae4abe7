//! `FILE` inputs.

use super::{logged, text};
use crate::assert_ended;
use crate::terraform::{all, scene};
use blockhouse_emulator::{InputType, RunSpec, RunState, data_url};
use blockhouse_tests::terraform::{HOSTILE_FILE_NAMES, Module};
use data_encoding::BASE64;
use serde_json::json;
use std::path::Path;

#[tokio::test]
async fn files_have_their_content_and_are_for_their_owner_only() {
    let module = Module::new()
        .file("from-repository.txt", "old")
        .file("run.sh", "old")
        .read_file("binary", "data file.bin")
        .read_file("replaced", "from-repository.txt")
        .read_file("empty", "empty.txt")
        .read_file("named", "日本語 'x' $(id) ${x} %{y}.txt")
        .output("secret", "sha256(file(\"${path.root}/secret.txt\"))")
        .output("more", "local.more");
    let mut scene = scene(&module).await;
    let script = "stat -c '%a %F %n' *; [ \"$(cat secret.txt | tr a-z b-za)\" = ivoufs2 ]";
    let binary: Vec<u8> = (0..=255).collect();
    let spec = RunSpec::terraform(scene.terraform().pre_run_script(script))
        .file_input("data file.bin", &binary)
        .file_input("from-repository.txt", b"new")
        .file_input("empty.txt", b"")
        .file_input("日本語 'x' $(id) ${x} %{y}.txt", b"hostile name")
        .file_input("more.tf", b"locals {\n  more = \"is configuration\"\n}\n")
        .sensitive_file_input("secret.txt", b"hunter2")
        .input("left-out.txt", InputType::File, json!(null));
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let decoded = |name: &str| BASE64.decode(text(&run, name).as_bytes()).unwrap();
    assert_eq!(decoded("binary"), binary);
    assert_eq!(decoded("replaced"), b"new");
    assert_eq!(decoded("empty"), b"");
    assert_eq!(decoded("named"), b"hostile name");
    assert_eq!(text(&run, "more"), "is configuration");
    let of_hunter2 = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    assert_eq!(text(&run, "secret"), of_hunter2);
    for name in ["data file.bin", "from-repository.txt", "secret.txt"] {
        logged(&run, "pre_run_script", &format!("600 regular file {name}"));
    }
    assert!(!run.log("pre_run_script").contains("left-out"), "{run:#?}");
    logged(
        &run,
        "input",
        "`from-repository.txt` becomes a file, which replaces one of the repository",
    );
    logged(&run, "input", "the input `data file.bin` becomes a file\n");
    assert!(!crate::all_text(&run).contains("hunter2"));
}

#[tokio::test]
async fn hostile_names_are_refused_and_write_nothing() {
    let module = Module::new().resource("one").file("folder/file", "x");
    let mut scene = scene(&module).await;
    let more = [".terraform", "terraform.tfstate.d", "folder", "meshStack_run_vars.tf"];
    let more = more.iter().chain(&["aaaaaa_meshstack-inputs.auto.tfvars.json"]);
    let names: Vec<_> = HOSTILE_FILE_NAMES.iter().chain(more).collect();
    let script = "echo 'the script was run'";
    let specs: Vec<_> = names
        .iter()
        .map(|name| {
            let spec = RunSpec::terraform(scene.terraform().pre_run_script(script));
            spec.file_input(**name, b"pwned by a file input")
        })
        .collect();
    let runs = all(&mut scene, specs).await;
    for (name, run) in names.iter().zip(&runs) {
        assert_ended(run, RunState::Failed);
        assert!(!crate::all_text(run).contains("the script was run"), "{name:?}: {run:#?}");
        let all = crate::all_text(run);
        let is_said = all.contains("file") || all.contains("input");
        assert!(is_said, "{name:?} is refused without a word: {run:#?}");
    }
    for outside in ["/tmp/pwned", "/tmp/outside"] {
        assert!(!Path::new(outside).exists());
    }
    let left = walk(&scene.state());
    assert!(!left.iter().any(|content| content == b"pwned by a file input"), "it was written");
}

/// The contents of all files.
fn walk(directory: &Path) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => contents.extend(walk(&path)),
            _ => contents.extend(std::fs::read(&path)),
        }
    }
    contents
}

#[tokio::test]
async fn files_that_are_none_or_go_into_the_environment_are_errors() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let url = data_url("text/plain", b"x");
    let specs = [
        scene.spec().environment_input("a.txt", InputType::File, json!(url)),
        scene.spec().input("a.txt", InputType::File, json!("no data URL")),
        scene.spec().input("a.txt", InputType::File, json!("data:text/plain;base64,***")),
        scene.spec().sensitive_input("a.txt", InputType::File, "no data URL hunter2"),
        scene.spec().sensitive_file_input("a.tf", b"locals {}"),
        scene.spec().file_input("a.tf", b"locals {"),
    ];
    let runs = all(&mut scene, specs).await;
    let words = [
        "meant for the environment",
        "no data URL",
        "not in base64",
        "a.txt",
        "is sensitive",
        "`a.tf`, line",
    ];
    for (words, run) in words.iter().zip(&runs) {
        assert_ended(run, RunState::Failed);
        assert!(run.told("input").contains(words), "no `{words}`: {run:#?}");
        assert!(!crate::all_text(run).contains("hunter2"), "{run:#?}");
    }
}
