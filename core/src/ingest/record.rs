//! Records and their fields: CSV as RFC 4180 has it, strictly.
//!
//! Where a record ends is decided as lenient readers do it, so that one malformed record does not
//! take its neighbours with it; whether a record is well formed is decided afterwards, field by
//! field ([`Fields::read`]). Text without quotes is never looked at byte by byte: all its [`Marks`] are known.

use csv_core::ReadRecordResult;
use memchr::{memchr, memchr2, memrchr};

use super::marks::Marks;
use super::reject::Reason;

/// What ends the lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed, with or without a carriage return in front of it.
    LineFeed,
    /// A carriage return alone.
    CarriageReturn,
}

impl LineEnding {
    /// The byte that ends a line.
    pub const fn terminator(self) -> u8 {
        match self {
            LineEnding::LineFeed => b'\n',
            LineEnding::CarriageReturn => b'\r',
        }
    }

    /// The byte that must not stand outside quotes.
    const fn stray(self) -> u8 {
        match self {
            LineEnding::LineFeed => b'\r',
            LineEnding::CarriageReturn => b'\n',
        }
    }

    /// What is wrong with a record that holds [`stray`](LineEnding::stray) outside quotes.
    const fn stray_reason(self) -> Reason {
        match self {
            LineEnding::LineFeed => Reason::CarriageReturn,
            LineEnding::CarriageReturn => Reason::LineFeed,
        }
    }
}

/// Where in a record a [`Scanner`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote inside a quoted field: it closes the field unless another one follows.
    QuoteInQuoted,
}

/// Finds the ends of records, over as many pieces of text as it takes.
///
/// A quote opens a quoted field only where the field starts; everywhere else it is text.
#[derive(Debug, Clone)]
pub struct Scanner {
    terminator: u8,
    state: State,
}

impl Scanner {
    /// A scanner at the start of a record.
    pub const fn new(ending: LineEnding) -> Self {
        Scanner {
            terminator: ending.terminator(),
            state: State::FieldStart,
        }
    }

    /// Reads on from `bytes[from..]` to the end of the current record: the index after its
    /// terminator, or `None` when the record goes on after `bytes`.
    pub fn record_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = bytes.get(at..)?;
            let skipped = match self.state {
                State::FieldStart | State::QuoteInQuoted => 0,
                State::Unquoted => memchr2(b',', self.terminator, rest)?,
                State::Quoted => memchr(b'"', rest)?,
            };
            let byte = *rest.get(skipped)?;
            at += skipped + 1;
            self.state = match (self.state, byte) {
                (State::Quoted, _) => State::QuoteInQuoted,
                (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b',') => State::FieldStart,
                (_, byte) if byte == self.terminator => {
                    self.state = State::FieldStart;
                    return Some(at);
                }
                _ => State::Unquoted,
            };
        }
    }

    /// Reads on through all of `bytes[from..]`: the index after the last record that ends there.
    pub fn last_record_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let last = *rest.last()?;
        if matches!(self.state, State::FieldStart | State::Unquoted) && memchr(b'"', rest).is_none()
        {
            self.state = if last == b',' || last == self.terminator {
                State::FieldStart
            } else {
                State::Unquoted
            };
            return memrchr(self.terminator, rest).map(|end| from + end + 1);
        }
        let mut last_end = None;
        let mut at = from;
        while let Some(end) = self.record_end(bytes, at) {
            last_end = Some(end);
            at = end;
        }
        last_end
    }

    /// Whether a quote is open.
    pub fn in_quotes(&self) -> bool {
        self.state == State::Quoted
    }
}

/// A record as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The physical line on which it starts, counted from 1.
    pub line: u64,
    /// Its text without the line end.
    pub bytes: &'a [u8],
    /// Whether it holds a quote.
    pub has_quote: bool,
}

/// A quote is still open at the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnterminatedQuote {
    /// The line on which the record starts.
    pub line: u64,
}

/// A record with its fields, or with what is wrong with it.
pub type RecordAndRow<'a, 'f> = (Record<'a>, Result<Row<'f>, Reason>);

/// The records of a block; blank lines are passed over.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    line: u64,
    ending: LineEnding,
    has_quote: bool,
}

