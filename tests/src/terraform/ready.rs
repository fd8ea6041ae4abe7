//! What tests throw at a runner: values, names and configurations that do harm where somebody is careless.

/// Texts that must arrive in Terraform, and come back, as they are.
pub const HOSTILE_TEXTS: &[&str] = &[
    "",
    " ",
    "plain",
    "\"quotes\" and 'single' ones and `ticks`",
    "back\\slash \\n \\u0041 \\\\",
    "${path.root} $${escaped} %{ if true }x%{ endif } %%{escaped}",
    "$(touch /tmp/pwned) ; touch /tmp/pwned | & < > * ? ~ ! # %PATH%",
    "line one\nline two\r\nline three\n",
    "\ttab and \u{7f} delete and \u{1} control",
    "<<EOT\nheredoc\nEOT\n",
    "-var=x=y",
    "null",
    "true",
    "00123",
    "12345678901234567890123456789012345678901234567890",
    "1e400",
    "{\"json\": [1, 2.50, \"${x}\"]}",
    "ümläut 日本語 🧱 e\u{301} \u{202e}right to left\u{2028}line separator",
    "// comment /* and */ # another",
    "</script><!-- & &amp;",
    "\u{feff}begins with a byte order mark",
];

/// Names of `FILE` inputs that must be refused.
pub const HOSTILE_FILE_NAMES: &[&str] = &[
    "",
    ".",
    "..",
    "../outside",
    "../../../../../../../../tmp/pwned",
    "/tmp/pwned",
    "folder/file",
    "folder\\file",
    "C:\\file",
    "C:file",
    "\\\\server\\share\\file",
    "file\0name",
    "file\nname",
    "file:stream",
    "NUL",
    "con.tfvars",
    "COM1",
    "lpt9.txt",
    "trailing.",
    "trailing ",
];

/// A configuration that is meant to use up who reads it.
#[derive(Clone, Debug)]
pub struct Bomb {
    /// What it does.
    pub name: &'static str,
    /// The text of `main.tf`.
    pub text: String,
}

/// Configurations that are meant to use up who reads them. A size of 10 000 is tens of kilobytes each.
#[must_use]
pub fn bombs(size: usize) -> Vec<Bomb> {
    let nested = |open: &str, close: &str| {
        format!("locals {{\n  x = {}1{}\n}}\n", open.repeat(size), close.repeat(size))
    };
    let doubled: String = (1..40)
        .map(|step| format!("  x{step} = \"${{local.x{0}}}${{local.x{0}}}\"\n", step - 1))
        .collect();
    vec![
        Bomb { name: "nested parentheses", text: nested("(", ")") },
        Bomb { name: "nested lists", text: nested("[", "]") },
        Bomb { name: "nested objects", text: nested("{ a = ", " }") },
        Bomb { name: "nested templates", text: nested("\"${", "}\"") },
        Bomb { name: "nested conditions", text: nested("true ? 1 : ", "") },
        Bomb { name: "many operators", text: nested("-", "") },
        Bomb { name: "long sum", text: format!("locals {{\n  x = 1{}\n}}\n", " + 1".repeat(size)) },
        Bomb {
            name: "nested blocks",
            text: format!("{}{}", "a {\n".repeat(size), "}\n".repeat(size)),
        },
        Bomb { name: "open blocks", text: "a {\n".repeat(size) },
        Bomb {
            name: "doubled texts",
            text: format!("locals {{\n  x0 = \"xxxxxxxxxx\"\n{doubled}}}\n"),
        },
        Bomb { name: "endless heredoc", text: format!("x = <<EOT\n{}", "line\n".repeat(size)) },
        Bomb { name: "endless comment", text: format!("/*{}", "/* ".repeat(size)) },
        Bomb { name: "long name", text: format!("{} = 1\n", "a".repeat(size * 10)) },
        Bomb {
            name: "many attributes",
            text: (0..size).map(|at| format!("a{at} = 1\n")).collect(),
        },
    ]
}
