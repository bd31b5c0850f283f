//! What repeated runs found.

/// Numbers found by running the same thing again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one in the middle; of an even number, the mean of the two.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The smallest.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The one that so many per cent do not exceed (nearest rank).
    pub fn percentile(&self, percent: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        let found = sorted.get(rank.max(1) - 1);
        found.copied().unwrap_or(f64::NAN)
    }

    /// Something made of each.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        self.0.iter().map(|sample| change(*sample)).collect()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Samples(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle_whatever_the_order() {
        let of = |samples: &[f64]| samples.iter().copied().collect::<Samples>().median();
        assert_eq!(of(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), 3.0);
        assert!(of(&[]).is_nan());
    }

    #[test]
    fn a_percentile_is_a_sample_that_was_found() {
        let samples: Samples = (1..=300).map(f64::from).collect();
        assert_eq!(samples.percentile(50.0), 150.0);
        assert_eq!(samples.percentile(99.0), 297.0);
        assert_eq!(samples.percentile(100.0), samples.max());
        assert_eq!(samples.percentile(0.0), samples.min());
    }
}
