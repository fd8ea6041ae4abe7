//! Constant expressions: what they are here and what the real Terraform makes of the same text, byte for byte.

use super::*;
use std::fmt::Write as _;

/// Expressions that are values.
const VALUES: &[&str] = &[
    // Arithmetic, with precedence and parentheses.
    "1 + 1",
    "(1 + 1) * 3",
    "1 + 2 * 3 - 4 / 2",
    "10 - 2 - 3",
    "7 / 2",
    "-7 % 3",
    "7 % -3",
    "7.5 % 2",
    "1 - 1",
    "0.1 + 0.2",
    "0.5 * 4",
    "1e3 + 0",
    "1e-3 + 0",
    "2 - -3",
    "-(1.50)",
    "-(-7)",
    "-(0)",
    "-\"1\"",
    "\"1\" + 1",
    "\"1.5e1\" * 2",
    "12345678901234567890123456789 * 98765432109876543210987654321",
    "100000000000000000000 + 1",
    "18446744073709551616 - 1",
    // Comparisons and logic.
    "1 < 2",
    "2 <= 1",
    "1.0 == 1",
    "\"2\" > 1",
    "3 >= 3.0",
    "1 < 2 == true",
    "1 != 2",
    "1 == \"1\"",
    "true == \"true\"",
    "\"a\" == \"a\"",
    "\"a\" != \"b\"",
    "null == null",
    "1 == null",
    "[1, \"a\"] == [1, \"a\"]",
    "[1] == [1, 2]",
    "[1] == [\"1\"]",
    "{ a = 1, b = 2 } == { b = 2, a = 1 }",
    "{ a = 1 } == { b = 1 }",
    "[] == []",
    "!true",
    "!\"true\"",
    "!(1 == 2)",
    "true && false || true",
    "true || false && false",
    "\"true\" && true",
    // Conditions.
    "true ? 1 : 2",
    "1 > 2 ? \"a\" : \"b\"",
    "true ? 1 : 2.50",
    "true ? 1.50 : \"a\"",
    "false ? \"a\" : true",
    "true ? null : 1",
    "false ? null : [1, \"a\"]",
    "true ? [1, \"a\"] : [2, \"b\"]",
    "true ? { a = 1 } : { a = 2 }",
    "true ? 1 : false ? 2 : 3",
    // Parts.
    "[1, 2][0]",
    "[1, 2][3 - 2]",
    "[1, 2][\"1\"]",
    "[1, 2].1",
    "{ a = 1 }.a",
    "{ a = { b = [1, 2] } }.a.b[1]",
    "{ a = 1 }[\"a\"]",
    "{ \"1\" = \"x\" }[1]",
    "[{ a = 1 }, { a = 2 }][*].a",
    "{ a = 1 }[*].a",
    "null[*]",
    "[[1], [2]][*][0]",
    // Loops.
    "[for x in [1, 2, 3] : x * 2 if x > 1]",
    "[for i, v in [\"a\", \"b\"] : \"${i}${v}\"]",
    "[for k, v in { b = 1, a = 2 } : \"${k}=${v}\"]",
    "[for v in { b = 1, a = 2 } : v]",
    "{ for k, v in { b = 1, a = 2 } : k => v + 1 }",
    "{ for v in [\"a\", \"b\", \"a\"] : v => v... }",
    "{ for v in [3, 4] : v => v }",
    "[for x in [[1, 2], [3]] : [for y in x : y + 1]]",
    "[for x in [1] : [for x in [2] : x]]",
    "[for x in [] : x]",
    // Templates. Alone, they are JSON, where `${` means nothing.
    "[\"${1 + 1}\",]",
    "[\"a${1.50}\", \"b${1e3}\", \"c${true}\", \"d${-0.5}\",]",
    "[\"${[1, 2]}\",]",
    "[\"${null}\",]",
    "[\"$${x} ${\"y\"} %%{z}\",]",
    "[\"%{if true}x%{endif}\", \"%{if false}x%{else}y%{endif}\", \"%{if false}x%{endif}\",]",
    "[\"%{if true}${1}%{endif}\",]",
    "[\"%{for x in [1, 2]}${x},%{endfor}\",]",
    "[\"%{for k, v in { b = 1, a = 2 }}${k}${v} %{endfor}\",]",
    "[\"a  ${~ 1 ~}  b\", \"a \\n ${~ 1}\", \"${1 ~} \\t\\n b \", \" ${~ 1 ~} ${~ 2 ~} \",]",
    "[\" %{~ if true ~} x %{~ else ~} y %{~ endif ~} z\", \" %{ if true ~} x %{ endif ~} z\",]",
    "[\" %{~ for x in [1, 2] ~} ${x} %{~ endfor ~} z\", \" %{ for x in [1, 2] ~} ${x} %{ endfor } z\",]",
    "[\"é${\"ü\"}日本 ${\"😀\"}\",]",
    "<<EOT\n${1 + 1}\n  b ${\"c\"} $${d}\nEOT\n",
    "<<-EOT\n    ${1 + 1}\n      b ${\"c\"}\n    d\n    EOT\n",
    "<<-EOT\n    a\n  ${1}b\n    EOT\n",
    "<<EOT\n%{ if true }\nx\n%{ else }\ny\n%{ endif }\n%{ for x in [1, 2] }\n- ${x}\n%{ endfor }\nEOT\n",
    // Keys.
    "{ (1 + 1) = 2, \"a${1}\" = 3, (true) = 4, 1.50 = 5 }",
];

