use super::*;

fn scan_one(name: &str, text: &str) -> Result<Configuration, ConfigurationError> {
    scan([(name, text.as_bytes())])
}

fn has_backend(name: &str, text: &str) -> bool {
    scan_one(name, text).unwrap().has_backend
}

#[test]
fn a_backend_is_found_wherever_it_can_be() {
    for text in [
        "terraform {\n  backend \"s3\" {}\n}",
        "terraform {\n  backend \"http\" { address = \"x\" }\n}\n",
        "terraform { # x\n  required_version = \">= 1\"\n}\nterraform {\n  backend \"local\" {\n  }\n}\n",
        "terraform {\r\n  cloud {\r\n    organization = \"x\"\r\n  }\r\n}\r\n",
        "\u{feff}terraform {\n  backend s3 {\n }\n}",
        "/* { */ terraform /* \" */ {\n backend /* x */ \"s3\" {\n}\n}",
        "locals {\n a = <<EOT\n}\nEOT\n}\nterraform {\n backend \"s3\" {}\n}",
    ] {
        assert!(has_backend("main.tf", text), "{text}");
    }
    for text in [
        r#"{"terraform":{"backend":{"s3":{}}}}"#,
        r#"{"terraform":[{"required_version":"1"},{"backend":[{"s3":[{}]}]}]}"#,
        r#"{"terraform":{},"terraform":{"cloud":{}}}"#,
        r#"[{"terraform":{"backend":{"s3":{"bucket":"x"}}}}]"#,
    ] {
        assert!(has_backend("main.tf.json", text), "{text}");
    }
}

#[test]
fn what_only_looks_like_a_backend_is_none() {
    for text in [
        "",
        "\n",
        "# terraform {\n#   backend \"s3\" {}\n# }\n",
        "// terraform {\n//   backend \"s3\" {}\n// }",
        "/*\nterraform {\n  backend \"s3\" {}\n}\n*/",
        "terraform {\n  # backend \"s3\" {}\n  /* cloud {} */\n}",
        "locals {\n  a = \"terraform {\\n backend {} }\"\n}",
        "locals {\n  a = <<EOT\nterraform {\n  backend \"s3\" {}\n}\nEOT\n}",
        "locals {\n  a = <<-EOT\n  terraform {\n    backend \"s3\" {}\n  }\n  EOT\n}",
        "backend \"s3\" {}\ncloud {}",
        "resource \"x\" \"terraform\" {\n  backend \"s3\" {}\n}",
        "module \"m\" {\n  terraform {\n    backend \"s3\" {}\n  }\n}",
        "terraform {\n  required_providers {\n    backend = { source = \"a/b\" }\n  }\n}",
    ] {
        assert!(!has_backend("main.tf", text), "{text}");
    }
    for text in [
        "{}",
        r#"{"//":{"terraform":{"backend":{"s3":{}}}}}"#,
        r#"{"terraform":{"//":"backend","backend":{}}}"#,
        r#"{"terraform":{"backend":null,"cloud":[]}}"#,
        r#"{"terraform":{"backend":{"s3":null}}}"#,
        r#"{"locals":{"terraform":{"backend":{"s3":{}}}}}"#,
        r#"{"terraform":"backend"}"#,
    ] {
        assert!(!has_backend("main.tf.json", text), "{text}");
    }
}

#[test]
fn variables_are_found_with_what_matters_about_them() {
    let text = "variable \"a\" {}\nvariable \"b\" {\n  type = string\n  default = null\n}\nvariable c { type = number }\n\
                variable \"d\" { type = \"string\" }\nvariable \"e\" {\n  type = list(string)\n  validation {\n    \
                condition = var.e != \"\"\n    error_message = \"no\"\n  }\n}\nlocals {\n x = \"variable \\\"f\\\" {}\"\n}";
    let json = r#"{"variable":{"g":{"type":"string","default":"x"},"h":[{"type":"${string}"}],"i":{},"//":{}},
                   "variable":[{"j":{"type":"any"}}]}"#;
    let found = scan([("main.tf", text.as_bytes()), ("x.tf.json", json.as_bytes())]).unwrap();
    let told: Vec<_> =
        found.variables.iter().map(|(name, v)| (name.as_str(), v.is_text, v.has_default)).collect();
    assert_eq!(
        told,
        [
            ("a", false, false),
            ("b", true, true),
            ("c", false, false),
            ("d", true, false),
            ("e", false, false),
            ("g", true, true),
            ("h", true, false),
            ("i", false, false),
            ("j", false, false),
        ]
    );
}

