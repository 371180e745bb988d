//! Moving averages, as mosquitto computes them.

/// What happened in a minute, averaged over the last minute, five and fifteen, with older minutes weighing less.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    last: u64,
    averages: [f64; 3],
}

impl Load {
    /// The counter stands at `count` after another `elapsed_s` seconds.
    pub(super) fn update(&mut self, count: u64, elapsed_s: f64) {
        let a_minute = (count - self.last) as f64 * 60.0 / elapsed_s;
        self.last = count;
        for (average, span_s) in self.averages.iter_mut().zip([60.0, 300.0, 900.0]) {
            *average = a_minute + (-elapsed_s / span_s).exp() * (*average - a_minute);
        }
    }

    /// The averages over a minute, five and fifteen.
    pub(super) fn averages(&self) -> [f64; 3] {
        self.averages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_becomes_the_average_sooner_for_short_spans() {
        let mut load = Load::default();
        for tick in 1..=90 {
            load.update(tick * 100, 10.0);
        }
        let [one, five, fifteen] = load.averages();
        assert!((one - 600.0).abs() < 0.01, "{one}");
        assert!((five - 600.0 * (1.0 - (-900.0_f64 / 300.0).exp())).abs() < 0.01, "{five}");
        assert!((fifteen - 600.0 * (1.0 - (-1.0_f64).exp())).abs() < 0.01, "{fifteen}");
    }
}