/// Where Terraform rounds numbers that no float holds, and exact ones are passed on here.
const EXACT: &[(&str, &str)] =
    &[("1.1 * 1.1", "1.21"), ("0.3 - 0.1", "0.2"), ("0 * -1", "0"), ("0.7 / 0.1", "7")];

/// Expressions that are no values: Terraform refuses them, rounds, or finds a type that can't be told here.
const TEXTS: &[&str] = &[
    "1 / 0",
    "1 % 0",
    "1 / 3",
    "1 / 3 * 3",
    "null + 1",
    "true + 1",
    "\"a\" + 1",
    "\" 1\" + 1",
    "\"0x10\" + 1",
    "\"a\" < \"b\"",
    "1 && true",
    "\"1\" || false",
    "null ? 1 : 2",
    "true ? 1 : 1 / 0",
    "true ? 1 : true",
    "true ? [1] : [2, 3]",
    "true ? [1, \"a\"] : [\"b\", 2]",
    "true ? { a = 1 } : { b = 2 }",
    "[null] == [null]",
    "\"e\u{301}\" == \"\u{e9}\"",
    "\"\u{212a}\" == \"K\"",
    "[1, 2][2]",
    "[1, 2][-1]",
    "[1, 2][0.5]",
    "{ a = 1 }.b",
    "\"abc\"[0]",
    "[{ a = 1 }].*.a",
    "[for x in null : x]",
    "[for x in \"abc\" : x]",
    "{ for v in [\"a\", \"a\"] : v => v }",
    "{ for v in [null] : v => 1 }",
    "[for k, v in { \u{e9} = 1 } : k]",
    "[\"a${null}\",]",
    "[\"a${[1]}\",]",
    "[\"$${x} ${~ 1}\",]",
    "<<EOT\n  ${~ 1}\nEOT\n",
    "{ (null) = 1 }",
    "{ ([1]) = 1 }",
    "upper(\"x\")",
    "var.v0",
    "path.root",
];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("v{index}")).collect()
}

#[test]
fn constant_expressions_are_what_terraform_makes_of_them() {
    let names = names(VALUES.len());
    let (mut values, mut bare) = (Vec::new(), String::new());
    for (text, name) in VALUES.iter().zip(&names) {
        let (_, notes) = written(&[value(name, Kind::Code, Entered::Text(text))], &declaring(&[]));
        assert!(notes.is_empty(), "{text}: {notes:?}");
        values.push(value(name, Kind::Code, Entered::Text(text)));
        writeln!(bare, "output \"bare_{name}\" {{\n  value = {}\n}}", text.trim_end()).unwrap();
    }
    let Some(outputs) = through_terraform(&values, "", &bare) else { return };
    let of = |name: &str| outputs.get(name).map(Literal::to_json);
    let differ = VALUES.iter().zip(&names).filter_map(|(text, name)| {
        let (ours, theirs) = (of(name), of(&format!("bare_{name}")));
        (ours != theirs).then(|| format!("{text}: {ours:?} here, {theirs:?} there"))
    });
    assert_eq!(differ.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn numbers_are_not_rounded_where_terraform_would() {
    let names = names(EXACT.len());
    let values = EXACT
        .iter()
        .zip(&names)
        .map(|((text, _), name)| value(name, Kind::Code, Entered::Text(text)));
    let values: Vec<_> = values.collect();
    let Some(outputs) = through_terraform(&values, "", "") else { return };
    for ((text, expected), name) in EXACT.iter().zip(&names) {
        assert_eq!(outputs[name].to_json(), *expected, "{text}");
    }
}

#[test]
fn what_is_no_certain_value_is_a_text_with_a_warning() {
    for text in TEXTS {
        let (file, notes) =
            written(&[value("v", Kind::Code, Entered::Text(text))], &declaring(&[]));
        assert_eq!(file, format!("{{\n  \"v\": {}\n}}\n", quoted(text)), "{text}");
        assert!(notes[0].contains("passed as a string: "), "{text}: {notes:?}");
    }
}

#[test]
fn bombs_are_no_values() {
    let list = format!("[{}]", "1, ".repeat(200));
    let doubled = |depth: usize| {
        (0..depth)
            .fold("x".to_owned(), |inner, _| format!("[for x in [\"${{x}}${{x}}\"] : {inner}]"))
    };
    let bombs = [
        format!(
            "[for a in {list} : [for b in {list} : [for c in {list} : [for d in {list} : 1]]]]"
        ),
        format!("[for x in [\"{}\"] : {}]", "x".repeat(100), doubled(30)),
        format!(
            "[\"%{{for a in {list}}}%{{for b in {list}}}%{{for c in {list}}}x%{{endfor}}%{{endfor}}%{{endfor}}\",]"
        ),
        format!("[for a in [\"{}\"] : [for b in {list} : a]]", "x".repeat(60_000)),
        "[1e308 * 1e308 * 1e308 * 1e308 * 1e308,]".to_owned(),
        "[\"1e999999999\" + 1,]".to_owned(),
        "[1 == \"1e999999999\" * 1,]".to_owned(),
        "[\"a${1e308}${\"1e-999999999\" + 0}\",]".to_owned(),
    ];
    for bomb in bombs {
        let (_, notes) = written(&[value("v", Kind::Code, Entered::Text(&bomb))], &declaring(&[]));
        let shown: String = bomb.chars().take(80).collect();
        assert!(notes[0].contains("passed as a string: it is so"), "{shown}: {notes:?}");
    }
}
