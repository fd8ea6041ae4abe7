//! What users enter as code: JSON, else an HCL value expression, else just text: [`parse`].

mod conversion;
mod evaluate;
mod iteration;
mod number;
mod template;

use crate::literal::{JsonError, Literal};
use evaluate::Evaluation;
use hcl_edit::parser::parse_expr;
use thiserror::Error;

/// Attack: objects with so many keys that reading them takes for ever (the parser compares each key with all before it).
/// JSON has no such bound.
const HCL_BYTES_MAX: usize = 128 << 10;

/// Why a text is no value. The messages never repeat the text: it may be a secret.
#[derive(Debug, Error)]
pub(crate) enum NoValue {
    #[error("it is so large, or so much work, that it is not computed")]
    Bomb,
    #[error("it has a number that can't be computed exactly")]
    Inexact,
    #[error("it is larger than {} KiB and no JSON", HCL_BYTES_MAX >> 10)]
    Large,
    #[error("it has references, functions or other things that only Terraform can compute")]
    NotLiteral,
    #[error(
        "it can't be computed: a division by zero, an element that isn't there, or a value of a wrong type"
    )]
    Senseless,
    #[error("it is neither JSON nor HCL (line {line}, column {column})")]
    Syntax { line: usize, column: usize },
    #[error("it is nested too deep")]
    TooDeep,
}

/// The value that a text describes.
pub(crate) fn parse(text: &str) -> Result<Literal, NoValue> {
    // JSON first: there, numbers of any size are kept digit for digit, and `${` is just text as users of JSON expect.
    match Literal::from_json(text) {
        Ok(value) => return Ok(value),
        Err(JsonError::TooDeep) => return Err(NoValue::TooDeep),
        Err(JsonError::Syntax(_)) => {}
    }
    if text.len() > HCL_BYTES_MAX {
        return Err(NoValue::Large);
    }
    // Within parentheses, line breaks and comments may stand around the value. Text that closes them is no value any more.
    let expression = parse_expr(&format!("(\n{text}\n)")).map_err(|error| NoValue::Syntax {
        line: error.location().line().saturating_sub(1),
        column: error.location().column(),
    })?;
    Evaluation::new().value(&expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        parse(text).map_or_else(|error| format!("{error:?}"), |value| value.to_json())
    }

    #[test]
    fn hcl_and_json_both_work() {
        for (text, expected) in [
            (r#"{"a": 1, "b": [true, null]}"#, r#"{"a":1,"b":[true,null]}"#),
            ("{ a = 1\n b = [true, null,] # c\n}\n", r#"{"a":1,"b":[true,null]}"#),
            (
                "{ \"a b\" : \"x\", (\"c\") = -2, 3 = 4, true = 5 }",
                r#"{"a b":"x","c":-2,"3":4,"true":5}"#,
            ),
            ("  [ /* one */ 1, // two\n 2 ]  ", "[1,2]"),
            ("<<EOT\na\n  b \\n $${x}\nEOT\n", r#""a\n  b \\n ${x}\n""#),
            ("<<-EOT\n  a\n    b\n  EOT", r#""a\n  b\n""#),
            ("[\"tab\\t \\u00e9 $${x} %%{y}\",]", r#"["tab\t é ${x} %{y}"]"#),
            // This is JSON, where none of it has a meaning.
            (r#"["${x} $${x} %{if}"]"#, r#"["${x} $${x} %{if}"]"#),
            ("(1)", "1"),
            ("# first\n/* second */ [1,] // third", "[1]"),
            ("{}", "{}"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn what_would_have_to_be_computed_is_no_value() {
        for text in [
            "var.x",
            "x",
            "[var.x]",
            "{a = b}",
            "f()",
            "[for x in [1] : y]",
            "[for x in [1] : x if x == z]",
            "[for x in [1] : x][x]",
            "1 + x",
            "!x",
            "true ? 1 : x",
            "[1, 2][x]",
            "[\"${x}\",]",
            "{a = \"%{if x}x%{endif}\"}",
            "<<E\n${x}\nE",
            "{(x) = 1}",
            "provider::a::b()",
            "upper(\"x\")",
            "1 + length([1])",
        ] {
            assert!(matches!(parse(text), Err(NoValue::NotLiteral)), "{text}: {}", json(text));
        }
    }

    #[test]
    fn what_is_neither_is_no_value() {
        for text in [
            "",
            "a: b\nc: d",
            "- a",
            "{",
            "[1",
            "\"",
            "1)(2",
            "{})[0",
            "1)\n#",
            "<<E\nx",
            "#!/bin/sh\necho",
            "\0",
        ] {
            assert!(parse(text).is_err(), "{text}: {}", json(text));
        }
    }

    #[test]
    fn numbers_of_hcl_keep_their_digits() {
        for (text, expected) in [
            ("[123456789012345678901234567890,]", "[123456789012345678901234567890]"),
            ("[0.1000000000000000055511151231257827,]", "[0.1000000000000000055511151231257827]"),
            ("[- 5, -007, 00, 0.50, 1e-3, -/*1*/2.5E+3,]", "[-5,-7,0,0.50,1e-3,-2.5E+3]"),
        ] {
            assert_eq!(json(text), expected);
        }
    }

    #[test]
    fn bombs_are_refused_without_overflowing_the_stack() {
        for (open, close) in [
            ("[", "]"),
            ("{a=", "}"),
            ("(", ")"),
            ("\"${", "}\""),
            ("-", ""),
            ("!", ""),
            ("f(", ")"),
            ("a[", "]"),
            ("[for a in ", ": a]"),
            ("true ? 1 : ", ""),
            ("<<A\n${", "}\nA\n"),
            ("\"%{if true}", "%{endif}\""),
            ("{(", ")=1}"),
        ] {
            let text = format!("[{}1{},]", open.repeat(9_000), close.repeat(9_000));
            assert!(parse(&text).is_err(), "{open}");
        }
        for text in
            ["1+".repeat(60_000), "a.".repeat(60_000), "a[*]".repeat(30_000), "/*".repeat(60_000)]
        {
            assert!(parse(&format!("[{text}1,]")).is_err());
        }
        assert!(matches!(parse(&" x = 1\n".repeat(100_000)), Err(NoValue::Large)));
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        for text in ["hunter2 hunter2", "hunter2", "[hunter2", "\"\\hunter2\""] {
            let error = parse(text).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("unter2"), "{error:?}");
        }
    }
}
