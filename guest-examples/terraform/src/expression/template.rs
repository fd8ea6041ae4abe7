//! Templates: texts with `${` and `%{` in them.

use super::NoValue;
use super::conversion::{text, truth};
use super::evaluate::Evaluation;
use super::iteration::Names;
use crate::literal::Literal;
use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, Strip, Template};

/// What is to be cut off at both ends of a template by the marks (`~`) around it.
#[derive(Clone, Copy, Default)]
struct Cut {
    start: bool,
    end: bool,
}

impl<'e> Evaluation<'e> {
    /// A quoted one. What consists of one interpolation only is the value itself.
    pub(super) fn template(&mut self, template: &'e Template) -> Result<Literal, NoValue> {
        match template.as_single_element() {
            Some(Element::Interpolation(only)) => self.value(&only.expr),
            _ => Ok(Literal::Text(self.joined(template, Cut::default())?)),
        }
    }

    /// Marks cut line by line there, which can't be seen here any more.
    pub(super) fn heredoc(&mut self, template: &'e Template) -> Result<String, NoValue> {
        if has_marks(template) {
            return Err(NoValue::NotLiteral);
        }
        self.joined(template, Cut::default())
    }

    fn joined(&mut self, template: &'e Template, cut: Cut) -> Result<String, NoValue> {
        let elements: Vec<_> = template.iter().collect();
        let mut joined = String::new();
        for (at, element) in elements.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| elements.get(at));
            let cut = Cut {
                start: before.map_or(cut.start, |element| outer(element).end),
                end: elements.get(at + 1).map_or(cut.end, |element| outer(element).start),
            };
            let piece = match element {
                Element::Directive(directive) => match &**directive {
                    Directive::For(directive) => self.repeated(directive)?,
                    Directive::If(directive) => self.chosen(directive)?,
                },
                Element::Interpolation(interpolation) => text(self.value(&interpolation.expr)?)?,
                Element::Literal(literal) => trimmed(literal, cut)?.to_owned(),
            };
            self.spend(piece.len())?;
            joined.push_str(&piece);
        }
        Ok(joined)
    }

    /// Terraform makes both texts.
    fn chosen(&mut self, directive: &'e IfDirective) -> Result<String, NoValue> {
        let IfDirective { if_expr, else_expr, endif_expr, .. } = directive;
        let condition = truth(self.value(&if_expr.cond_expr)?)?;
        let next = else_expr.as_ref().map_or(endif_expr.strip, |other| other.strip);
        let cut = Cut { start: ends(if_expr.strip), end: starts(next) };
        let yes = self.joined(&if_expr.template, cut)?;
        let no = match else_expr {
            Some(other) => {
                let cut = Cut { start: ends(other.strip), end: starts(endif_expr.strip) };
                self.joined(&other.template, cut)?
            }
            None => String::new(),
        };
        Ok(if condition { yes } else { no })
    }

    fn repeated(&mut self, directive: &'e ForDirective) -> Result<String, NoValue> {
        let ForDirective { for_expr, endfor_expr, .. } = directive;
        let names = Names { key: for_expr.key_var.as_deref(), value: &for_expr.value_var };
        let cut = Cut { start: ends(for_expr.strip), end: starts(endfor_expr.strip) };
        let mut joined = String::new();
        for (key, value) in self.elements(&for_expr.collection_expr)? {
            let piece =
                self.within(names.bind(key, value), |inner| inner.joined(&for_expr.template, cut))?;
            joined.push_str(&piece);
        }
        Ok(joined)
    }
}

/// Terraform cuts the last piece of a text, and what was escaped begins a new piece.
fn trimmed(text: &str, cut: Cut) -> Result<&str, NoValue> {
    if (cut.start || cut.end) && (text.contains("${") || text.contains("%{")) {
        return Err(NoValue::NotLiteral);
    }
    let text = if cut.start { text.trim_start() } else { text };
    Ok(if cut.end { text.trim_end() } else { text })
}

/// What an element cuts off from its neighbours: `start` before it, `end` behind it.
fn outer(element: &Element) -> Cut {
    let (first, last) = match element {
        Element::Directive(directive) => match &**directive {
            Directive::For(directive) => (directive.for_expr.strip, directive.endfor_expr.strip),
            Directive::If(directive) => (directive.if_expr.strip, directive.endif_expr.strip),
        },
        Element::Interpolation(interpolation) => (interpolation.strip, interpolation.strip),
        Element::Literal(_) => (Strip::None, Strip::None),
    };
    Cut { start: starts(first), end: ends(last) }
}

fn has_marks(template: &Template) -> bool {
    let inner = |template: &Template, marks: &[Strip]| {
        has_marks(template) || marks.iter().any(|mark| *mark != Strip::None)
    };
    template.iter().any(|element| match element {
        Element::Directive(directive) => match &**directive {
            Directive::For(ForDirective { for_expr, endfor_expr, .. }) => {
                inner(&for_expr.template, &[for_expr.strip, endfor_expr.strip])
            }
            Directive::If(IfDirective { if_expr, else_expr, endif_expr, .. }) => {
                inner(&if_expr.template, &[if_expr.strip, endif_expr.strip])
                    || else_expr
                        .as_ref()
                        .is_some_and(|other| inner(&other.template, &[other.strip]))
            }
        },
        Element::Interpolation(interpolation) => interpolation.strip != Strip::None,
        Element::Literal(_) => false,
    })
}

fn starts(mark: Strip) -> bool {
    matches!(mark, Strip::Start | Strip::Both)
}

fn ends(mark: Strip) -> bool {
    matches!(mark, Strip::End | Strip::Both)
}
