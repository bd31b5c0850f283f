//! What a value means in a type: the definitions that the oracle goes by. Numbers, texts, truth, bytes, bits and labels
//! are worked out in [`super::plain`]; of moments, addresses and the like Postgres is asked what it reads, and whether the column would
//! forget a part of that.

use super::decimal::Decimal;
use super::plain::{bits, bytes, decimal, integer, letter, truth, uuid};
use super::said::Value;
use super::types::{LABELS, Scalar};

/// What a value means.
#[derive(Debug)]
pub struct Meaning {
    /// The value itself in SQL, of the type without its modifiers.
    pub sql: String,
    /// Its text afterwards, where we know it; otherwise that of `sql` is asked for.
    pub shown: Option<String>,
    /// False when the column can't hold this value as it is.
    pub fits: bool,
    /// False for notations that a type may refuse although they mean something, as `1e2` for an integer.
    pub surely: bool,
    /// What else must be true for it to fit.
    pub conditions: Vec<Condition>,
}

/// A condition in SQL.
#[derive(Debug)]
pub struct Condition {
    pub sql: String,
    /// The SQLSTATE that says the same as `true`.
    pub or_refused_with: Option<&'static str>,
}

impl Meaning {
    /// A value that shows itself as this text.
    pub fn known(sql_type: &str, shown: impl Into<String>, fits: bool) -> Option<Self> {
        let shown = shown.into();
        let mut meaning = Self::asked(format!("{}::{sql_type}", literal(&shown)));
        meaning.shown = Some(shown);
        meaning.fits = fits;
        Some(meaning)
    }

    fn asked(sql: String) -> Self {
        Meaning {
            sql,
            shown: None,
            fits: true,
            surely: true,
            conditions: Vec::new(),
        }
    }

    /// The same, which the type may refuse unless its notation is a plain one.
    pub fn unless_refused(mut self, is_plain: bool) -> Self {
        self.surely = is_plain;
        self
    }

    fn when(self, sql: String) -> Self {
        self.when_refused(sql, None)
    }

    fn when_refused(mut self, sql: String, or_refused_with: Option<&'static str>) -> Self {
        self.conditions.push(Condition {
            sql,
            or_refused_with,
        });
        self
    }
}

/// `invalid_datetime_format`
const NOT_A_MOMENT: Option<&str> = Some("22007");

/// What a value means in a type; `None` when nothing, so that it has to be refused.
pub fn of(scalar: Scalar, value: &Value) -> Option<Meaning> {
    match scalar {
        Scalar::Json => return Meaning::known("json", &value.json, true),
        Scalar::Jsonb => return Some(Meaning::asked(format!("{}::jsonb", literal(&value.json)))),
        Scalar::Checked(domain, below) => {
            let meaning = of(*below, value)?;
            let passes = format!("({})::{domain} IS NOT NULL", meaning.sql);
            return Some(meaning.when(passes));
        }
        _ => {}
    }
    let text = value.spelled().filter(|text| !text.contains('\0'))?;
    match scalar {
        Scalar::Integer { base, least, most } => integer(base, least, most, &text),
        Scalar::Decimal(limits) => decimal(limits, &text),
        Scalar::Text(most) => {
            let fits = most.is_none_or(|most| text.chars().count() <= most);
            Meaning::known("text", text, fits)
        }
        Scalar::Padded(most) => {
            let text = text.trim_end_matches(' ');
            Meaning::known(
                "bpchar",
                text,
                most.is_none_or(|most| text.chars().count() <= most),
            )
        }
        Scalar::Name => Meaning::known("name", text.as_str(), text.len() < 64),
        Scalar::Letter => letter(&text),
        Scalar::Truth => Meaning::known("bool", truth(&text)?.to_string(), true),
        Scalar::Bytes => Meaning::known("bytea", bytes(&text)?, true),
        Scalar::Uuid => Meaning::known("uuid", uuid(&text)?, true),
        Scalar::Bits(length) => {
            let bits = bits(&text)?;
            let fits = bits.len() == length;
            Meaning::known("varbit", bits, fits)
        }
        Scalar::UpToBits(most) => {
            let bits = bits(&text)?;
            let fits = most.is_none_or(|most| bits.len() <= most);
            Meaning::known("varbit", bits, fits)
        }
        Scalar::Label => LABELS
            .contains(&text.as_str())
            .then(|| Meaning::known("mood", text, true))?,
        _ => Some(as_postgres_reads(scalar, &text)),
    }
}

