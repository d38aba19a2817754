//! Names of regions and datasources: trimmed and NFC-normalised, so that one name has one spelling.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::ingest::MAX_NAME_BYTES;

/// Why a field is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Nothing, or nothing but white space.
    Empty,
    /// Longer than [`MAX_NAME_BYTES`] once trimmed and normalised; its length in bytes.
    TooLong(usize),
}

/// The one spelling of the name in `field`: without white space around it, in NFC.
///
/// Bytes that are not UTF-8 are replaced by U+FFFD; the record layer rejects them before.
pub fn parse(field: &[u8]) -> Result<Cow<'_, str>, NameError> {
    let name = match String::from_utf8_lossy(field) {
        Cow::Borrowed(text) => normalise(text.trim()),
        Cow::Owned(text) => Cow::Owned(normalise(text.trim()).into_owned()),
    };
    match name.len() {
        0 => Err(NameError::Empty),
        1..=MAX_NAME_BYTES => Ok(name),
        bytes => Err(NameError::TooLong(bytes)),
    }
}

/// `text` in NFC; a copy only if it is not so yet.
fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_name_does_not_count() {
        assert_eq!(parse(b" Turin\t").unwrap(), "Turin");
        assert_eq!(
            parse("\u{a0}\u{2003}Turin\u{3000}".as_bytes()).unwrap(),
            "Turin"
        );
        assert_eq!(parse(b"Jersey  City").unwrap(), "Jersey  City");
    }

    #[test]
    fn decomposed_and_composed_spellings_are_one_name() {
        assert_eq!(parse("Mu\u{308}nchen".as_bytes()).unwrap(), "München");
        assert_eq!(parse("München".as_bytes()).unwrap(), "München");
        assert_eq!(parse("\u{1112}\u{1161}\u{11ab}".as_bytes()).unwrap(), "한");
    }

    #[test]
    fn a_name_is_its_own_name() {
        for text in ["Turin", " Mu\u{308}nchen ", "\u{2126}", "\u{ac00}\u{11a8}"] {
            let once = parse(text.as_bytes()).unwrap().into_owned();
            assert_eq!(parse(once.as_bytes()).unwrap(), once);
        }
    }

    #[test]
    fn blank_names_are_empty() {
        for text in ["", " ", "\t\r\n", "\u{a0}\u{3000}"] {
            assert_eq!(parse(text.as_bytes()), Err(NameError::Empty), "{text:?}");
        }
    }

    #[test]
    fn the_limit_counts_normalised_bytes() {
        let fits = "x".repeat(MAX_NAME_BYTES);
        assert_eq!(parse(format!(" {fits} ").as_bytes()).unwrap(), fits);
        assert_eq!(
            parse(format!("{fits}x").as_bytes()),
            Err(NameError::TooLong(257))
        );
        // 128 times three bytes become 128 times two.
        let decomposed = "u\u{308}".repeat(128);
        assert_eq!(parse(decomposed.as_bytes()).unwrap().len(), 256);
        assert_eq!(
            parse(format!("{decomposed}x").as_bytes()),
            Err(NameError::TooLong(257))
        );
    }
}