#[test]
fn override_files_come_last_and_win() {
    let names: Vec<_> = ["z.tf", "a_override.tf", "override.tf.json", "b.tf.json", "n.tofu"]
        .map(str::to_owned)
        .into();
    assert_eq!(files(&names, false), ["b.tf.json", "z.tf", "a_override.tf", "override.tf.json"]);
    let found = scan([
        ("z.tf", "variable \"x\" {\n type = list(string)\n default = []\n}".as_bytes()),
        (
            "override.tf",
            b"variable \"x\" {\n type = string\n}\nterraform {\n  backend \"s3\" {}\n}",
        ),
    ]);
    let found = found.unwrap();
    assert_eq!(found.variables["x"], Declaration { has_default: true, is_text: true });
    assert!(found.has_backend);
}

#[test]
fn only_what_the_tool_reads_is_read() {
    let names = [
        ".hidden.tf",
        "#x.tf#",
        "README.md",
        "a.tf",
        "a.tf~",
        "a.tofu",
        "b.tf.json",
        "b.tofu.json",
        "c.tf.bak",
        "d.tf",
        "main.tfvars",
        "x.tfvars.json",
    ];
    let names: Vec<_> = names.map(str::to_owned).into();
    assert_eq!(files(&names, false), ["a.tf", "b.tf.json", "d.tf"]);
    assert_eq!(files(&names, true), ["a.tofu", "b.tofu.json", "d.tf"]);
}

#[test]
fn mistakes_have_a_file_and_a_place() {
    for (name, text, start) in [
        ("main.tf", "a {\n  b = \n}\n", "`main.tf`, line 2,"),
        ("main.tf", "terraform {\n", "`main.tf`, line "),
        ("main.tf", "x = \"${\n", "`main.tf`, line "),
        ("x.tf.json", "{\n \"a\": }", "`x.tf.json`, line 2, column 7"),
        ("x.tf.json", "", "`x.tf.json`, line 1"),
        ("x.tf.json", &"[".repeat(100_000), "`x.tf.json`, line 1"),
    ] {
        let error = scan_one(name, text).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
    let error = scan([("main.tf", &b"a = \"\xff\""[..])]).unwrap_err().to_string();
    assert_eq!(error, "`main.tf` could not be read: it is not UTF-8");
}

#[test]
fn bombs_are_refused_or_read_without_overflowing_the_stack() {
    for (open, close) in [
        ("a {\n", "}\n"),
        ("x = [", "]\n"),
        ("x = \"${", "}\"\n"),
        ("x = ", "\n"),
        ("x = <<E\n${", "}\nE\n"),
        ("x = -", "1\n"),
        ("x = {a=", "}\n"),
        ("x = \"%{if a}", "%{endif}\"\n"),
        ("x = \"%{for a in b}", "%{endfor}\"\n"),
        ("x = f(", ")\n"),
    ] {
        let text = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        assert!(scan_one("main.tf", &text).is_err(), "{open}");
    }
    let large = vec![b'\n'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    assert!(matches!(scan([("main.tf", &large[..])]), Err(ConfigurationError::Large)));
    let many = (0..=FILES_MAX).map(|_| ("main.tf", &b""[..]));
    assert!(matches!(scan(many), Err(ConfigurationError::Large)));
    let nine = (0..9).map(|_| ("main.tf", &large[1..]));
    assert!(matches!(scan(nine), Err(ConfigurationError::Large)));
}

/// What Terraform 1.11 formats without complaint must be read here, too: a configuration that is refused can't be run at all.
#[test]
fn the_language_is_understood() {
    let text = include_str!("tests/language.tf");
    let found = scan_one("language.tf", text).unwrap();
    assert_eq!(found.variables.keys().collect::<Vec<_>>(), ["complex", "last"]);
    assert!(found.has_backend);
    assert_eq!(scan_one("language.tf", &text.replace('\n', "\r\n")).unwrap(), found);
}
