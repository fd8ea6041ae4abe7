//! Numbers that are computed with: [`Exact`], never rounded. Every result is written as digits before anything else is done with it, so
//! that what can't be written exactly ends the computation.

use super::NoValue;
use crate::literal::DIGITS_MAX;
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;

/// Attack: `1e999999999 + 1`, which has that many digits, and squares of squares. Digits and exponent together of a number that is
/// computed with.
const PLACES_MAX: u64 = 1_000;

/// A number, whatever its size: what is computed from two of those that were read is at most twice as long.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Exact(BigRational);

/// What is done with two numbers.
#[derive(Clone, Copy)]
pub(super) enum Arithmetic {
    Add,
    Divide,
    Multiply,
    Remainder,
    Subtract,
}

impl Exact {
    /// Of a number in JSON's form.
    pub(super) fn read(digits: &str) -> Result<Self, NoValue> {
        let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().map_err(|_| NoValue::Bomb)?;
        let places = u64::try_from(mantissa.len()).unwrap_or(u64::MAX);
        if places.saturating_add(exponent.unsigned_abs()) > PLACES_MAX {
            return Err(NoValue::Bomb);
        }
        let all: BigInt = format!("{whole}{fraction}").parse().map_err(|_| NoValue::Senseless)?;
        // Both are bounded by `PLACES_MAX`.
        let shift = exponent - i64::try_from(fraction.len()).unwrap_or_default();
        let power = BigInt::from(10).pow(u32::try_from(shift.unsigned_abs()).unwrap_or_default());
        Ok(Self(if shift < 0 {
            BigRational::new(all, power)
        } else {
            BigRational::from_integer(all * power)
        }))
    }

    /// In JSON's form, without an exponent. Only what Terraform can hold digit for digit.
    pub(super) fn write(&self) -> Result<String, NoValue> {
        let places = self.places().ok_or(NoValue::Inexact)?;
        let scaled = self.0.numer() * BigInt::from(10).pow(places) / self.0.denom();
        let digits = scaled.magnitude().to_string();
        if digits.trim_end_matches('0').len() > DIGITS_MAX {
            return Err(NoValue::Inexact);
        }
        let sign = if scaled.sign() == Sign::Minus { "-" } else { "" };
        let places = usize::try_from(places).unwrap_or_default();
        let digits = format!("{digits:0>0$}", places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if fraction.is_empty() { "" } else { "." };
        Ok(format!("{sign}{whole}{point}{fraction}"))
    }

    pub(super) fn compute(self, operation: Arithmetic, other: Self) -> Result<Self, NoValue> {
        let divides = matches!(operation, Arithmetic::Divide | Arithmetic::Remainder);
        if divides && other.0.numer().sign() == Sign::NoSign {
            return Err(NoValue::Senseless);
        }
        Ok(Self(match operation {
            Arithmetic::Add => self.0 + other.0,
            Arithmetic::Divide => self.0 / other.0,
            Arithmetic::Multiply => self.0 * other.0,
            Arithmetic::Remainder => self.0 % other.0,
            Arithmetic::Subtract => self.0 - other.0,
        }))
    }

    /// The number itself, if it is one that can count elements.
    pub(super) fn index(&self) -> Option<usize> {
        self.0.is_integer().then(|| usize::try_from(self.0.numer()).ok()).flatten()
    }

    /// How many decimal places it has; none if they never end.
    fn places(&self) -> Option<u32> {
        let twos = self.0.denom().trailing_zeros().unwrap_or_default();
        let (mut rest, mut fives) = (self.0.denom() >> twos, 0);
        let (one, five) = (BigInt::from(1), BigInt::from(5));
        while rest != one {
            if (&rest % &five).sign() != Sign::NoSign {
                return None;
            }
            rest /= &five;
            fives += 1;
        }
        u32::try_from(twos.max(fives)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(left: &str, operation: Arithmetic, right: &str) -> Result<String, NoValue> {
        Exact::read(left)?.compute(operation, Exact::read(right)?)?.write()
    }

    #[test]
    fn what_is_read_is_written_without_exponent_and_zeros() {
        for (digits, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("1.50", "1.5"),
            ("-0.0010", "-0.001"),
            ("1e3", "1000"),
            ("12.5E-2", "0.125"),
            ("2.5e+1", "25"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(Exact::read(digits).unwrap().write().unwrap(), expected, "{digits}");
        }
    }

    #[test]
    fn what_is_not_exact_or_too_large_is_no_number() {
        use Arithmetic::{Add, Divide, Multiply, Remainder};
        let long = "9".repeat(DIGITS_MAX);
        for (left, operation, right) in [("1", Divide, "3"), (&long, Multiply, &long)] {
            let result = computed(left, operation, right);
            assert!(matches!(result, Err(NoValue::Inexact)), "{left}");
        }
        for (left, operation) in [("1", Divide), ("1", Remainder)] {
            assert!(matches!(computed(left, operation, "0"), Err(NoValue::Senseless)));
        }
        for left in ["1e999999999", "1e-999999999", "1e99999999999999999999", &"9".repeat(1_001)] {
            assert!(matches!(computed(left, Add, "1"), Err(NoValue::Bomb)), "{left}");
        }
        let squared = |digits: String, _| computed(&digits, Multiply, &digits);
        assert!(matches!((0..100).try_fold("1e100".to_owned(), squared), Err(NoValue::Bomb)));
        assert!(matches!((0..100).try_fold("3".to_owned(), squared), Err(NoValue::Inexact)));
    }
}