impl<'a> Records<'a> {
    /// The records in `bytes`, which start on `line` and hold whole records.
    pub fn new(bytes: &'a [u8], line: u64, ending: LineEnding) -> Self {
        Records {
            bytes,
            position: 0,
            line,
            ending,
            has_quote: memchr(b'"', bytes).is_some(),
        }
    }

    /// Where the next record, or a blank line before it, starts.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The line on which the next record, or a blank line before it, starts.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line or, where quotes hold line ends, the next lines: text, the text's terminator
    /// included; and whether it holds a quote.
    fn next_lines(&self) -> Result<(&'a [u8], bool), UnterminatedQuote> {
        let rest = self.bytes.get(self.position..).unwrap_or(b"");
        let end = memchr(self.ending.terminator(), rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..end).unwrap_or(rest);
        if !self.has_quote || memchr(b'"', line).is_none() {
            return Ok((line, false));
        }
        let mut scanner = Scanner::new(self.ending);
        match scanner.record_end(rest, 0) {
            Some(end) => Ok((rest.get(..end).unwrap_or(rest), true)),
            None if scanner.in_quotes() => Err(UnterminatedQuote { line: self.line }),
            None => Ok((rest, true)),
        }
    }

    /// `lines` without the line end.
    fn without_line_end(&self, lines: &'a [u8]) -> &'a [u8] {
        match (self.ending, lines) {
            (LineEnding::LineFeed, [text @ .., b'\r', b'\n'] | [text @ .., b'\n']) => text,
            (LineEnding::CarriageReturn, [text @ .., b'\r']) => text,
            _ => lines,
        }
    }
}

impl<'a> Records<'a> {
    /// The next record and its fields, as [`Fields::read`] gives them. `marks` are those of the block.
    #[inline]
    pub fn next_row<'f>(
        &mut self,
        marks: &Marks,
        fields: &'f mut Fields,
        most: usize,
    ) -> Option<Result<RecordAndRow<'a, 'f>, UnterminatedQuote>>
    where
        'a: 'f,
    {
        if !marks.has_quote() {
            return self.next_plain_row(marks, fields, most).map(Ok);
        }
        let record = match self.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok((record, fields.read(&record, self.ending, most))))
    }

    /// As [`Records::next_row`], of a block without quotes.
    #[inline]
    fn next_plain_row<'f>(
        &mut self,
        marks: &Marks,
        fields: &'f mut Fields,
        most: usize,
    ) -> Option<RecordAndRow<'a, 'f>>
    where
        'a: 'f,
    {
        while self.position < self.bytes.len() {
            let (start, line) = (self.position, self.line);
            let mut is_stray = false;
            let mut at = start;
            fields.ends.clear();
            let end = loop {
                let Some(mark) = marks.next(at) else {
                    self.position = self.bytes.len();
                    break self.bytes.len();
                };
                at = mark + 1;
                let byte = self.bytes[mark];
                if byte == b',' {
                    if fields.ends.len() < most {
                        fields.ends.push(mark - start);
                    }
                } else if byte == self.ending.terminator() {
                    self.position = at;
                    break mark;
                } else if byte == b'\r' && self.bytes.get(at) == Some(&b'\n') {
                    self.position = at + 1;
                    break mark;
                } else {
                    is_stray = true;
                }
            };
            self.line += 1;
            if end == start {
                continue;
            }
            let record = Record {
                line,
                bytes: &self.bytes[start..end],
                has_quote: false,
            };
            if is_stray {
                return Some((record, Err(self.ending.stray_reason())));
            }
            fields.ends.push(end - start);
            let row = Row {
                text: record.bytes,
                ends: &fields.ends,
                gap: 1,
            };
            return Some((record, Ok(row)));
        }
        None
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, UnterminatedQuote>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.position < self.bytes.len() {
            let (lines, has_quote) = match self.next_lines() {
                Ok(found) => found,
                Err(error) => {
                    self.position = self.bytes.len();
                    return Some(Err(error));
                }
            };
            let line = self.line;
            self.position += lines.len();
            self.line += if has_quote {
                count_lines(lines, self.ending)
            } else {
                1
            };
            let bytes = self.without_line_end(lines);
            if !bytes.is_empty() {
                return Some(Ok(Record {
                    line,
                    bytes,
                    has_quote,
                }));
            }
        }
        None
    }
}

