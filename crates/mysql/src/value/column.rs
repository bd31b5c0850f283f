//! Columns, and the types that values can be read for.

use std::sync::Arc;

use super::Family;
use super::address::AddressType;
use super::bit::BitType;
use super::bytes::BytesType;
use super::choice::{EnumType, SetType};
use super::date_time::{DateTimeType, DateType};
use super::decimal::DecimalType;
use super::float::{DoubleType, FloatType};
use super::integer::IntegerType;
use super::json::JsonType;
use super::text::TextType;
use super::time::TimeType;
use super::uuid::UuidType;
use super::year::YearType;

/// A column as `information_schema.COLUMNS` describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// `COLUMN_NAME`.
    pub name: String,
    /// `DATA_TYPE`, in lower case: `int`, `varchar`.
    pub data_type: String,
    /// `COLUMN_TYPE`: `int(10) unsigned`, `enum('a','b''c')`, `tinyint(1)`, `datetime(6)`.
    pub column_type: String,
    /// `IS_NULLABLE` is `YES`.
    pub is_nullable: bool,
    /// `CHARACTER_MAXIMUM_LENGTH`, in characters, for the text types in the shortest characters of the set.
    pub character_maximum_length: Option<u64>,
    /// `CHARACTER_OCTET_LENGTH`, in bytes.
    pub character_octet_length: Option<u64>,
    /// `NUMERIC_PRECISION`: digits, for `bit` bits.
    pub numeric_precision: Option<u64>,
    /// `NUMERIC_SCALE`: digits after the point; of a `float` or `double` only where it was declared with them.
    pub numeric_scale: Option<u64>,
    /// `DATETIME_PRECISION`: digits of the second's fraction.
    pub datetime_precision: Option<u64>,
    /// `CHARACTER_SET_NAME`.
    pub character_set: Option<String>,
    /// `COLLATION_NAME`.
    pub collation: Option<String>,
    /// Computed from other columns: it can't be written.
    pub is_generated: bool,
    /// Numbered by the server where no value is given.
    pub is_auto_increment: bool,
    /// MariaDB's JSON: a `longtext` with the constraint `json_valid(column)`.
    pub is_json_text: bool,
}

impl Column {
    /// True for a numeric column without negative values. `zerofill` implies it, and the servers say so.
    pub(super) fn is_unsigned(&self) -> bool {
        self.column_type.split(' ').any(|word| word == "unsigned")
    }

    /// Digits of the second's fraction that the column keeps, 0 to 6.
    pub(super) fn fraction_digits(&self) -> u32 {
        self.datetime_precision
            .map_or(0, |digits| digits.min(6) as u32)
    }
}

/// A type that values can be read for, parsed once from a [`Column`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ColumnType(Arc<dyn Family>);

impl ColumnType {
    /// The column's type; `None` for one that no value can be read for (geometry, vector, …).
    pub fn of(column: &Column) -> Option<Self> {
        let family: Arc<dyn Family> = match column.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
                Arc::new(IntegerType::of(column)?)
            }
            "decimal" => Arc::new(DecimalType::of(column)?),
            "float" => Arc::new(FloatType::of(column)),
            "double" => Arc::new(DoubleType::of(column)),
            "bit" => Arc::new(BitType::of(column)?),
            "datetime" | "timestamp" => Arc::new(DateTimeType::of(column)),
            "date" => Arc::new(DateType),
            "time" => Arc::new(TimeType::of(column)),
            "year" => Arc::new(YearType),
            "json" => Arc::new(JsonType::Native),
            _ if column.is_json_text => Arc::new(JsonType::Text),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
                Arc::new(TextType::of(column)?)
            }
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
                Arc::new(BytesType::of(column)?)
            }
            "enum" => Arc::new(EnumType::of(column)?),
            "set" => Arc::new(SetType::of(column)?),
            "uuid" => Arc::new(UuidType),
            "inet4" => Arc::new(AddressType::V4),
            "inet6" => Arc::new(AddressType::V6),
            _ => return None,
        };
        Some(ColumnType(family))
    }

    pub(super) fn family(&self) -> &dyn Family {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::column;
    use super::*;

    #[test]
    fn a_type_that_no_value_can_be_read_for_is_said_to_be_unsupported() {
        for data_type in ["geometry", "point", "vector", "xmltype", "", "INT"] {
            let column = Column {
                data_type: data_type.to_owned(),
                column_type: data_type.to_owned(),
                ..Column::default()
            };
            assert!(ColumnType::of(&column).is_none(), "{data_type}");
        }
    }

    #[test]
    fn a_description_without_its_limits_is_unsupported_and_never_unlimited() {
        for data_type in ["decimal", "bit", "varchar", "text", "binary", "enum", "set"] {
            let column = Column {
                data_type: data_type.to_owned(),
                column_type: data_type.to_owned(),
                ..Column::default()
            };
            assert!(ColumnType::of(&column).is_none(), "{data_type}");
        }
    }

    #[test]
    fn only_the_word_itself_makes_a_column_unsigned() {
        assert!(column("int(10) unsigned zerofill").is_unsigned());
        assert!(column("decimal(10,2) unsigned").is_unsigned());
        assert!(!column("int").is_unsigned());
    }
}
