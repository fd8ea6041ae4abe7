use super::*;
use crate::mistake::Mistake;

mod hostile;
mod values;

const FULL: &str = r#"
description = "Everything at once."

[limits]
reason = "r"
fuel = 500
memory_mib = 64
wall_time = "30m"
log_kib = 256
log_total_mib = 64
message_kib = 16
outputs_kib = 1024
steps = 100
component_mib = 32
handles = 4096
table_elements = 20000
host_call_mib = 8
http_requests = 1000
http_sent_mib = 64
http_received_mib = 256
http_connections = 8
tenant_runs = 4

[[http]]
reason = "r"
hosts = ["api.github.com", "*.example.com", "10.0.0.1"]
schemes = ["https"]
ports = [443, "8000-8100"]
private = ["10.1.0.0/16"]
ca_file = "corp-ca.pem"
client_certificate = { certificate_file = "c.pem", key_file = "k.pem" }
headers = [{ name = "Authorization", secret = "token", prefix = "Bearer " }]

[files]
reason = "r"
work = "read-write"
quota_mib = 100
quota_files = 1000

[[secrets.reveal]]
reason = "r"
keys = ["token"]

[[secrets.use]]
reason = "r"
keys = ["token", "db_*"]
in = ["outputs", "http", "jwt", "terraform"]
hosts = ["api.github.com"]

[[run_document]]
reason = "r"
hosts = ["api.github.com"]

[configuration]
reason = "r"
values = { region = "eu", endpoint = "https://api.example.com" }

[terraform]
reason = "r"
verbs = ["plan", "apply", "destroy"]
tools = ["terraform", "tofu"]
versions = [">=1.5, <2"]
repositories = ["https://github.com/acme/*"]
providers = ["registry.terraform.io/hashicorp/*"]
modules = ["registry.terraform.io/acme/*"]
environment = ["ARM_*", "TF_LOG"]
scripts = { network = true }
reveal_code = true
release_locks = true
require = ["landlock"]

[terraform.limits]
reason = "r"
memory_mib = 2048
processes = 1024
cpu_time = "1h"
disk_mib = 10240
output_mib = 64
sources_time = "15m"
init_time = "10m"
workspace_time = "5m"
plan_time = "30m"
apply_time = "2h"
script_time = "30m"

[[terraform.git]]
reason = "r"
hosts = ["git.acme.example", "git.acme.example:8443"]
user = "bot"
token_file = "token"
client_certificate = { certificate_file = "c.pem", key_file = "k.pem" }
ca_file = "ca.pem"
"#;

/// Reads a text in which `‹` and `›` stand around the place of its only mistake.
fn only_mistake(marked: &str) -> Mistake {
    let start = marked.find('‹').expect("a mark");
    let end = marked.find('›').expect("a mark") - '‹'.len_utf8();
    let text = marked.replace(['‹', '›'], "");
    let mistakes = Policy::parse("dir/p.toml", &text).expect_err(marked);
    let all: Vec<_> = mistakes.iter().cloned().collect();
    assert_eq!(all.len(), 1, "{marked}\n{mistakes}");
    let before = text.get(..start).expect("a boundary");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().expect("a line").chars().count() + 1;
    assert_eq!(
        (all[0].line as usize, all[0].column as usize),
        (line, column),
        "{marked}\n{mistakes}"
    );
    let carets = mistakes.to_string().matches('^').count();
    let meant = text.get(start..end).expect("a boundary").lines().next().unwrap_or_default();
    assert_eq!(carets, meant.chars().count().max(1), "{marked}\n{mistakes}");
    all[0].clone()
}

