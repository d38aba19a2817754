//! The header of a file: which column stands where.

use super::record::{Fields, LineEnding, Record};
use super::reject::Column;
use crate::Error;

/// The header of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    file: String,
    names: Vec<String>,
    ignored: Vec<String>,
    /// Where each of [`Column::ALL`] stands.
    positions: [usize; Column::ALL.len()],
    ending: LineEnding,
    bytes: u64,
}

impl Header {
    /// Reads the header of `file` from its first record. The file's data starts `bytes` after its
    /// start, and its lines end as the header does.
    ///
    /// Names are compared without regard to case and to white space around them.
    ///
    /// # Errors
    /// The record is no text or no CSV, or a required column is missing or there twice.
    pub fn parse(
        file: &str,
        record: &Record<'_>,
        ending: LineEnding,
        bytes: u64,
    ) -> Result<Self, Error> {
        let line = record.line;
        let text = std::str::from_utf8(record.bytes);
        if text.is_err() || memchr::memchr(0, record.bytes).is_some() {
            return Err(Error::HeaderEncoding {
                file: file.to_owned(),
                line,
            });
        }
        let mut fields = Fields::default();
        let row = fields.read(record, ending, usize::MAX);
        let row = row.map_err(|reason| Error::MalformedHeader {
            file: file.to_owned(),
            line,
            problem: reason.to_string(),
        })?;
        let names: Vec<String> = row.iter().map(trimmed).collect();
        let positions = find_columns(file, line, &names)?;
        let is_ignored = |(index, _): &(usize, &String)| !positions.contains(index);
        let ignored = names.iter().enumerate().filter(is_ignored);
        Ok(Header {
            file: file.to_owned(),
            ignored: ignored.map(|(_, name)| name.clone()).collect(),
            names,
            positions,
            ending,
            bytes,
        })
    }

    /// The path of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How many columns there are, those that are ignored included.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// The name of the column at `index`, as the header spells it.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// The names of the columns that are not read, as the header spells them.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Where `column` stands, counted from 0.
    pub fn position(&self, column: Column) -> usize {
        self.positions[column as usize]
    }

    /// Which of the required columns stands at `index`.
    pub fn column(&self, index: usize) -> Option<Column> {
        Column::ALL
            .into_iter()
            .find(|column| self.position(*column) == index)
    }

    /// What ends the lines of the file.
    pub fn line_ending(&self) -> LineEnding {
        self.ending
    }

    /// How many bytes of the file lie before its first row.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A name of the header without white space around it.
fn trimmed(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim().to_owned()
}

/// Where each of [`Column::ALL`] stands among `names`.
fn find_columns(
    file: &str,
    line: u64,
    names: &[String],
) -> Result<[usize; Column::ALL.len()], Error> {
    let mut positions = [0; Column::ALL.len()];
    let mut missing = Vec::new();
    for (column, position) in Column::ALL.into_iter().zip(&mut positions) {
        let mut found = (0..)
            .zip(names)
            .filter(|(_, name)| name.eq_ignore_ascii_case(column.as_str()));
        match (found.next(), found.next()) {
            (None, _) => missing.push(column),
            (Some((index, _)), None) => *position = index,
            (Some(_), Some(_)) => {
                return Err(Error::DuplicateColumn {
                    file: file.to_owned(),
                    line,
                    column,
                });
            }
        }
    }
    if missing.is_empty() {
        Ok(positions)
    } else {
        Err(Error::MissingColumns {
            file: file.to_owned(),
            line,
            missing,
        })
    }
}