/// How many lines end in `bytes`.
pub fn count_lines(bytes: &[u8], ending: LineEnding) -> u64 {
    memchr::memchr_iter(ending.terminator(), bytes).count() as u64
}

/// Reads the fields of one record after the other, and keeps its memory for the next.
#[derive(Debug)]
pub struct Fields {
    ends: Vec<usize>,
    text: Vec<u8>,
    unquoter: csv_core::Reader,
}

impl Default for Fields {
    fn default() -> Self {
        Fields {
            ends: Vec::new(),
            text: Vec::new(),
            unquoter: unquoter(),
        }
    }
}

/// A reader of csv-core that stands at the start of a record. It takes a byte order mark out of what it reads
/// first, which must not be a record.
fn unquoter() -> csv_core::Reader {
    let mut reader = csv_core::Reader::new();
    reader.read_record(b"\n", &mut [], &mut []);
    reader
}

impl Fields {
    /// The fields of `record`. Of fields beyond `most` only the first one is kept.
    ///
    /// # Errors
    /// The record is malformed: a quote or a line end where none may be.
    #[inline]
    pub fn read<'a>(
        &'a mut self,
        record: &Record<'a>,
        ending: LineEnding,
        most: usize,
    ) -> Result<Row<'a>, Reason> {
        self.ends.clear();
        if record.has_quote {
            return self.read_quoted(record.bytes, ending, most);
        }
        if memchr(ending.stray(), record.bytes).is_some() {
            return Err(ending.stray_reason());
        }
        for end in memchr::memchr_iter(b',', record.bytes).take(most) {
            self.ends.push(end);
        }
        if self.ends.len() <= most {
            self.ends.push(record.bytes.len());
        }
        Ok(Row {
            text: record.bytes,
            ends: &self.ends,
            gap: 1,
        })
    }

    /// The fields of a record with quotes: they are copied, without their quotes, one after the
    /// other.
    fn read_quoted(
        &mut self,
        record: &[u8],
        ending: LineEnding,
        most: usize,
    ) -> Result<Row<'_>, Reason> {
        check_quotes(record, ending)?;
        let commas = memchr::memchr_iter(b',', record).take(most).count();
        self.ends.resize(commas + 1, 0);
        self.text.resize(record.len(), 0);
        let mut filled = (0, 0);
        for input in [record, b"\n"] {
            let (text, ends) = (&mut self.text[filled.0..], &mut self.ends[filled.1..]);
            let (result, _, written, ended) = self.unquoter.read_record(input, text, ends);
            filled = (filled.0 + written, filled.1 + ended);
            if result == ReadRecordResult::OutputEndsFull {
                // There are more fields than anybody wants to see.
                self.unquoter = unquoter();
                break;
            }
        }
        self.ends.truncate(filled.1);
        Ok(Row {
            text: &self.text,
            ends: &self.ends,
            gap: 0,
        })
    }
}

/// Whether a record is one that csv-core reads as it was meant: csv-core takes quotes anywhere, and drops or keeps them
/// as it can.
fn check_quotes(record: &[u8], ending: LineEnding) -> Result<(), Reason> {
    let mut rest = Some(record);
    while let Some(field) = rest {
        rest = match field.split_first() {
            Some((b'"', quoted)) => after_quoted_field(quoted, ending)?,
            _ => after_unquoted_field(field, ending)?,
        };
    }
    Ok(())
}

/// What follows the comma of a field that is given from after its opening quote, if there is one.
fn after_quoted_field(mut text: &[u8], ending: LineEnding) -> Result<Option<&[u8]>, Reason> {
    loop {
        let quote = memchr(b'"', text).ok_or(Reason::TextAfterQuote)?;
        match &text[quote..] {
            [b'"', b'"', rest @ ..] => text = rest,
            [b'"', b',', rest @ ..] => return Ok(Some(rest)),
            [b'"'] => return Ok(None),
            [b'"', stray, ..] if *stray == ending.stray() => return Err(ending.stray_reason()),
            _ => return Err(Reason::TextAfterQuote),
        }
    }
}

