use super::*;
use crate::data_url;
use crate::run_variables;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

mod computed;
mod host;

const TERRAFORM: &str = "/usr/local/bin/terraform";

/// What hostile people enter.
const TEXTS: &[&str] = &[
    "",
    " ",
    "plain",
    "${var.other}",
    "$${var.other} $$${x} %{if true} %%{for}",
    "\"quoted\" 'single' \\ \\n \\\" \\u0041 \\",
    "a\nb\r\nc\td\n",
    "\u{0}\u{1}\u{1b}[31m\u{7f}\u{85}\u{feff}\u{fffe}",
    "é ü 中文 😀 \u{2028}\u{2029} \u{202e}rtl",
    "</script>&<>",
    "/* a */ // b # c",
    "<<EOT\nx\nEOT",
    "true",
    "null",
    "123",
    "{\"a\":1}",
    "[1",
    "}",
    "\"}\n,\"injected\":\"x",
];

fn value<'a>(name: &'a str, kind: Kind, value: Entered<'a, &'a str>) -> Value<'a, &'a str> {
    Value { name, kind, value }
}

fn declaring(names: &[(&str, bool, bool)]) -> Configuration {
    let declared = names.iter().map(|(name, is_text, has_default)| {
        ((*name).to_owned(), Declaration { has_default: *has_default, is_text: *is_text })
    });
    Configuration { has_backend: false, variables: declared.collect() }
}

fn refuse(_: &str) -> Result<String, String> {
    Err("no grant".to_owned())
}

fn reveal(secret: &str) -> Result<String, String> {
    Ok(secret.to_owned())
}

