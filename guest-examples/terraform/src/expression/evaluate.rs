//! What an expression without references is: [`Evaluation`], as Terraform would compute it, but that numbers are never rounded.
//!
//! Where it is not certain that Terraform would come to the same, there is no value.

use super::NoValue;
use super::conversion::{is_equal, negated, number, text, truth, unified};
use super::number::Arithmetic;
use crate::literal::Literal;
use hcl_edit::Ident;
use hcl_edit::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, ObjectKey, TraversalOperator, UnaryOperator,
};
use std::cmp::Ordering;

/// Attack: loops within loops, and templates that double what they are given. Steps, and bytes of all values that are made.
const COST_MAX: usize = 1 << 20;

/// What has been spent, and the variables of the loops around. Recursion is bounded by the parser, which refuses more than 64 levels.
pub(super) struct Evaluation<'e> {
    left: usize,
    variables: Vec<(&'e str, Literal)>,
}

impl<'e> Evaluation<'e> {
    pub(super) fn new() -> Self {
        Self { left: COST_MAX, variables: Vec::new() }
    }

    pub(super) fn spend(&mut self, cost: usize) -> Result<(), NoValue> {
        self.left = self.left.checked_sub(cost.saturating_add(1)).ok_or(NoValue::Bomb)?;
        Ok(())
    }

