//! Numbers, times and names as people read them.

use std::fmt::Write;

/// Text as it may go to a terminal: what would steer it, or turn the order of letters, is written as an escape.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            character if character.is_control() => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// A number with its thousands apart: `5,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many of a thing: `1 row`, `2 rows`.
pub fn counted(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{} {thing}s", grouped(number)),
    }
}

/// A number in words from a million on: `1.5 million`.
pub fn rounded(number: u64) -> String {
    if number < 1_000_000 {
        return grouped(number);
    }
    format!("{:.1} million", number as f64 / 1e6)
}

/// A number in few letters: `950`, `12k`, `1.5M`, `2.0G`.
pub fn compact(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// How long something took, in seconds: `0.12 s`, `3.2 s`, `2 min 5 s`.
pub fn took(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.2} s", seconds.max(0.0)),
        1.0..60.0 => format!("{seconds:.1} s"),
        _ => duration(seconds),
    }
}

/// How long something takes, in one or two whole units: `3 s`, `2 min 5 s`, `1 h 4 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            escape("a\u{1b}[2J\r\n\u{9b}é\u{202e}\u{7f}"),
            "a\\x1b[2J\\x0d\\x0a\\x9bé\\u202e\\x7f"
        );
    }

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [1, 2_000].map(|rows| counted(rows, "row")),
            ["1 row", "2,000 rows"]
        );
        assert_eq!(
            [999_999, 1_540_000].map(rounded),
            ["999,999", "1.5 million"]
        );
        assert_eq!(
            [999, 12_345, 1_540_000, 2_000_000_000].map(compact),
            ["999", "12k", "1.5M", "2.0G"]
        );
    }

    #[test]
    fn times_are_as_exact_as_they_matter() {
        assert_eq!(
            [0.0, 2.1, 60.0, 125.0, 3600.0, 3840.5].map(duration),
            ["0 s", "3 s", "1 min", "2 min 5 s", "1 h", "1 h 4 min"]
        );
        assert_eq!(
            [0.004, 0.123, 3.449, 125.0].map(took),
            ["0.00 s", "0.12 s", "3.4 s", "2 min 5 s"]
        );
    }
}
