//! Numbers as people read them.

use std::time::Duration;

/// With commas between thousands: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing: `1 row`, `2 rows`.
pub fn counted(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{} {thing}s", count(number)),
    }
}

/// Seconds, as exactly as they matter: `0.12 s`, `3.4 s`, `2 min 5 s`, `1 h 2 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{:.2} s", time.as_secs_f64()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Text for a terminal: control characters, which could move its cursor or worse, are replaced, and line ends become blanks.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\r' | '\t' => ' ',
            character if character.is_control() => char::REPLACEMENT_CHARACTER,
            character => character,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(
            (counted(1, "row"), counted(2000, "row")),
            ("1 row".to_owned(), "2,000 rows".to_owned())
        );
    }

    #[test]
    fn times_are_as_exact_as_they_matter() {
        for (millis, text) in [
            (4, "0.00 s"),
            (123, "0.12 s"),
            (3_449, "3.4 s"),
            (125_999, "2 min 5 s"),
            (3_720_000, "1 h 2 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn what_could_move_the_cursor_is_not_printed() {
        assert_eq!(
            printable("a\x1b[2Jb\nc\u{9b}d é"),
            "a\u{fffd}[2Jb c\u{fffd}d é"
        );
    }
}