    pub(super) fn value(&mut self, expression: &'e Expression) -> Result<Literal, NoValue> {
        self.spend(0)?;
        Ok(match expression {
            Expression::Array(items) => {
                Literal::Array(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Expression::BinaryOp(operation) => self.binary(operation)?,
            Expression::Bool(value) => Literal::Boolean(**value),
            Expression::Conditional(conditional) => self.conditional(conditional)?,
            Expression::ForExpr(expression) => self.collect(expression)?,
            Expression::FuncCall(_) => return Err(NoValue::NotLiteral),
            Expression::HeredocTemplate(heredoc) => Literal::Text(self.heredoc(&heredoc.template)?),
            Expression::Null(_) => Literal::Null,
            // The parsed number may be rounded; what was entered is not.
            Expression::Number(number) => {
                let entered = number.as_repr().ok_or(NoValue::NotLiteral)?;
                self.spend(entered.len())?;
                Literal::Number(json_number(entered))
            }
            Expression::Object(members) => {
                let mut values = Vec::new();
                for (name, value) in members.iter() {
                    values.push((self.key(name)?, self.value(value.expr())?));
                }
                Literal::Object(values)
            }
            Expression::Parenthesis(inner) => self.value(inner.inner())?,
            Expression::String(text) => {
                self.spend(text.len())?;
                Literal::Text(text.as_str().to_owned())
            }
            Expression::StringTemplate(template) => self.template(template)?,
            Expression::Traversal(traversal) => {
                let value = self.value(&traversal.expr)?;
                let operators: Vec<_> = traversal.operators.iter().map(|step| &**step).collect();
                self.traverse(value, &operators)?
            }
            Expression::UnaryOp(operation) => {
                let value = self.value(&operation.expr)?;
                match *operation.operator {
                    UnaryOperator::Neg => negated(value)?,
                    UnaryOperator::Not => Literal::Boolean(!truth(value)?),
                }
            }
            Expression::Variable(name) => self.variable(name)?,
        })
    }

    /// What `compute` comes to with these variables.
    pub(super) fn within<T>(
        &mut self,
        variables: impl IntoIterator<Item = (&'e str, Literal)>,
        compute: impl FnOnce(&mut Self) -> Result<T, NoValue>,
    ) -> Result<T, NoValue> {
        let around = self.variables.len();
        self.variables.extend(variables);
        let result = compute(self);
        self.variables.truncate(around);
        result
    }

    fn variable(&mut self, name: &Ident) -> Result<Literal, NoValue> {
        let mut known = self.variables.iter().rev();
        let (_, value) =
            known.find(|(known, _)| *known == name.as_str()).ok_or(NoValue::NotLiteral)?;
        let value = value.clone();
        self.spend(value.size())?;
        Ok(value)
    }

    fn key(&mut self, key: &'e ObjectKey) -> Result<String, NoValue> {
        match key {
            ObjectKey::Expression(expression) => text(self.value(expression)?),
            ObjectKey::Ident(name) => Ok(name.as_str().to_owned()),
        }
    }

    fn binary(&mut self, operation: &'e BinaryOp) -> Result<Literal, NoValue> {
        let (left, right) = (self.value(&operation.lhs_expr)?, self.value(&operation.rhs_expr)?);
        let compute = |operation| -> Result<_, NoValue> {
            let result = number(&left)?.compute(operation, number(&right)?)?;
            Ok(Literal::Number(result.write()?))
        };
        let compare = |holds: fn(Ordering) -> bool| -> Result<_, NoValue> {
            Ok(Literal::Boolean(holds(number(&left)?.cmp(&number(&right)?))))
        };
        match *operation.operator {
            BinaryOperator::And => Ok(Literal::Boolean(truth(left)? & truth(right)?)),
            BinaryOperator::Div => compute(Arithmetic::Divide),
            BinaryOperator::Eq => Ok(Literal::Boolean(is_equal(&left, &right)?)),
            BinaryOperator::Greater => compare(Ordering::is_gt),
            BinaryOperator::GreaterEq => compare(Ordering::is_ge),
            BinaryOperator::Less => compare(Ordering::is_lt),
            BinaryOperator::LessEq => compare(Ordering::is_le),
            BinaryOperator::Minus => compute(Arithmetic::Subtract),
            BinaryOperator::Mod => compute(Arithmetic::Remainder),
            BinaryOperator::Mul => compute(Arithmetic::Multiply),
            BinaryOperator::NotEq => Ok(Literal::Boolean(!is_equal(&left, &right)?)),
            BinaryOperator::Or => Ok(Literal::Boolean(truth(left)? | truth(right)?)),
            BinaryOperator::Plus => compute(Arithmetic::Add),
        }
    }

    /// Terraform computes both branches, and brings them to one type.
    fn conditional(&mut self, conditional: &'e Conditional) -> Result<Literal, NoValue> {
        let condition = truth(self.value(&conditional.cond_expr)?)?;
        let (yes, no) = (self.value(&conditional.true_expr)?, self.value(&conditional.false_expr)?);
        if condition { unified(yes, &no) } else { unified(no, &yes) }
    }

    fn traverse(
        &mut self,
        value: Literal,
        operators: &[&'e TraversalOperator],
    ) -> Result<Literal, NoValue> {
        self.spend(0)?;
        let Some((operator, rest)) = operators.split_first() else { return Ok(value) };
        let part = match operator {
            TraversalOperator::AttrSplat(_) => return Err(NoValue::NotLiteral),
            TraversalOperator::FullSplat(_) => {
                let items = match value {
                    Literal::Array(items) => items,
                    Literal::Null => Vec::new(),
                    single => vec![single],
                };
                let items = items.into_iter().map(|item| self.traverse(item, rest));
                return Ok(Literal::Array(items.collect::<Result<_, _>>()?));
            }
            TraversalOperator::GetAttr(name) => member(value, name.as_str()),
            TraversalOperator::Index(index) => match (value, self.value(index)?) {
                (value @ Literal::Object(_), key) => member(value, &text(key)?),
                (value, index) => element(value, number(&index)?.index()),
            },
            TraversalOperator::LegacyIndex(index) => element(value, usize::try_from(**index).ok()),
        };
        self.traverse(part.ok_or(NoValue::Senseless)?, rest)
    }
}

fn member(value: Literal, key: &str) -> Option<Literal> {
    let Literal::Object(members) = value else { return None };
    // The last of equal ones counts.
    members.into_iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn element(value: Literal, index: Option<usize>) -> Option<Literal> {
    let Literal::Array(items) = value else { return None };
    items.into_iter().nth(index?)
}

/// HCL allows zeros in front, and space and comments behind a minus.
fn json_number(entered: &str) -> String {
    let sign = if entered.starts_with('-') { "-" } else { "" };
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let start = entered.rfind(|c| !is_of_number(c)).map_or(sign.len(), |at| at + 1);
    let digits = entered.get(start..).unwrap_or_default();
    let stripped = digits.trim_start_matches('0');
    let zero = if stripped.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    format!("{sign}{zero}{stripped}")
}
