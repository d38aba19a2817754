//! A bar for each ingest that has not ended, and above them a line for each that has.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bar::{Glyphs, line};
use super::display::{Display, Source};
use super::ingest::Ingest;
use super::words;

/// How often a second the terminal is drawn at most.
const DRAWS: u8 = 15;

/// Bars on standard output, which is a terminal.
pub struct Bars {
    term: Term,
    glyphs: Glyphs,
    bars: MultiProgress,
    /// What the watching is at, below all bars.
    status: ProgressBar,
    text: String,
    shown: BTreeMap<u32, Shown>,
}

struct Shown {
    ingest: Ingest,
    since: Instant,
    /// Bytes as drawn last: a bar does not go back.
    bytes: u64,
    bar: ProgressBar,
}

impl Bars {
    /// Takes the terminal.
    pub fn new() -> Bars {
        let term = Term::stdout();
        let target = ProgressDrawTarget::term(term.clone(), DRAWS);
        let bars = MultiProgress::with_draw_target(target);
        let status = bars.add(a_line());
        Bars {
            term,
            glyphs: glyphs(),
            bars,
            status,
            text: String::new(),
            shown: BTreeMap::new(),
        }
    }

    fn width(&self) -> usize {
        let (_, columns) = self.term.size();
        // The last column is left free: some terminals go to the next line when it is written.
        usize::from(columns.max(2)) - 1
    }

    fn draw(&mut self) {
        let (width, glyphs) = (self.width(), self.glyphs);
        let names = self.shown.values().map(|shown| &shown.ingest);
        let names = names.map(|ingest| console::measure_text_width(&words::short_name(ingest)));
        let column = names.max().unwrap_or_default();
        for shown in self.shown.values_mut() {
            let seconds = shown.since.elapsed().as_secs_f64();
            shown.bytes = shown.bytes.max(shown.ingest.estimate(seconds));
            shown
                .bar
                .set_message(line(&shown.ingest, shown.bytes, column, width, glyphs));
        }
        // Again, as what was drawn too soon after another line was not drawn.
        let text = console::truncate_str(&self.text, width, "…").into_owned();
        self.status.set_message(text);
    }
}

/// A bar that is nothing but a text: the lines are laid out here.
fn a_line() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}

/// Blocks where the locale says UTF-8.
fn glyphs() -> Glyphs {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    let locale = locale.unwrap_or_default().to_uppercase();
    if locale.contains("UTF-8") || locale.contains("UTF8") {
        Glyphs::Blocks
    } else {
        Glyphs::Plain
    }
}

impl Display for Bars {
    fn show(&mut self, ingest: &Ingest, _source: Source<'_>) -> io::Result<()> {
        let id = ingest.id;
        if let Some(end) = &ingest.end {
            if let Some(shown) = self.shown.remove(&id) {
                shown.bar.finish_and_clear();
                self.bars.remove(&shown.bar);
            }
            let name = words::short_name(ingest);
            let number = ingest.file.as_ref().map(|_| format!(" (ingest {id})"));
            let number = number.unwrap_or_default();
            let end = words::end(ingest, end);
            return self.bars.println(format!("{name}{number}: {end}"));
        }
        let bytes = self.shown.get(&id).map_or(0, |shown| shown.bytes);
        let went_back = ingest.bytes_done + ingest.bytes_total / 20 < bytes;
        let bar = match self.shown.remove(&id) {
            Some(shown) => shown.bar,
            None => self.bars.insert_before(&self.status, a_line()),
        };
        let shown = Shown {
            ingest: ingest.clone(),
            since: Instant::now(),
            bytes: if went_back { ingest.bytes_done } else { bytes },
            bar,
        };
        self.shown.insert(id, shown);
        self.draw();
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.bars.println(format!("trips: {text}"))
    }

    fn status(&mut self, text: &str) -> io::Result<()> {
        text.clone_into(&mut self.text);
        self.draw();
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        self.draw();
        Ok(())
    }

    fn finish(&mut self, interrupted: bool) -> io::Result<()> {
        if interrupted {
            // The terminal has shown "^C", behind the last line and so on the next: all is left as it stands.
            self.bars.set_draw_target(ProgressDrawTarget::hidden());
            return self.term.write_line("");
        }
        self.bars.clear()?;
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        // What still runs is left as it was seen last.
        for shown in self.shown.values() {
            self.term.write_line(&shown.bar.message())?;
        }
        Ok(())
    }
}
