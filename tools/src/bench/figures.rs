//! Figures: what stands for many of them, and how they are written.

use std::time::Duration;

/// Bytes in a mebibyte.
pub(super) const MIB: f64 = 1024.0 * 1024.0;

/// The middle one; of an even number the slower of the two in the middle. None at all: 0.
pub(super) fn median(times: &[Duration]) -> Duration {
    let sorted = sorted(times);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The shortest time that `percent` in a hundred of them do not exceed (nearest rank). None at all: 0.
pub(super) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    sorted(times).get(rank - 1).copied().unwrap_or_default()
}

fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted
}

/// How many times as long as `other` it takes.
pub(super) fn times_as_long(time: Duration, other: Duration) -> f64 {
    time.as_secs_f64() / other.as_secs_f64()
}

/// `number` in so much time, by the second.
pub(super) fn per_second(number: u64, elapsed: Duration) -> f64 {
    number as f64 / elapsed.as_secs_f64()
}

/// Milliseconds with three decimals: microseconds are what the server's clock tells.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// Seconds with three decimals.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Mebibytes with one decimal.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB)
}

/// A number with a comma after every three digits.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        let times = milliseconds.into_iter().map(Duration::from_millis);
        times.collect()
    }

    #[test]
    fn the_median_is_the_middle_of_the_sorted_times() {
        assert_eq!(median(&times([5, 1, 9])), Duration::from_millis(5));
        assert_eq!(median(&times([5, 1, 9, 7])), Duration::from_millis(7));
        assert_eq!(median(&[]), Duration::ZERO);
    }

    #[test]
    fn a_percentile_is_the_time_that_so_many_do_not_exceed() {
        let fifty = times((1..=50).rev());
        assert_eq!(percentile(&fifty, 95), Duration::from_millis(48));
        assert_eq!(percentile(&fifty, 100), Duration::from_millis(50));
        assert_eq!(percentile(&fifty, 0), Duration::from_millis(1));
        assert_eq!(percentile(&times([4]), 95), Duration::from_millis(4));
        assert_eq!(percentile(&[], 95), Duration::ZERO);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }
}
