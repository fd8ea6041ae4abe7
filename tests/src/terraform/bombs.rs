//! Configurations that are meant to use up who reads them: [`bombs`].

/// One of them.
#[derive(Clone, Debug)]
pub struct Bomb {
    /// What it does.
    pub name: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// The text of it.
    pub text: String,
    /// What the run must say of it: a limit, or what is wrong and where.
    pub says: &'static str,
}

/// The largest file that is read, and room for what is around.
const FILE_BYTES: usize = (2 << 20) - 200;
/// How deep things are nested in each other, if that fits into the file.
const LEVELS: usize = 200_000;

const DEEP: &str = "nesting depth; expected at most 64 nested levels";
const DEEP_JSON: &str = "`main.tf.json`, line 1, column 1: it is nested deeper than 64 levels";
const CHAINED: &str = "at most 128 chained binary operators";
const WRONG: &str = "The configuration can't be read: `main.tf`, line ";
const LARGE: &str = "it has a file of more than 2 MiB";
const MEMORY: &str = "because it used too much memory";
/// The tool has read it all, and refuses it.
const TOOL: &str = "failed with exit code 1";

/// Configurations that are meant to use up who reads them, most of them of two megabytes. None of them can be run, if Terraform may have
/// 512 MiB.
#[must_use]
pub fn bombs() -> Vec<Bomb> {
    let mut bombs = deep();
    bombs.extend(endless());
    bombs.extend(many());
    bombs.extend(small_to_read());
    bombs
}

fn native(name: &'static str, says: &'static str, text: String) -> Bomb {
    Bomb { name, file: "main.tf", text, says }
}

fn json(name: &'static str, says: &'static str, text: String) -> Bomb {
    Bomb { name, file: "main.tf.json", text, says }
}

fn local(value: &str) -> String {
    format!("locals {{\n  x = {value}\n}}\n")
}

/// As often as it fits into the file that is read.
fn repeated(text: &str) -> String {
    text.repeat(FILE_BYTES / text.len())
}

/// As many of these lines as fit into the file that is read.
fn lines(line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() > FILE_BYTES {
            break;
        }
        text.push_str(&line);
    }
    text
}

fn nested(open: &str, close: &str) -> String {
    let levels = LEVELS.min(FILE_BYTES / (open.len() + close.len()));
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

fn deep() -> Vec<Bomb> {
    let expressions = [
        ("nested parentheses", "(", ")"),
        ("nested lists", "[", "]"),
        ("nested objects", "{a=", "}"),
        ("nested templates", "\"${", "}\""),
        ("nested conditions", "a?1:", ""),
        ("nested calls", "f(", ")"),
        ("nested indices", "a[", "]"),
        ("nested directives", "\"%{if a}", "%{endif}\""),
        ("nested loops", "[for a in ", ":a]"),
        ("many signs", "-", ""),
    ];
    let expressions = expressions
        .map(|(name, open, close)| native(name, DEEP, local(&nested(open, close))))
        .into_iter();
    let others = [
        native("a long sum", CHAINED, local(&nested("1 + ", ""))),
        native("a long condition", CHAINED, local(&nested("a && ", ""))),
        native("nested blocks", DEEP, "a {\n".repeat(LEVELS) + &"}\n".repeat(LEVELS)),
        native("open blocks", DEEP, repeated("a {\n")),
        json("nested lists in JSON", DEEP_JSON, format!("{{\"x\":{}}}", nested("[", "]"))),
        json("nested objects in JSON", DEEP_JSON, nested("{\"a\":", "}")),
    ];
    expressions.chain(others).collect()
}

fn endless() -> Vec<Bomb> {
    let text = |bytes| format!("\"{}\"", "x".repeat(bytes));
    vec![
        native("an endless heredoc", WRONG, format!("x = <<EOT\n{}", repeated("line\n"))),
        native("an endless comment", WRONG, format!("/*{}", repeated("/* "))),
        native("an endless text in one line", WRONG, format!("x = \"{}", repeated("x"))),
        native("a number of megabytes", WRONG, local(&repeated("9"))),
        native("a name of megabytes", TOOL, format!("{} = 1\n", repeated("a"))),
        native("a line of megabytes", LARGE, local(&text(3 << 20))),
        json("JSON of megabytes", LARGE, format!("{{\"x\":{}}}", text(3 << 20))),
    ]
}

fn many() -> Vec<Bomb> {
    let keys = |line: &dyn Fn(usize) -> String| local(&format!("{{\n{}}}", lines(line)));
    vec![
        native("many blocks", MEMORY, lines(|number| format!("a{number} {{}}\n"))),
        native("many attributes", MEMORY, lines(|number| format!("a{number} = 1\n"))),
        native(
            "many variables",
            "1048576 bytes",
            lines(|number| format!("variable \"a{number}\" {{}}\n")),
        ),
        native("many keys", "limit.cpu", keys(&|number| format!("a{number} = 1\n"))),
        native("equal keys", WRONG, keys(&|_| "a = 1\n".to_owned())),
        native("many interpolations", MEMORY, local(&format!("\"{}\"", repeated("${a}")))),
        native("a long path", MEMORY, local(&(repeated("a.") + "a"))),
    ]
}

/// What is large only when it is computed.
fn small_to_read() -> Vec<Bomb> {
    let doubled: String = (1..40)
        .map(|step| format!("  x{step} = \"${{local.x{0}}}${{local.x{0}}}\"\n", step - 1))
        .collect();
    let output = |value: &str| format!("output \"x\" {{\n  value = {value}\n}}\n");
    let doubled = format!("locals {{\n  x0 = \"xxxxxxxxxx\"\n{doubled}}}\n{}", output("local.x39"));
    let loops = (0..5).fold("1".to_owned(), |inner, _| format!("[for a in range(1000) : {inner}]"));
    vec![
        native("doubled texts", MEMORY, doubled),
        native("loops within loops", MEMORY, output(&loops)),
        native("a huge exponent", WRONG, local("1e999999999")),
        json(
            "a huge exponent in JSON",
            TOOL,
            "{\"output\":{\"x\":{\"value\":1e999999999}}}".to_owned(),
        ),
        json(
            "a huge exponent in a template",
            TOOL,
            "{\"output\":{\"x\":{\"value\":\"${1e999999999}\"}}}".to_owned(),
        ),
    ]
}
