//! Text for a page: what a database says, made harmless once, where it comes in; and numbers as people read them.

use std::fmt;

use maud::{Markup, Render, html};
use tokio_postgres::types::{FromSql, Type};

use crate::words::grouped;

/// Text that somebody wrote: a name, a path, a reason. It has no character that a page cannot hold or that would
/// change what stands beside it, and it is escaped wherever it is shown: as HTML it is isolated, so that a name
/// written from right to left leaves its surroundings in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Text(String);

/// What stands for a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

impl Text {
    /// The text, with U+FFFD for control characters, for marks that turn the direction of writing, and for what XML
    /// forbids.
    pub fn new(text: &str) -> Text {
        let shown = |c: char| match c {
            '\t' | '\n' => ' ',
            // The marks of direction would reach beyond the element that isolates the name.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => REPLACEMENT,
            '\u{fffe}' | '\u{ffff}' => REPLACEMENT,
            c if c.is_control() => REPLACEMENT,
            c => c,
        };
        Text(text.chars().map(shown).collect())
    }

    /// The text between the characters that isolate its direction, for places that cannot hold elements: titles and
    /// attributes.
    pub fn isolated(&self) -> String {
        format!("\u{2068}{}\u{2069}", self.0)
    }

    /// As it stands, for places that are not a page.
    #[cfg(test)]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Render for Text {
    fn render(&self) -> Markup {
        html! { bdi { (self.0.as_str()) } }
    }
}

impl<'a> FromSql<'a> for Text {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Text, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Text::new(<&str>::from_sql(kind, raw)?))
    }

    fn accepts(kind: &Type) -> bool {
        <&str>::accepts(kind)
    }
}

/// A count, with a comma between thousands.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub i64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("−")?;
        }
        f.write_str(&grouped(self.0.unsigned_abs()))
    }
}

impl Render for Count {
    fn render(&self) -> Markup {
        html! { (self.to_string()) }
    }
}

/// A number with so many decimals that three figures or more are told: 0.423, 6.85, 68.5, 1,685.
pub fn decimal(value: f64) -> String {
    let places = match value.abs() {
        v if v == 0.0 || v >= 999.5 => return Count(value.round() as i64).to_string(),
        v if v < 1.0 => 3,
        v if v < 9.995 => 2,
        _ => 1,
    };
    format!("{value:.places$}")
}

/// A share of a whole in per cent: 12.3 %; a part that is there is never called nothing.
pub fn share(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        p if p > 0.0 && p < 0.1 => "< 0.1 %".to_owned(),
        p if (99.95..100.0).contains(&p) => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

/// A number of bytes in decimal units: 412 kB.
pub fn bytes(count: i64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut size = count as f64;
    let mut name = "B";
    for unit in units {
        name = unit;
        if size < 999.5 || unit == "TB" {
            break;
        }
        size /= 1000.0;
    }
    match name {
        "B" => format!("{} B", Count(count)),
        _ if size < 9.95 => format!("{size:.1} {name}"),
        _ => format!("{size:.0} {name}"),
    }
}

/// A word with its number: 1 trip, 2 trips.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", Count(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        html! { p title=(Text::new(text).isolated()) { (Text::new(text)) } }.into_string()
    }

    #[test]
    fn markup_in_a_name_is_text() {
        let page = shown(r#""O'Brien" & <script>alert(1)</script>"#);
        assert!(!page.contains("<script>"));
        assert!(page.contains(
            "<bdi>&quot;O'Brien&quot; &amp; &lt;script&gt;alert(1)&lt;/script&gt;</bdi>"
        ));
        assert!(page.contains("title=\"\u{2068}&quot;O'Brien&quot; &amp; &lt;script&gt;"));
    }

    #[test]
    fn characters_that_a_page_cannot_hold_are_replaced() {
        let text = Text::new("a\u{0}b\u{1b}c\u{7f}d\u{85}e\u{ffff}f\u{202e}g\u{2069}h\ti\nj");
        assert_eq!(
            text.as_str(),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g\u{fffd}h i j"
        );
    }

    #[test]
    fn emoji_and_scripts_of_all_directions_stay() {
        for name in ["🚗👩‍👩‍👧 Ride", "תל אביב", "القاهرة", "Zürich", "東京"]
        {
            assert_eq!(Text::new(name).as_str(), name);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 7, 999, 1000, 304_279, 20_000_000, -1234].map(|n| Count(n).to_string());
        assert_eq!(
            shown,
            ["0", "7", "999", "1,000", "304,279", "20,000,000", "−1,234"]
        );
    }

    #[test]
    fn decimals_tell_three_figures() {
        let shown = [0.0, 0.42312, 6.853, 68.53, 999.7, 1685.2].map(decimal);
        assert_eq!(shown, ["0", "0.423", "6.85", "68.5", "1,000", "1,685"]);
    }

    #[test]
    fn a_small_part_is_not_nothing_and_a_large_one_not_all() {
        assert_eq!(share(0, 10), "0.0 %");
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(share(10, 10), "100.0 %");
        assert_eq!(share(0, 0), "–");
    }

    #[test]
    fn sizes_have_units() {
        let shown = [0, 999, 1234, 412_345, 2_000_000, 35_144_997].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.2 kB", "412 kB", "2.0 MB", "35 MB"]
        );
    }
}