#[test]
fn the_whole_grammar_is_read() {
    let policy = Policy::parse("dir/team-a.toml", FULL).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!((&**policy.name(), &**policy.file()), ("team-a", "dir/team-a.toml"));
    assert_eq!(policy.description(), "Everything at once.");
    let limits = policy.limits().expect("limits");
    assert_eq!(limits.limits().len(), crate::limits::Limits::TABLE.len());
    let time = &limits.limits()[2];
    assert_eq!(
        format!("{} {} {}", time.position(), time.limit().key, time.value()),
        "dir/team-a.toml:8 wall_time 30m"
    );
    let terraform = policy.terraform().expect("terraform");
    assert_eq!(terraform.limits.as_ref().expect("limits").limits().len(), 11);
    assert_eq!(terraform.git[0].hosts[1].to_string(), "git.acme.example:8443");
    assert_eq!(policy.http().len(), 1);
    assert_eq!(policy.files().expect("files").grant.quota_bytes, 100 << 20);
    assert_eq!(policy.reveals()[0].keys, ["token"]);
    assert_eq!(policy.secret_uses()[0].keys[1].as_str(), "db_*");
    assert_eq!(policy.run_documents()[0].hosts[0].to_string(), "api.github.com");
    let values = &policy.configuration().expect("values").values;
    assert_eq!(values.len(), 2);
    assert_eq!(values[1], ("region".to_owned(), "eu".to_owned()));
}

#[test]
fn names_are_file_stems() {
    for (file, name) in [
        ("a.toml", "a"),
        ("/x/y.z.toml", "y.z"),
        ("c:\\p\\q.toml", "q"),
        (".toml", ".toml"),
        ("plain", "plain"),
        ("", ""),
    ] {
        let policy = Policy::parse(file, "description = \"d\"").expect("right");
        assert_eq!(&**policy.name(), name, "{file}");
    }
}

/// Replaces the only line of `FULL` that starts with `start`, below `section`.
fn with_line(section: &str, start: &str, line: &str) -> String {
    let (head, tail) = FULL.split_once(section).expect(section);
    let mut done = false;
    let tail: Vec<_> = tail
        .split('\n')
        .map(|old| {
            if !done && old.starts_with(start) {
                done = true;
                line
            } else {
                old
            }
        })
        .collect();
    assert!(done, "{section} {start}");
    format!("{head}{section}{}", tail.join("\n"))
}

#[test]
fn unknown_keys_have_the_nearest_known_one_as_a_hint() {
    for (section, key, hint) in [
        ("\n", "descriptions", "did you mean `description`?"),
        ("[limits]\n", "memory_mb", "did you mean `memory_mib`?"),
        ("[limits]\n", "Fuel", "did you mean `fuel`?"),
        ("[[http]]\n", "host", "did you mean `hosts`?"),
        ("[files]\n", "quota_file", "did you mean `quota_files`?"),
        ("[[secrets.use]]\n", "key", "did you mean `keys`?"),
        ("[[secrets.reveal]]\n", "hosts", ""),
        ("[[run_document]]\n", "host", "did you mean `hosts`?"),
        ("[[run_document]]\n", "keys", ""),
        ("[configuration]\n", "value", "did you mean `values`?"),
        ("[terraform]\n", "repository", "did you mean `repositories`?"),
        ("[terraform.limits]\n", "apply_tim", "did you mean `apply_time`?"),
        ("[[terraform.git]]\n", "host", "did you mean `hosts`?"),
        ("[limits]\n", "nonsense", ""),
        ("[limits]\n", "\"\"", ""),
        ("[limits]\n", "\"a\\u001bb\"", ""),
    ] {
        let text = FULL.replacen(section, &format!("{section}‹{key}› = 1\n"), 1);
        let mistake = only_mistake(&text);
        assert_eq!(mistake.hint.unwrap_or_default(), hint, "{key}");
        assert!(!mistake.message.contains('\u{1b}'), "{}", mistake.message);
    }
    let said = only_mistake(&format!("{FULL}\n[secrets.‹useless›]"));
    assert_eq!(said.message, "`secrets` does not know the key `useless`");
    assert_eq!(
        only_mistake("description = \"d\"\n[‹htpp›]").hint.as_deref(),
        Some("did you mean `http`?")
    );
}

