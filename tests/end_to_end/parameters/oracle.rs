//! What a case's value means to its column, told without the extension: from the definitions in [`super::meaning`] and
//! from what Postgres says to questions of our own.

use super::case::Case;
use super::meaning::{self, Meaning, literal};
use super::said::{Said, Value};
use super::types::{Scalar, Shape};

/// Levels of nesting that a value may have.
const MOST_DEPTH: usize = 128;
/// Dimensions that an array may have.
const MOST_DIMENSIONS: usize = 6;

/// Postgres's answers to SQL expressions: a text, NULL, or an error.
pub type Answer = Result<Option<String>, String>;

/// Questions to Postgres, asked together.
#[derive(Default)]
pub struct Questions(pub Vec<String>);

impl Questions {
    fn ask(&mut self, sql: String) -> usize {
        self.0.push(sql);
        self.0.len() - 1
    }
}

/// What a value means to its column, where answers may still be missing.
pub enum Draft {
    /// Nothing: it has to be refused.
    Never,
    Null,
    One(Box<Leaf>),
    Many(Vec<Draft>),
    /// A text in array notation that only Postgres can read.
    AsRead {
        shown: usize,
    },
}

pub struct Leaf {
    meaning: Meaning,
    /// The question what its text is.
    shown: Option<usize>,
    conditions: Vec<(usize, Option<&'static str>)>,
}

impl Draft {
    /// What the case's value means, and the questions that are open.
    pub fn of(case: &Case, questions: &mut Questions) -> Self {
        let value = &case.value;
        if value.depth() > MOST_DEPTH {
            return Draft::Never;
        }
        match (case.column().shape, &value.said) {
            (_, Said::Null) => Draft::Null,
            (Shape::One(scalar), _) => Draft::leaf(scalar, value, questions),
            (Shape::Many(scalar), Said::Array(elements) | Said::Notation(elements)) => {
                Draft::array(scalar, elements, questions).unless_misshapen()
            }
            (Shape::Many(scalar), Said::Text(text)) if !text.contains('\0') => {
                let sql = format!(
                    "to_json(({}::{}[])::text[])",
                    literal(text),
                    meaning::base(scalar)
                );
                Draft::AsRead {
                    shown: questions.ask(sql),
                }
            }
            _ => Draft::Never,
        }
    }

    fn leaf(scalar: Scalar, value: &Value, questions: &mut Questions) -> Self {
        let Some(meaning) = meaning::of(scalar, value) else {
            return Draft::Never;
        };
        let shown = match meaning.shown {
            Some(_) => None,
            None => Some(questions.ask(meaning.sql.clone())),
        };
        let conditions = meaning.conditions.iter();
        let conditions = conditions.map(|condition| {
            (
                questions.ask(condition.sql.clone()),
                condition.or_refused_with,
            )
        });
        let conditions = conditions.collect();
        Draft::One(Box::new(Leaf {
            meaning,
            shown,
            conditions,
        }))
    }

    fn array(scalar: Scalar, values: &[Value], questions: &mut Questions) -> Self {
        let element = |value: &Value| match &value.said {
            Said::Null => Draft::Null,
            Said::Array(values) if !scalar.is_json() => Draft::array(scalar, values, questions),
            _ => Draft::leaf(scalar, value, questions),
        };
        Draft::Many(values.iter().map(element).collect())
    }

    fn unless_misshapen(self) -> Self {
        match self.dimensions() {
            Some(lengths) if lengths.len() <= MOST_DIMENSIONS => self,
            _ => Draft::Never,
        }
    }

    /// The lengths of an array in each of its dimensions; `None` when it is ragged, or empty within another.
    fn dimensions(&self) -> Option<Vec<usize>> {
        let Draft::Many(elements) = self else {
            return Some(Vec::new());
        };
        let mut shapes = elements.iter().map(Draft::dimensions);
        let Some(first) = shapes.next() else {
            return Some(vec![0]);
        };
        let first = first?;
        let is_regular = !first.contains(&0) && shapes.all(|shape| shape.as_ref() == Some(&first));
        is_regular.then(|| [&[elements.len()], first.as_slice()].concat())
    }

