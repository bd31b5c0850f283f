//! `bit(n)`: up to 64 bits, as an unsigned integer.

use mysql::Value;
use synapsor_core::json::{Json, Kind};

use super::column::Column;
use super::integer::{boolean, integer, numeral};
use super::{Exact, Family, Fault, Typed};

/// `bit(width)`.
#[derive(Debug)]
pub(super) struct BitType {
    width: u32,
}

impl BitType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        let width = u32::try_from(column.numeric_precision?).ok()?;
        (1..=64).contains(&width).then_some(BitType { width })
    }
}

impl Family for BitType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let number = match value.kind() {
            Kind::Bool if self.width == 1 => boolean(value),
            _ => integer(&numeral(value)?)?,
        };
        let bits = u64::try_from(number).map_err(|_| Fault::NotExact)?;
        if number >> self.width != 0 {
            return Err(Fault::NotExact);
        }
        Ok(Typed {
            parameter: Value::UInt(bits),
            exact: Exact::Integer(number),
        })
    }

    /// A cell is as many bytes as the bits need, the most significant first.
    fn read(&self, cell: &Value) -> Option<Exact> {
        match cell {
            Value::Bytes(bytes) if bytes.len() <= 8 => Some(Exact::Integer(
                bytes
                    .iter()
                    .fold(0, |number, byte| number << 8 | i128::from(*byte)),
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{column, fault, sent};
    use super::super::{ColumnType, Exact, read};
    use mysql::Value;

    #[test]
    fn every_bit_fits_and_one_more_is_not_exact() {
        assert_eq!(sent("bit(1)", "1"), Value::UInt(1));
        assert_eq!(sent("bit(1)", "true"), Value::UInt(1));
        assert_eq!(sent("bit(8)", "\"255\""), Value::UInt(255));
        assert_eq!(
            sent("bit(64)", "18446744073709551615"),
            Value::UInt(u64::MAX)
        );
        for (column_type, text) in [
            ("bit(1)", "2"),
            ("bit(8)", "256"),
            ("bit(8)", "-1"),
            ("bit(64)", "18446744073709551616"),
        ] {
            assert_eq!(fault(column_type, text), NotExact, "{column_type} {text}");
        }
        for text in ["\"b'1'\"", "true", "\"\"", "[]"] {
            assert_eq!(fault("bit(8)", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn a_cell_s_first_byte_is_the_most_significant() {
        let ty = ColumnType::of(&column("bit(10)")).unwrap();
        assert_eq!(
            read(&Value::Bytes(vec![2, 1]), &ty),
            Some(Exact::Integer(513))
        );
    }
}
