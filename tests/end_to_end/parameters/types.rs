//! The grammar of types: columns of every kind that a table is likely to have, with declared modifiers, as domains and
//! as arrays.

/// What a plain value of a type is, as far as the oracle's definitions go. A text in it is the type as it is declared.
#[derive(Clone, Copy, Debug)]
pub enum Scalar {
    Integer {
        base: &'static str,
        least: i64,
        most: i64,
    },
    /// Precision and scale, where they are declared.
    Decimal(Option<(i64, i64)>),
    Float(&'static str),
    Money,
    /// The most characters.
    Text(Option<usize>),
    /// `char(n)`: blanks at the end do not count.
    Padded(Option<usize>),
    Name,
    /// `"char"`: one byte.
    Letter,
    Truth,
    Bytes,
    Uuid,
    /// `bit(n)`, of that length exactly.
    Bits(usize),
    /// `varbit(n)`.
    UpToBits(Option<usize>),
    /// The enum [`LABELS`].
    Label,
    Json,
    Jsonb,
    Xml,
    Date,
    Timestamp(&'static str),
    Timestamptz(&'static str),
    Time(&'static str),
    Timetz(&'static str),
    Interval(&'static str),
    /// `inet`, `cidr`, `macaddr`.
    Address(&'static str),
    /// Ranges and multiranges of numbers and moments.
    Range(&'static str),
    /// `tsvector`
    Words,
    /// The composite type `parcel`.
    Composite,
    /// A domain over something else.
    Checked(&'static str, &'static Scalar),
}

impl Scalar {
    /// True for documents: any JSON value is one.
    pub fn is_json(self) -> bool {
        match self {
            Json | Jsonb => true,
            Checked(_, below) => below.is_json(),
            _ => false,
        }
    }
}

use Scalar::*;

/// One value, or an array of them.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    One(Scalar),
    Many(Scalar),
}

/// A column: its declaration, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub declared: &'static str,
    pub shape: Shape,
    /// The domain over an array that it is of.
    pub domain: Option<&'static str>,
    pub takes_null: bool,
}

impl Column {
    /// False for types without an equality: no guard can be of them.
    pub fn has_equality(&self) -> bool {
        let (Shape::One(scalar) | Shape::Many(scalar)) = self.shape;
        !matches!(scalar, Json | Xml)
    }
}

const fn one(declared: &'static str, scalar: Scalar) -> Column {
    Column {
        declared,
        shape: Shape::One(scalar),
        domain: None,
        takes_null: true,
    }
}

const fn many(declared: &'static str, scalar: Scalar) -> Column {
    Column {
        declared,
        shape: Shape::Many(scalar),
        domain: None,
        takes_null: true,
    }
}

/// The labels of the enum `mood`.
pub const LABELS: &[&str] = &[
    "calm",
    "in a hurry",
    "it's",
    "\u{e9}\u{1f680}",
    "",
    "a\"b\\c",
];

/// The types that columns are of.
pub const TYPES: &str = r#"
    CREATE TYPE mood AS ENUM ('calm', 'in a hurry', 'it''s', 'é🚀', '', 'a"b\c');
    CREATE TYPE parcel AS (label varchar(5), weight numeric(5,2), sent timestamp, door time, kept "char");
    CREATE TYPE wide_parcel AS (label text, weight numeric, sent timestamptz, door timetz, kept text);
    CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
    CREATE DOMAIN required AS text NOT NULL;
    CREATE DOMAIN short AS varchar(4) CHECK (VALUE <> 'none');
    CREATE DOMAIN percentage AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
    CREATE DOMAIN small AS int CHECK (VALUE < 10);
    CREATE DOMAIN smaller AS small CHECK (VALUE > 0);
    CREATE DOMAIN nickname AS name;
    CREATE DOMAIN local AS timestamp(0);
    CREATE DOMAIN document AS jsonb CHECK (jsonb_typeof(VALUE) <> 'boolean');
    CREATE DOMAIN pair AS int[] CHECK (cardinality(VALUE) = 2);
    CREATE DOMAIN prices AS numeric(5,2)[];
"#;

const SMALLINT: Scalar = Integer {
    base: "smallint",
    least: i16::MIN as i64,
    most: i16::MAX as i64,
};
const INT: Scalar = Integer {
    base: "int",
    least: i32::MIN as i64,
    most: i32::MAX as i64,
};
const BIGINT: Scalar = Integer {
    base: "bigint",
    least: i64::MIN,
    most: i64::MAX,
};
const OID: Scalar = Integer {
    base: "oid",
    least: 0,
    most: u32::MAX as i64,
};
const CENTS: Scalar = Decimal(Some((5, 2)));
const SHORT: Scalar = Text(Some(4));
const TEXT: Scalar = Text(None);
const SMALL: Scalar = Checked("small", &INT);

/// Every column that cases are made for.
pub const COLUMNS: &[Column] = &[
    one("smallint", SMALLINT),
    one("int", INT),
    one("bigint", BIGINT),
    one("oid", OID),
    one("numeric", Decimal(None)),
    one("numeric(1,0)", Decimal(Some((1, 0)))),
    one("numeric(5,2)", CENTS),
    one("numeric(40,10)", Decimal(Some((40, 10)))),
    one("numeric(3,5)", Decimal(Some((3, 5)))),
    one("numeric(4,-2)", Decimal(Some((4, -2)))),
    one("real", Float("real")),
    one("double precision", Float("double precision")),
    one("money", Money),
    one("text", TEXT),
    one("varchar", TEXT),
    one("varchar(4)", SHORT),
    one("varchar(200)", Text(Some(200))),
    one("char(3)", Padded(Some(3))),
    one("char", Padded(Some(1))),
    one("bpchar", Padded(None)),
    one("name", Name),
    one("\"char\"", Letter),
    one("bool", Truth),
    one("bytea", Bytes),
    one("uuid", Uuid),
    one("bit(4)", Bits(4)),
    one("bit", Bits(1)),
    one("varbit", UpToBits(None)),
    one("varbit(5)", UpToBits(Some(5))),
    one("mood", Label),
    one("json", Json),
    one("jsonb", Jsonb),
    one("xml", Xml),
    one("date", Date),
    one("timestamp", Timestamp("timestamp")),
    one("timestamp(0)", Timestamp("timestamp(0)")),
    one("timestamptz", Timestamptz("timestamptz")),
    one("timestamptz(3)", Timestamptz("timestamptz(3)")),
    one("time", Time("time")),
    one("time(0)", Time("time(0)")),
    one("timetz", Timetz("timetz")),
    one("timetz(2)", Timetz("timetz(2)")),
    one("interval", Interval("interval")),
    one("interval(0)", Interval("interval(0)")),
    one("interval year to month", Interval("interval year to month")),
    one(
        "interval day to second(3)",
        Interval("interval day to second(3)"),
    ),
    one("interval hour", Interval("interval hour")),
    one("inet", Address("inet")),
    one("cidr", Address("cidr")),
    one("macaddr", Address("macaddr")),
    one("int4range", Range("int4range")),
    one("int8range", Range("int8range")),
    one("numrange", Range("numrange")),
    one("daterange", Range("daterange")),
    one("tstzrange", Range("tstzrange")),
    one("int4multirange", Range("int4multirange")),
    one("nummultirange", Range("nummultirange")),
    one("tsvector", Words),
    one("parcel", Composite),
    one("email", Checked("email", &TEXT)),
    Column {
        takes_null: false,
        ..one("required", Checked("required", &TEXT))
    },
    one("short", Checked("short", &SHORT)),
    one("percentage", Checked("percentage", &CENTS)),
    one("small", SMALL),
    one("smaller", Checked("smaller", &SMALL)),
    one("nickname", Checked("nickname", &Name)),
    one("local", Checked("local", &Timestamp("timestamp(0)"))),
    one("document", Checked("document", &Jsonb)),
    many("smallint[]", SMALLINT),
    many("int[]", INT),
    many("bigint[][]", BIGINT),
    many("oid[]", OID),
    many("numeric[]", Decimal(None)),
    many("numeric(5,2)[]", CENTS),
    many("double precision[]", Float("double precision")),
    many("text[]", TEXT),
    many("varchar(4)[]", SHORT),
    many("char(3)[]", Padded(Some(3))),
    many("name[]", Name),
    many("\"char\"[]", Letter),
    many("bool[]", Truth),
    many("bytea[]", Bytes),
    many("uuid[]", Uuid),
    many("bit(4)[]", Bits(4)),
    many("varbit(5)[]", UpToBits(Some(5))),
    many("mood[]", Label),
    many("json[]", Json),
    many("jsonb[]", Jsonb),
    many("date[]", Date),
    many("timestamp[]", Timestamp("timestamp")),
    many("timestamp(0)[]", Timestamp("timestamp(0)")),
    many("timestamptz[]", Timestamptz("timestamptz")),
    many("time[]", Time("time")),
    many("timetz(2)[]", Timetz("timetz(2)")),
    many("interval[]", Interval("interval")),
    many("interval hour[]", Interval("interval hour")),
    many("inet[]", Address("inet")),
    many("int4range[]", Range("int4range")),
    many("parcel[]", Composite),
    many("small[]", SMALL),
    many("short[]", Checked("short", &SHORT)),
    many("percentage[]", Checked("percentage", &CENTS)),
    many("nickname[]", Checked("nickname", &Name)),
    many("local[]", Checked("local", &Timestamp("timestamp(0)"))),
    many("document[]", Checked("document", &Jsonb)),
    Column {
        domain: Some("pair"),
        ..many("pair", INT)
    },
    Column {
        domain: Some("prices"),
        ..many("prices", CENTS)
    },
];