#[test]
fn sections_have_their_shape() {
    let start = "description = \"d\"\n";
    for (text, message) in [
        ("‹[http]›\nhosts = [\"a\"]", "`http` must be a list of tables, not a table"),
        ("http = ‹[]›", "`http` must not be empty"),
        ("http = [‹1›]", "`http` must hold tables, not a number"),
        ("‹[[files]]›", "`files` must be a table, not a list"),
        ("limits = ‹1›", "`limits` must be a table, not a number"),
        ("‹[limits]›\nreason = \"r\"", "[limits] limits nothing"),
        ("‹[secrets]›", "`secrets` grants nothing"),
        ("‹[secrets.use]›\nkeys = [\"a\"]", "`use` must be a list of tables, not a table"),
        (
            "‹[run_document]›\nhosts = [\"a\"]",
            "`run_document` must be a list of tables, not a table",
        ),
        ("‹[[terraform]]›", "`terraform` must be a table, not a list"),
        ("[[‹identity›]]", "this version can't enforce `identity` yet"),
        ("‹description› = \"again\"", "duplicate key"),
    ] {
        assert_eq!(only_mistake(&format!("{start}{text}")).message, message, "{text}");
    }
}

#[test]
fn keys_that_do_nothing_are_mistakes() {
    let files = |quota: &str| {
        format!("description = \"d\"\n[files]\nreason = \"r\"\nwork = \"read-only\"\n{quota}")
    };
    let http = |text: &str| {
        format!(
            "description = \"d\"\n[[http]]\nreason = \"r\"\nhosts = [\"a\"]\nschemes = [\"http\"]\n{text}"
        )
    };
    for text in [
        files("quota_mib = ‹1›"),
        files("quota_files = ‹1›"),
        http("ca_file = ‹\"a\"›"),
        http("client_certificate = ‹{ certificate_file = \"c\", key_file = \"k\" }›"),
        http("private = ‹[\"10.0.0.0/8\"]›").replace("[\"a\"]", "[\"10.0.0.1\"]"),
        with_line("[[secrets.use]]", "in = ", "in = [\"outputs\"]")
            .replace("hosts = [\"api.github.com\"]\n", "hosts = ‹[\"api.github.com\"]›\n"),
    ] {
        let said = only_mistake(&text).message;
        assert!(said.contains("does nothing with"), "{said}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = "\
description = \"\"
[limits]
fuel = 0
[[http]]
reason = \"r\"
hosts = [\"a b\", 7]
port = 443
[identity]
";
    let mistakes = Policy::parse("conf/p.toml", text).expect_err("wrong");
    assert_eq!(
        mistakes.to_string(),
        "\
conf/p.toml:1:15: `description` must not be empty
  description = \"\"
                ^^

conf/p.toml:2:1: [limits] must say `reason`
  [limits]
  ^^^^^^^^

conf/p.toml:3:8: `fuel` must be from 1 to 100000000 million instructions
  fuel = 0
         ^

conf/p.toml:6:10: `a b` is not a host name
  hosts = [\"a b\", 7]
           ^^^^^

conf/p.toml:6:17: `hosts` must hold texts, not a number
  hosts = [\"a b\", 7]
                  ^

conf/p.toml:7:1: [[http]] does not know the key `port`
  port = 443
  ^^^^
hint: did you mean `ports`?

conf/p.toml:8:2: this version can't enforce `identity` yet
  [identity]
   ^^^^^^^^
hint: remove the section"
    );
}

#[test]
fn several_mistakes_of_syntax_are_reported_at_once() {
    let text = "description = \"d\nfuel = = 2\n[limits\n";
    let mistakes = Policy::parse("p.toml", text).expect_err("wrong");
    let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert!(lines.starts_with(&[1, 2]) && lines.contains(&3), "{mistakes}");
}

#[test]
fn texts_that_could_play_tricks_on_a_terminal_are_mistakes() {
    for (text, line) in [
        ("description = \"x\\u001b[31m\"\n", 1),
        ("description = 'x'\n[limits]\nreason = \"a\\u202eb\"\nfuel = 1\n", 3),
        ("description = 'x'\n[[secrets.reveal]]\nreason = 'r'\nkeys = [\"a\\nb\"]\n", 4),
    ] {
        let mistakes = Policy::parse("p.toml", text).unwrap_err();
        let all: Vec<_> = mistakes.iter().collect();
        assert_eq!(all.len(), 1, "{mistakes}");
        assert_eq!(all[0].line, line, "{mistakes}");
        assert!(all[0].message.contains("control characters"), "{mistakes}");
    }
    assert!(
        Policy::parse("p.toml", "description = 'x'\n[limits]\nreason = \"a\\nb\"\nfuel = 1\n")
            .is_ok()
    );
}
