//! What the outputs of a configuration become in meshStack: [`map`].

use crate::inputs::unquoted;
use crate::literal::Literal;

/// What kind of value the tool says an output has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Boolean,
    /// A number that may have a fraction.
    Number,
    Structure,
    Text,
    WholeNumber,
}

/// The type of an output in meshStack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Boolean,
    Code,
    Integer,
    Text,
}

/// The value of an output in meshStack.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Mapped {
    /// A boolean or an integer.
    Json(String),
    Text(String),
}

/// The type for a shape.
pub(crate) fn kind(shape: Shape) -> Kind {
    match shape {
        Shape::Boolean => Kind::Boolean,
        // meshStack has no type for it, and as an integer it would be rounded.
        Shape::Number | Shape::Structure => Kind::Code,
        Shape::Text => Kind::Text,
        Shape::WholeNumber => Kind::Integer,
    }
}

/// The type and value for an output whose value may be seen.
pub(crate) fn map(shape: Shape, json: &str) -> (Kind, Mapped) {
    let json = json.trim();
    match kind(shape) {
        Kind::Boolean => (Kind::Boolean, Mapped::Json(json.to_owned())),
        Kind::Integer if is_whole(json) => (Kind::Integer, Mapped::Json(json.to_owned())),
        Kind::Text => (Kind::Text, Mapped::Text(unquoted(json))),
        // What is nested deeper than is read here stays as it came.
        Kind::Code | Kind::Integer => {
            let pretty = Literal::from_json(json).map(|value| value.to_pretty_json());
            (Kind::Code, Mapped::Text(pretty.unwrap_or_else(|_| json.to_owned())))
        }
    }
}

fn is_whole(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_type_and_no_digit_is_lost() {
        let json = |text: &str| Mapped::Json(text.to_owned());
        let text = |text: &str| Mapped::Text(text.to_owned());
        let huge = "9".repeat(300);
        for (shape, value, expected) in [
            (Shape::Boolean, "true", (Kind::Boolean, json("true"))),
            (Shape::WholeNumber, "-42", (Kind::Integer, json("-42"))),
            (Shape::WholeNumber, &huge, (Kind::Integer, json(&huge))),
            (Shape::WholeNumber, "1e400", (Kind::Code, text("1e400"))),
            (Shape::Number, "0.10", (Kind::Code, text("0.10"))),
            (Shape::Text, r#""a\n\"${b}\" é""#, (Kind::Text, text("a\n\"${b}\" é"))),
            (Shape::Text, r#""""#, (Kind::Text, text(""))),
            (
                Shape::Structure,
                r#"{"a":[1,{}]}"#,
                (Kind::Code, text("{\n  \"a\": [\n    1,\n    {}\n  ]\n}")),
            ),
            (Shape::Structure, "[]", (Kind::Code, text("[]"))),
        ] {
            assert_eq!(map(shape, value), expected, "{value}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(map(Shape::Structure, &deep), (Kind::Code, Mapped::Text(deep)));
    }
}