/// What follows the comma of a field that has no quotes, if there is one.
fn after_unquoted_field(text: &[u8], ending: LineEnding) -> Result<Option<&[u8]>, Reason> {
    let (field, rest) = match memchr(b',', text) {
        Some(comma) => (&text[..comma], Some(&text[comma + 1..])),
        None => (text, None),
    };
    match memchr2(b'"', ending.stray(), field) {
        Some(at) if field[at] == b'"' => Err(Reason::QuoteInUnquotedField),
        Some(_) => Err(ending.stray_reason()),
        None => Ok(rest),
    }
}

/// The fields of a record, without their quotes.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    text: &'a [u8],
    ends: &'a [usize],
    /// What lies between two fields: the comma, or nothing.
    gap: usize,
}

impl<'a> Row<'a> {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no fields; a record has at least one.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The field at `index`; nothing where there is none.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let Some(&end) = self.ends.get(index) else {
            return b"";
        };
        let start = match index.checked_sub(1) {
            Some(before) => self.ends[before] + self.gap,
            None => 0,
        };
        self.text.get(start..end).unwrap_or(b"")
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and texts of all records, up to an unterminated quote.
    fn records(text: &str) -> Vec<(u64, &str)> {
        Records::new(text.as_bytes(), 1, LineEnding::LineFeed)
            .map_while(Result::ok)
            .map(|record| (record.line, std::str::from_utf8(record.bytes).unwrap()))
            .collect()
    }

    #[test]
    fn a_record_ends_at_the_first_line_end_outside_quotes() {
        assert_eq!(records("a,b\nc\n"), [(1, "a,b"), (2, "c")]);
        assert_eq!(records("\"a\nb\",c\nd"), [(1, "\"a\nb\",c"), (3, "d")]);
        assert_eq!(records("\"a\"\"\n\"\nb"), [(1, "\"a\"\"\n\""), (3, "b")]);
    }

    #[test]
    fn a_quote_within_a_field_opens_nothing() {
        assert_eq!(records("a\"b\nc\"d\n"), [(1, "a\"b"), (2, "c\"d")]);
        assert_eq!(records("\"a\"b\"\nc"), [(1, "\"a\"b\""), (2, "c")]);
        assert_eq!(
            records("\"a\"b,\"\n\"\nc"),
            [(1, "\"a\"b,\"\n\""), (3, "c")]
        );
    }

    #[test]
    fn an_unterminated_quote_is_the_last_thing_that_is_found() {
        let mut records = Records::new(b"a\n\nb,\"c\nd\n", 7, LineEnding::LineFeed);
        assert_eq!(records.next().unwrap().unwrap().line, 7);
        assert_eq!(records.next(), Some(Err(UnterminatedQuote { line: 9 })));
        assert_eq!(records.next(), None);
    }

    #[test]
    fn carriage_returns_before_line_feeds_are_no_text() {
        assert_eq!(
            records("a\r\nb\r\n\r\nc\r"),
            [(1, "a"), (2, "b"), (4, "c\r")]
        );
        assert_eq!(records("\"a\"\r\n"), [(1, "\"a\"")]);
    }

    #[test]
    fn fields_beyond_the_expected_ones_are_not_collected() {
        let mut fields = Fields::default();
        for text in ["a,b,c,d,e", "\"a\",b,c,\"d\",e"] {
            let record = Record {
                line: 1,
                bytes: text.as_bytes(),
                has_quote: text.contains('"'),
            };
            let row = fields.read(&record, LineEnding::LineFeed, 2).unwrap();
            assert_eq!(row.len(), 3);
            assert_eq!((row.get(0), row.get(1)), (&b"a"[..], &b"b"[..]));
            let row = fields.read(&record, LineEnding::LineFeed, 5).unwrap();
            assert_eq!(row.iter().collect::<Vec<_>>().join(&b'|'), b"a|b|c|d|e");
            assert_eq!(row.get(5), b"");
        }
    }
}