    /// The value in SQL, of the column's type without modifiers; `None` when there is none.
    pub fn sql(&self, case: &Case) -> Option<String> {
        let (Shape::One(scalar) | Shape::Many(scalar)) = case.column().shape;
        match self {
            Draft::Never => None,
            Draft::Null => Some("NULL".to_owned()),
            Draft::One(leaf) => Some(leaf.meaning.sql.clone()),
            Draft::AsRead { .. } => {
                let text = case.value.spelled()?;
                Some(format!("{}::{}[]", literal(&text), meaning::base(scalar)))
            }
            Draft::Many(elements) if elements.is_empty() => {
                Some(format!("'{{}}'::{}[]", meaning::base(scalar)))
            }
            Draft::Many(elements) => {
                let parts: Option<Vec<_>> =
                    elements.iter().map(|element| element.sql(case)).collect();
                Some(format!(
                    "ARRAY[{}]::{}[]",
                    parts?.join(","),
                    meaning::base(scalar)
                ))
            }
        }
    }

    /// The question whether the row still has this value in its column.
    pub fn ask_whether_it_holds(&self, case: &Case, questions: &mut Questions) -> Option<usize> {
        let can_be_asked = case.column().has_equality() || matches!(self, Draft::Null);
        let sql = self
            .sql(case)
            .filter(|_| case.used.is_guard() && can_be_asked)?;
        let (table, id) = (case.table(), case.id);
        let base = match case.column().shape {
            Shape::One(scalar) => meaning::base(scalar).to_owned(),
            Shape::Many(scalar) => format!("{}[]", meaning::base(scalar)),
        };
        let comparison = match self {
            Draft::Null => "v IS NULL".to_owned(),
            _ => format!("v::{base} = {sql}"),
        };
        Some(questions.ask(format!("SELECT {comparison} FROM {table} WHERE id = {id}")))
    }

    /// The question whether the domain over the array takes it.
    pub fn ask_its_domain(&self, case: &Case, questions: &mut Questions) -> Option<usize> {
        let domain = case
            .column()
            .domain
            .filter(|_| !matches!(self, Draft::Null))?;
        let sql = self.sql(case)?;
        Some(questions.ask(format!("({sql})::{domain} IS NULL")))
    }
}

/// What a value turned out to mean.
pub struct Reading {
    /// What the column has to hold: texts, nulls, and arrays of them.
    pub stored: serde_json::Value,
    /// The column can hold it as it is.
    pub fits: bool,
    /// And there is no excuse not to.
    pub surely: bool,
}

impl Reading {
    fn of(stored: serde_json::Value) -> Self {
        Reading {
            stored,
            fits: true,
            surely: true,
        }
    }

    /// What the draft means in the light of the answers; `None` when nothing.
    pub fn new(draft: &Draft, answers: &[Answer]) -> Option<Self> {
        match draft {
            Draft::Never => None,
            Draft::Null => Some(Reading::of(serde_json::Value::Null)),
            Draft::One(leaf) => leaf.reading(answers),
            Draft::AsRead { shown } => {
                let shown = answers[*shown].as_ref().ok()?.as_ref()?;
                let mut reading = Reading::of(serde_json::from_str(shown).ok()?);
                // Whether the elements fit, nobody has looked at.
                reading.surely = false;
                Some(reading)
            }
            Draft::Many(elements) => {
                let readings: Option<Vec<_>> = elements
                    .iter()
                    .map(|element| Reading::new(element, answers))
                    .collect();
                let readings = readings?;
                Some(Reading {
                    fits: readings.iter().all(|reading| reading.fits),
                    surely: readings.iter().all(|reading| reading.surely),
                    stored: readings.into_iter().map(|reading| reading.stored).collect(),
                })
            }
        }
    }
}

impl Leaf {
    fn reading(&self, answers: &[Answer]) -> Option<Reading> {
        let asked = || answers[self.shown?].clone().ok()?;
        let shown = self.meaning.shown.clone().or_else(asked)?;
        let holds = |(question, or_refused_with): &(usize, Option<&str>)| match &answers[*question]
        {
            Ok(answer) => answer.as_deref() == Some("true"),
            Err(sqlstate) => *or_refused_with == Some(sqlstate),
        };
        Some(Reading {
            stored: shown.into(),
            fits: self.meaning.fits && self.conditions.iter().all(holds),
            surely: self.meaning.surely,
        })
    }
}

/// True when a column holds what was meant.
pub fn is_stored(case: &Case, meant: &serde_json::Value, stored: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, String};
    let (Shape::One(scalar) | Shape::Many(scalar)) = case.column().shape;
    match (meant, stored) {
        (String(meant), String(stored)) => meaning::is_same(scalar, meant, stored),
        (Array(meant), Array(stored)) => {
            meant.len() == stored.len()
                && meant
                    .iter()
                    .zip(stored)
                    .all(|(meant, stored)| is_stored(case, meant, stored))
        }
        (meant, stored) => meant == stored,
    }
}