/// The type of [`Meaning::sql`].
pub fn base(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Integer { base, .. } => base,
        Scalar::Decimal(_) => "numeric",
        Scalar::Float(base) | Scalar::Address(base) | Scalar::Range(base) => base,
        Scalar::Money => "money",
        Scalar::Text(_) => "text",
        Scalar::Padded(_) => "bpchar",
        Scalar::Name => "name",
        Scalar::Letter => "\"char\"",
        Scalar::Truth => "bool",
        Scalar::Bytes => "bytea",
        Scalar::Uuid => "uuid",
        Scalar::Bits(_) | Scalar::UpToBits(_) => "varbit",
        Scalar::Label => "mood",
        Scalar::Json => "json",
        Scalar::Jsonb => "jsonb",
        Scalar::Xml => "xml",
        Scalar::Date => "date",
        Scalar::Timestamp(_) => "timestamp",
        Scalar::Timestamptz(_) => "timestamptz",
        Scalar::Time(_) => "time",
        Scalar::Timetz(_) => "timetz",
        Scalar::Interval(_) => "interval",
        Scalar::Words => "tsvector",
        Scalar::Composite => "parcel",
        Scalar::Checked(_, below) => base(*below),
    }
}

/// True when a column that shows `stored` holds the value that is shown as `meant`.
pub fn is_same(scalar: Scalar, meant: &str, stored: &str) -> bool {
    match scalar {
        Scalar::Decimal(_) => match (Decimal::parse(meant), Decimal::parse(stored)) {
            (Some(meant), Some(stored)) => meant == stored,
            _ => meant == stored,
        },
        Scalar::Checked(_, below) => is_same(*below, meant, stored),
        _ => meant == stored,
    }
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What the type's own input makes of a text, and what it must not forget of it.
fn as_postgres_reads(scalar: Scalar, text: &str) -> Meaning {
    let said = literal(text);
    let in_utc = format!("({said}::timestamptz AT TIME ZONE 'UTC')");
    let near = literal(&in_a_near_year(text));
    let read = Meaning::asked(format!("{said}::{}", base(scalar)));
    match scalar {
        Scalar::Timestamp(declared) => {
            let kept = format!("{said}::{declared} = {in_utc}");
            Meaning::asked(in_utc).when(kept)
        }
        Scalar::Timestamptz(declared) => {
            read.when(format!("{said}::{declared} = {said}::timestamptz"))
        }
        Scalar::Date => read.when(format!(
            "{near}::date = {near}::timestamptz AT TIME ZONE 'UTC'"
        )),
        Scalar::Time(declared) => read
            .when(format!("{said}::{declared} = {said}::time"))
            .when(format!("extract(timezone FROM {near}::timetz) = 0"))
            .when_refused(names_no_day(&near, "time"), NOT_A_MOMENT),
        Scalar::Timetz(declared) => read
            .when(format!("{said}::{declared} = {said}::timetz"))
            .when_refused(names_no_day(&near, "timetz::time"), NOT_A_MOMENT),
        Scalar::Interval(declared) => {
            read.when(format!("{said}::{declared}::text = {said}::interval::text"))
        }
        Scalar::Composite => read.when(keeps_every_field(&said)),
        _ => read,
    }
}

/// A text is a time with a day when as a timestamp it has the same time of day; `24:00` is that of the next day.
fn names_no_day(said: &str, time: &str) -> String {
    format!("{said}::timestamp::time <> {said}::{time}::interval::time")
}

/// Past the year 294276 there are dates, and no timestamps to compare them with. The calendar repeats every 400 years.
fn in_a_near_year(text: &str) -> String {
    let Some((year, rest)) = text.split_once('-') else {
        return text.to_owned();
    };
    match year.parse::<u32>() {
        Ok(number) if matches!(year.len(), 6 | 7) && rest.chars().nth(2) == Some('-') => {
            format!("{}-{rest}", 2000 + number % 400)
        }
        _ => text.to_owned(),
    }
}

/// A composite's fields are columns of their own: what none of them may forget.
fn keeps_every_field(said: &str) -> String {
    format!(
        "(SELECT k.label IS NOT DISTINCT FROM w.label AND k.weight IS NOT DISTINCT FROM w.weight
             AND k.sent IS NOT DISTINCT FROM w.sent AT TIME ZONE 'UTC'
             AND k.door::timetz IS NOT DISTINCT FROM w.door AND k.kept::text IS NOT DISTINCT FROM w.kept
          FROM (SELECT ({said}::parcel).*) k, (SELECT ({said}::wide_parcel).*) w)"
    )
}
