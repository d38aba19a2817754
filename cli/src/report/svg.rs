//! Drawings: a frame for each, with what those hear who cannot see it, and numbers as short as a pixel needs.

use maud::{Markup, html};

/// What a drawing is called and what it tells, for those who cannot see it.
#[derive(Debug)]
pub struct Words {
    /// Identifier that no other drawing of the page has.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub description: String,
}

/// A drawing of a size in its own units.
pub fn drawing(words: &Words, class: &str, width: f64, height: f64, content: &Markup) -> Markup {
    let (title, description) = (format!("{}-title", words.id), format!("{}-text", words.id));
    html! {
        svg class=(class) viewBox={ "0 0 " (number(width)) " " (number(height)) } role="img"
            aria-labelledby={ (title) " " (description) } {
            title id=(title) { (words.title) }
            desc id=(description) { (words.description) }
            (content)
        }
    }
}

/// A number with at most one decimal.
pub fn number(value: f64) -> String {
    // Adding nothing makes -0 a 0.
    let rounded = (value * 10.0).round() / 10.0 + 0.0;
    format!("{rounded}")
}

/// A part of a path: a box by its left upper corner and its size.
pub fn rectangle(x: f64, y: f64, width: f64, height: f64) -> String {
    let [x, y, width, height] = [x, y, width, height].map(number);
    format!("M{x} {y}h{width}v{height}h-{width}z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, -0.01, 3.0, 3.0625, 99.96].map(number),
            ["0", "0", "3", "3.1", "100"]
        );
    }

    #[test]
    fn a_drawing_has_a_name_and_a_description_that_are_escaped() {
        let words = Words {
            id: "x".to_owned(),
            title: "<script>".to_owned(),
            description: "a & b".to_owned(),
        };
        let svg = drawing(&words, "wide", 10.0, 5.5, &html! {}).into_string();
        assert_eq!(
            svg,
            r#"<svg class="wide" viewBox="0 0 10 5.5" role="img" aria-labelledby="x-title x-text"><title id="x-title">&lt;script&gt;</title><desc id="x-text">a &amp; b</desc></svg>"#
        );
    }
}