/// The file as the host writes it, with what was noted.
fn written(values: &[Value<'_, &str>], configuration: &Configuration) -> (String, Vec<String>) {
    let (parts, notes) = variables_file(values, Vec::new(), configuration, refuse);
    (host::join(&parts), notes)
}

fn one(kind: Kind, entered: Entered<'_, &str>, is_text: bool) -> String {
    let (file, _) = written(&[value("x", kind, entered)], &declaring(&[("x", is_text, false)]));
    file.trim_start_matches("{\n  \"x\": ").trim_end_matches("\n}\n").to_owned()
}

#[test]
fn each_kind_has_its_form() {
    for (kind, entered, expected, expected_as_text) in [
        (Kind::Text, Entered::Text("5"), r#""5""#, r#""5""#),
        (Kind::Text, Entered::Json("\"a\""), r#""a""#, r#""a""#),
        (Kind::Text, Entered::Json("5"), r#""5""#, r#""5""#),
        (Kind::Text, Entered::Secret("a\"b"), r#""a\"b""#, r#""a\"b""#),
        (Kind::List, Entered::Json(r#"["x"]"#), r#"["x"]"#, r#""[\"x\"]""#),
        (Kind::List, Entered::Json(r#""[ \"x\" ]""#), r#"["x"]"#, r#""[\"x\"]""#),
        (Kind::List, Entered::Json(r#""{ a = 1 }""#), r#"{"a":1}"#, r#""{\"a\":1}""#),
        (
            Kind::Plain,
            Entered::Json("12345678901234567890"),
            "12345678901234567890",
            r#""12345678901234567890""#,
        ),
        (Kind::Plain, Entered::Json("true"), "true", r#""true""#),
        (Kind::Plain, Entered::Secret("7"), "7", r#""7""#),
        (Kind::Plain, Entered::Text("?"), r#""?""#, r#""?""#),
        (Kind::MultiSelect, Entered::Json(r#"[ "a", "b" ]"#), r#"["a","b"]"#, r#""[\"a\",\"b\"]""#),
        (Kind::MultiSelect, Entered::Secret(r#"["a"]"#), r#"["a"]"#, r#""[\"a\"]""#),
        (Kind::Code, Entered::Text("{ a = 1e400 }"), r#""{ a = 1e400 }""#, r#""{ a = 1e400 }""#),
        (Kind::Code, Entered::Text("{ a = [1.10] }"), r#"{"a":[1.10]}"#, r#""{\"a\":[1.10]}""#),
        (Kind::Code, Entered::Text("{\"b\":1,\"b\":2}"), r#"{"b":2}"#, r#""{\"b\":2}""#),
        (Kind::Code, Entered::Text("\"a\""), r#""a""#, r#""a""#),
        (Kind::Code, Entered::Text("var.x"), r#""var.x""#, r#""var.x""#),
        (Kind::Code, Entered::Json("[1]"), "[1]", r#""[1]""#),
        (Kind::Code, Entered::Secret("[1]"), "[1]", r#""[1]""#),
        (Kind::Code, Entered::Secret("a: b"), r#""a: b""#, r#""a: b""#),
    ] {
        assert_eq!(one(kind, entered, false), expected, "{entered:?}");
        assert_eq!(one(kind, entered, true), expected_as_text, "{entered:?}");
    }
}

#[test]
fn what_becomes_a_string_against_its_will_is_noted() {
    for (entered, is_text, expected) in [
        (Entered::Text("[1]"), false, None),
        (
            Entered::Text("var.secret"),
            false,
            Some("the input `x`: passed as a string: it has references"),
        ),
        (
            Entered::Text("a: b"),
            false,
            Some(
                "the input `x`: passed as a string: it is neither JSON nor HCL (line 1, column 2)",
            ),
        ),
        (Entered::Text("a: b"), true, None),
        (
            Entered::Secret("[1]"),
            false,
            Some("the input `x`: its text can't be looked at (no grant)"),
        ),
    ] {
        let (_, notes) =
            written(&[value("x", Kind::Code, entered)], &declaring(&[("x", is_text, false)]));
        match expected {
            Some(expected) => {
                assert!(notes.len() == 1 && notes[0].starts_with(expected), "{notes:?}")
            }
            None => assert!(notes.is_empty(), "{notes:?}"),
        }
    }
    let digits = "9".repeat(DIGITS_MAX + 1);
    let (_, notes) =
        written(&[value("x", Kind::Plain, Entered::Json(&digits))], &Configuration::default());
    assert!(notes[0].contains("rounds"), "{notes:?}");
}

#[test]
fn secret_code_is_parsed_where_it_may_be_seen_and_not_noted() {
    let values = [value("x", Kind::Code, Entered::Secret("{ a = 1 }"))];
    let (parts, notes) = variables_file(&values, Vec::new(), &Configuration::default(), reveal);
    assert_eq!(host::join(&parts), "{\n  \"x\": {\"a\":1}\n}\n");
    assert!(notes.is_empty());
}

#[test]
fn what_was_left_out_is_left_to_its_default() {
    let values = [
        value("a", Kind::Text, Entered::Json("null")),
        value("b", Kind::Plain, Entered::Json("null")),
    ];
    let (file, _) = written(&values, &declaring(&[("a", true, true), ("b", false, false)]));
    assert_eq!(file, "{\n  \"b\": null\n}\n");
}

#[test]
fn nobody_speaks_for_the_run() {
    let configuration = Configuration::default();
    let values = [value("meshstack_building_block_id", Kind::Text, Entered::Text("forged"))];
    let run = run_variables::values("block", "run", false, &configuration);
    let (parts, notes) = variables_file(&values, run, &configuration, refuse);
    let file = host::join(&parts);
    assert!(
        !file.contains("forged") && file.contains("\"meshstack_building_block_id\": \"block\"")
    );
    assert_eq!(notes.len(), 1);
}

#[test]
fn hostile_texts_and_names_stay_inside_their_strings() {
    for text in TEXTS {
        let values = [
            value(text, Kind::Text, Entered::Text(text)),
            value("s", Kind::Text, Entered::Secret(text)),
        ];
        let (file, _) = written(&values, &Configuration::default());
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&file).unwrap();
        assert_eq!(
            (read[*text].as_str(), read["s"].as_str(), read.len()),
            (Some(*text), Some(*text), 2)
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a test of what the real tool makes of the file")]
fn terraform(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(TERRAFORM);
    command.env_clear().env("HOME", directory).env("CHECKPOINT_DISABLE", "1");
    command.current_dir(directory).args(arguments).output().unwrap()
}

/// What the real Terraform makes of the values: the outputs of a configuration that passes them through, with `more` in it.
fn through_terraform(
    values: &[Value<'_, &str>],
    types: &str,
    more: &str,
) -> Option<BTreeMap<String, Literal>> {
    if !Path::new(TERRAFORM).exists() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let blocks = values.iter().map(|Value { name, .. }| {
        format!(
            "variable \"{name}\" {{\n{types}}}\noutput \"{name}\" {{\n  value = var.{name}\n}}\n"
        )
    });
    let main: String = blocks.collect();
    let configuration = crate::configuration::scan([("main.tf", main.as_bytes())]).unwrap();
    let run = run_variables::values("block-id", "run-id", false, &configuration);
    let (parts, _) = variables_file(values, run, &configuration, reveal);
    write(crate::file_name::VARIABLES, &host::join(&parts));
    write(
        crate::file_name::RUN_VARIABLES,
        &run_variables::declarations(&configuration, "1.11.4").unwrap(),
    );
    let run_outputs = "output \"run\" {\n  value = [var.meshstack_building_block_id, var.meshstack_building_block_run_id, var.meshstack_building_block_run_b64]\n}\n";
    write("main.tf", &format!("{main}{run_outputs}{more}"));

    let applied =
        terraform(directory.path(), &["apply", "-input=false", "-no-color", "-auto-approve"]);
    let told = String::from_utf8_lossy(&applied.stdout) + String::from_utf8_lossy(&applied.stderr);
    assert!(applied.status.success() && !told.contains("Warning"), "{told}");
    let outputs = terraform(directory.path(), &["output", "-json"]);
    let Ok(Literal::Object(outputs)) =
        Literal::from_json(std::str::from_utf8(&outputs.stdout).unwrap())
    else {
        panic!("{told}")
    };
    let of = |output: Literal| match output {
        Literal::Object(fields) => fields.into_iter().find(|(key, _)| key == "value").unwrap().1,
        _ => panic!("{told}"),
    };
    Some(outputs.into_iter().map(|(name, output)| (name, of(output))).collect())
}

#[test]
fn texts_arrive_in_terraform_byte_for_byte() {
    let names: Vec<_> = (0..TEXTS.len()).map(|index| format!("v{index}")).collect();
    for (kind, types) in
        [(Kind::Text, ""), (Kind::Text, "  type = string\n"), (Kind::Code, "  type = string\n")]
    {
        let quoted: Vec<_> = TEXTS.iter().map(|text| quoted(text)).collect();
        let texts = TEXTS.iter().zip(&quoted).map(|(text, quoted)| match kind {
            Kind::Code => quoted.as_str(),
            _ => *text,
        });
        for is_secret in [false, true] {
            let values: Vec<_> = texts
                .clone()
                .zip(&names)
                .map(|(text, name)| {
                    value(
                        name,
                        kind,
                        if is_secret { Entered::Secret(text) } else { Entered::Text(text) },
                    )
                })
                .collect();
            let Some(outputs) = through_terraform(&values, types, "") else { return };
            for (text, name) in TEXTS.iter().zip(&names) {
                assert_eq!(
                    outputs[name],
                    Literal::Text((*text).to_owned()),
                    "{kind:?} {types} {is_secret}"
                );
            }
            assert_eq!(outputs["run"].to_json(), r#"["block-id","run-id","cnVu"]"#);
        }
    }
}

#[test]
fn structures_and_numbers_arrive_in_terraform_as_entered() {
    let long = "9".repeat(DIGITS_MAX);
    let huge = format!("1{}", "0".repeat(400));
    let cases = [
        (Kind::Plain, Entered::Json(&long), long.as_str()),
        (Kind::Plain, Entered::Json("1e400"), &huge),
        (Kind::Plain, Entered::Json("0.1"), "0.1"),
        (
            Kind::Plain,
            Entered::Json("0.1000000000000000055511151231257827"),
            "0.1000000000000000055511151231257827",
        ),
        (Kind::Plain, Entered::Json("-9223372036854775809"), "-9223372036854775809"),
        (Kind::Plain, Entered::Json("false"), "false"),
        (
            Kind::MultiSelect,
            Entered::Json(r#"["${a}","b\"c","%{d}"]"#),
            r#"["${a}","b\"c","%{d}"]"#,
        ),
        (
            Kind::Code,
            Entered::Text(r#"{"k ${x}":{"//":"no comment","n":[1,null,true,"$${y}"]}}"#),
            r#"{"k ${x}":{"//":"no comment","n":[1,null,true,"$${y}"]}}"#,
        ),
        (Kind::Code, Entered::Text("# c\n{ k = <<E\n$${x}\nE\n }\n"), r#"{"k":"${x}\n"}"#),
        (Kind::Code, Entered::Text("[1, 2, /* d */ - 3,]"), "[1,2,-3]"),
        (Kind::Code, Entered::Text("[file(\"/etc/passwd\")]"), r#""[file(\"/etc/passwd\")]""#),
    ];
    let names: Vec<_> = (0..cases.len()).map(|index| format!("v{index}")).collect();
    let named = cases.iter().zip(&names);
    let values: Vec<_> =
        named.clone().map(|((kind, entered, _), name)| value(name, *kind, *entered)).collect();
    let Some(outputs) = through_terraform(&values, "", "") else { return };
    for ((_, _, expected), name) in named {
        assert_eq!(outputs[name].to_json(), *expected, "{name}");
    }
}

#[test]
fn files_and_the_document_are_bytes() {
    assert_eq!(
        host::bytes(&[Part::SecretContent("data:;base64,AP8="), Part::Bytes(vec![1])]),
        [0, 255, 1]
    );
    assert!(data_url::decode("data:;base64,AP8=").is_ok());
}
