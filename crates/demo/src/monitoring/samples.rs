//! What the views said, over time.

use std::collections::BTreeMap;

use postgres::Client;

use crate::chart::Series;

const QUERY: &str = "
    SELECT name, coalesce((SELECT min(l.value) FROM jsonb_each_text(labels) l), ''), value::float8 FROM (
        SELECT name, labels, value FROM synapsor.metrics UNION ALL SELECT name, labels, value FROM synapsor.activity) m";

/// One look at every metric.
struct Sample {
    minutes: f64,
    /// By name and label.
    values: BTreeMap<(String, String), f64>,
}

/// All of them, in order.
#[derive(Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Looks at the metrics now.
    pub fn take(&mut self, session: &mut Client, minutes: f64) {
        let rows = session.query(QUERY, &[]).expect("the metrics can be read");
        let values = rows
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get(2)));
        self.0.push(Sample {
            minutes,
            values: values.collect(),
        });
    }

    /// A line for each label of a metric, or one of this name where it has none. Where there was no value, there is no point.
    pub fn series(&self, metric: &str, name: &str, scale: impl Fn(f64) -> f64) -> Vec<Series> {
        let metric = format!("synapsor_writeback_{metric}");
        let mut lines: BTreeMap<&str, Series> = BTreeMap::new();
        for sample in &self.0 {
            for ((of, label), value) in &sample.values {
                if *of == metric {
                    let line = lines.entry(label).or_insert_with(|| Series {
                        name: if label.is_empty() { name } else { label }.to_owned(),
                        points: Vec::new(),
                    });
                    line.points.push((sample.minutes, scale(*value)));
                }
            }
        }
        lines.into_values().collect()
    }
}
