//! Rows that come as values, written as the CSV that a file of them would be.

use super::reject::Column;

/// The header of such a file: the columns in the order of [`Column::ALL`].
pub fn header() -> Vec<u8> {
    let mut line = Column::ALL.map(Column::as_str).join(",").into_bytes();
    line.push(b'\n');
    line
}

/// Appends a row, its values in the order of [`Column::ALL`], to `file`; a null is an empty field, as in COPY. A value
/// that holds line ends takes as many lines as it has in any file.
pub fn append(file: &mut Vec<u8>, values: [Option<&[u8]>; Column::ALL.len()]) {
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            file.push(b',');
        }
        append_field(file, value.unwrap_or_default());
    }
    file.push(b'\n');
}

fn append_field(file: &mut Vec<u8>, value: &[u8]) {
    let needs_quotes = memchr::memchr3(b'"', b'\n', b'\r', value).is_some()
        || memchr::memchr(b',', value).is_some();
    if !needs_quotes {
        file.extend_from_slice(value);
        return;
    }
    file.push(b'"');
    for (number, part) in value.split(|byte| *byte == b'"').enumerate() {
        if number > 0 {
            file.extend_from_slice(b"\"\"");
        }
        file.extend_from_slice(part);
    }
    file.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::{Fields, LineEnding, Records};
    use super::*;

    /// What the ingest reads in the first record of `file`.
    fn read(file: &[u8]) -> Vec<String> {
        let mut records = Records::new(file, 1, LineEnding::LineFeed);
        let record = records.next().expect("there is one").expect("it ends");
        assert!(records.next().is_none());
        let mut fields = Fields::default();
        let row = fields
            .read(&record, LineEnding::LineFeed, Column::ALL.len())
            .expect("it is one row");
        row.iter()
            .map(|field| String::from_utf8(field.to_vec()).expect("text"))
            .collect()
    }

    #[test]
    fn the_header_names_the_columns() {
        assert_eq!(
            header(),
            b"region,origin_coord,destination_coord,datetime,datasource\n"
        );
    }

    #[test]
    fn nulls_are_empty_fields_and_what_needs_quotes_has_them() {
        let mut file = Vec::new();
        let values: [Option<&[u8]>; 5] = [
            None,
            Some(b"a,b"),
            Some(b"\"c\""),
            Some(b""),
            Some(b"d\re\n"),
        ];
        append(&mut file, values);
        assert_eq!(file, b",\"a,b\",\"\"\"c\"\"\",,\"d\re\n\"\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in proptest::array::uniform5("[^\0]{0,12}")) {
            let mut file = Vec::new();
            append(&mut file, values.each_ref().map(|value| Some(value.as_bytes())));
            prop_assert_eq!(read(&file), values.to_vec());
        }
    }
}
