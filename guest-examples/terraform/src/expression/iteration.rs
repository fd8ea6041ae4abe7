//! `for`, over the elements of lists and objects.

use super::NoValue;
use super::conversion::{text, truth};
use super::evaluate::Evaluation;
use crate::literal::Literal;
use hcl_edit::Ident;
use hcl_edit::expr::{Expression, ForExpr};
use std::collections::BTreeMap;

/// What a loop calls its elements.
#[derive(Clone, Copy)]
pub(super) struct Names<'e> {
    pub(super) key: Option<&'e Ident>,
    pub(super) value: &'e Ident,
}

impl<'e> Names<'e> {
    pub(super) fn bind(self, key: Literal, value: Literal) -> Vec<(&'e str, Literal)> {
        let key = self.key.map(|name| (name.as_str(), key));
        key.into_iter().chain([(self.value.as_str(), value)]).collect()
    }
}

impl<'e> Evaluation<'e> {
    /// What is in a collection, in Terraform's order, with keys or numbers.
    pub(super) fn elements(
        &mut self,
        collection: &'e Expression,
    ) -> Result<Vec<(Literal, Literal)>, NoValue> {
        match self.value(collection)? {
            Literal::Array(items) => {
                let numbered = items.into_iter().enumerate();
                Ok(numbered
                    .map(|(index, item)| (Literal::Number(index.to_string()), item))
                    .collect())
            }
            // Terraform composes Unicode before it sorts.
            Literal::Object(members) if members.iter().any(|(key, _)| !key.is_ascii()) => {
                Err(NoValue::NotLiteral)
            }
            Literal::Object(members) => {
                let sorted: BTreeMap<_, _> = members.into_iter().collect();
                Ok(sorted.into_iter().map(|(key, value)| (Literal::Text(key), value)).collect())
            }
            _ => Err(NoValue::Senseless),
        }
    }

    pub(super) fn collect(&mut self, expression: &'e ForExpr) -> Result<Literal, NoValue> {
        let intro = &expression.intro;
        let names = Names { key: intro.key_var.as_deref(), value: &intro.value_var };
        let mut made = Vec::new();
        for (key, value) in self.elements(&intro.collection_expr)? {
            made.extend(self.within(names.bind(key, value), |inner| inner.element(expression))?);
        }
        let Some(_) = expression.key_expr else {
            return Ok(Literal::Array(made.into_iter().map(|(_, value)| value).collect()));
        };
        let mut members: BTreeMap<String, Vec<Literal>> = BTreeMap::new();
        for (key, value) in made {
            members.entry(key).or_default().push(value);
        }
        let members = members.into_iter().map(|(key, mut values)| match expression.grouping {
            true => Ok((key, Literal::Array(values))),
            false if values.len() > 1 => Err(NoValue::Senseless),
            false => values.pop().map(|value| (key, value)).ok_or(NoValue::Senseless),
        });
        Ok(Literal::Object(members.collect::<Result<_, _>>()?))
    }

    /// The key, empty in a list, and the value for one element; none if the condition leaves it out.
    fn element(&mut self, expression: &'e ForExpr) -> Result<Option<(String, Literal)>, NoValue> {
        self.spend(0)?;
        if let Some(condition) = &expression.cond
            && !truth(self.value(&condition.expr)?)?
        {
            return Ok(None);
        }
        let key = expression.key_expr.as_ref().map(|key| text(self.value(key)?)).transpose()?;
        Ok(Some((key.unwrap_or_default(), self.value(&expression.value_expr)?)))
    }
}
