//! Sums of weights up to a rank, in logarithmic time (Fenwick 1994).

/// Weights of ranks from 0.
pub(crate) struct Fenwick {
    sums: Vec<f64>,
    total: f64,
}

impl Fenwick {
    pub(crate) fn new(ranks: usize) -> Self {
        Self { sums: vec![0.0; ranks + 1], total: 0.0 }
    }

    /// Sum of all weights.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// Adds to the weight of a rank.
    pub(crate) fn add(&mut self, rank: usize, weight: f64) {
        self.total += weight;
        let mut index = rank + 1;
        while index < self.sums.len() {
            self.sums[index] += weight;
            index += index & index.wrapping_neg();
        }
    }

    /// Sum of the weights below a rank.
    pub(crate) fn below(&self, rank: usize) -> f64 {
        let (mut index, mut sum) = (rank, 0.0);
        while index > 0 {
            sum += self.sums[index];
            index &= index - 1;
        }
        sum
    }
}
