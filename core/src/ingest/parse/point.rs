//! Points as WKT: longitude and latitude on WGS84.
//!
//! The canonical form `POINT (7.67 44.99)` takes the fast path. The exact path takes what
//! PostGIS takes for a point of two dimensions: any case, any white space between tokens, an
//! `SRID=4326;` in front, numbers such as `5.`, `.5` and `1e1`.

use std::fmt;

use super::decimal;

/// The spatial reference system of every point.
pub const SRID: u32 = 4326;

/// A point on WGS84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Longitude in degrees, -180 to 180.
    pub lon: f64,
    /// Latitude in degrees, -90 to 90.
    pub lat: f64,
}

/// Why a field is no point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointError {
    /// It is not WKT.
    Syntax,
    /// Its SRID is not [`SRID`].
    Srid(i64),
    /// It is a geometry of another type.
    GeometryType(&'static str),
    /// It has more than two dimensions.
    Dimensions,
    /// It is an empty point.
    Empty,
    /// A coordinate is NaN, or too large for a number.
    NotFinite,
    /// The longitude lies outside -180 to 180.
    Longitude(f64),
    /// The latitude lies outside -90 to 90.
    Latitude(f64),
}

impl PointError {
    /// The SQLSTATE: five characters.
    pub const fn sqlstate(self) -> &'static str {
        match self {
            PointError::Syntax => "22P02",
            PointError::Srid(_)
            | PointError::GeometryType(_)
            | PointError::Dimensions
            | PointError::Empty => "22023",
            PointError::NotFinite | PointError::Longitude(_) | PointError::Latitude(_) => "22003",
        }
    }
}

impl fmt::Display for PointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PointError::Syntax => f.write_str("invalid input syntax for a point"),
            PointError::Srid(srid) => write!(f, "geometry SRID {srid} is not {SRID}"),
            PointError::GeometryType(name) => write!(f, "geometry type {name} is not POINT"),
            PointError::Dimensions => f.write_str("geometry has more than two dimensions"),
            PointError::Empty => f.write_str("geometry is an empty point"),
            PointError::NotFinite => f.write_str("coordinate is not a finite number"),
            PointError::Longitude(x) => {
                write!(f, "longitude {} is out of range -180 to 180", Short(*x))
            }
            PointError::Latitude(y) => {
                write!(f, "latitude {} is out of range -90 to 90", Short(*y))
            }
        }
    }
}

/// A number without hundreds of digits.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.abs();
        if digits < 1e15 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

/// The point in `field`.
///
/// # Errors
/// Whatever PostGIS would not take for a `geometry(Point,4326)`, and points that are not on Earth.
pub fn parse(field: &[u8]) -> Result<Point, PointError> {
    match canonical(field) {
        Some(point) => point.checked(),
        None => exact(field),
    }
}

impl Point {
    /// Itself, if it lies on Earth.
    fn checked(self) -> Result<Self, PointError> {
        let Point { lon, lat } = self;
        if lon.abs() <= 180.0 && lat.abs() <= 90.0 {
            Ok(self)
        } else if !lon.is_finite() || !lat.is_finite() {
            Err(PointError::NotFinite)
        } else if lon.abs() > 180.0 {
            Err(PointError::Longitude(lon))
        } else {
            Err(PointError::Latitude(lat))
        }
    }
}

/// `POINT (x y)` with plain decimal numbers; `None` leaves the field to [`exact`].
fn canonical(field: &[u8]) -> Option<Point> {
    let inside = field.strip_prefix(b"POINT (")?.strip_suffix(b")")?;
    if let Some((lon, lat)) = decimal::parse_two(inside) {
        return Some(Point { lon, lat });
    }
    // PostGIS takes an exponent in `5e1` but not in `5.e1`: the exact path knows. No byte of a plain number, but every
    // letter, has this bit.
    const LETTER: u8 = 0x40;
    if inside.iter().fold(0, |bits, byte| bits | byte) & LETTER != 0 {
        return None;
    }
    let (lon, length) = leading_number(inside)?;
    let rest = inside.get(length..)?.strip_prefix(b" ")?;
    let (lat, length) = leading_number(rest)?;
    (length == rest.len()).then_some(Point { lon, lat })
}

/// The plain decimal number that `text` starts with, and its length in bytes.
fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    // Keeps out what the number parser takes beyond decimal numbers: a plus sign, inf and nan.
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    fast_float2::parse_partial(text).ok()
}

/// The types of geometry other than a point.
const OTHER_TYPES: [&str; 15] = [
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
    "CIRCULARSTRING",
    "COMPOUNDCURVE",
    "CURVEPOLYGON",
    "MULTICURVE",
    "MULTISURFACE",
    "POLYHEDRALSURFACE",
    "TRIANGLE",
    "TIN",
    "NURBSCURVE",
];

/// Any WKT of a point, by the tokens of PostGIS.
fn exact(field: &[u8]) -> Result<Point, PointError> {
    let mut text = Tokens { rest: field };
    let srid = text.srid()?;
    if !text.word("POINT") {
        let name = text.other_type().ok_or(PointError::Syntax)?;
        check_srid(srid)?;
        return Err(PointError::GeometryType(name));
    }
    let extra_dimensions = text.word("ZM") || text.word("Z") || text.word("M");
    let empty = text.word("EMPTY");
    let mut numbers = [0.0; 4];
    let count = if empty {
        0
    } else {
        text.coordinates(&mut numbers)?
    };
    if !text.at_end() {
        return Err(PointError::Syntax);
    }
    check_srid(srid)?;
    if extra_dimensions || count > 2 {
        return Err(PointError::Dimensions);
    }
    if empty {
        return Err(PointError::Empty);
    }
    let [lon, lat, ..] = numbers;
    Point { lon, lat }.checked()
}

/// An SRID that is given must be the one of every point.
fn check_srid(srid: Option<i64>) -> Result<(), PointError> {
    match srid {
        Some(srid) if srid != i64::from(SRID) => Err(PointError::Srid(srid)),
        _ => Ok(()),
    }
}

/// What of a field is still to be read.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Passes over white space.
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Whether nothing but white space is left.
    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// Takes `word`, in any case, if it comes next. As in PostGIS, no space needs to follow.
    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        match self.rest.split_at_checked(word.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(word.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes the digits that come next; there may be none.
    fn digits(&mut self) -> &'a [u8] {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self
            .rest
            .split_at_checked(count)
            .unwrap_or((b"", self.rest));
        self.rest = rest;
        digits
    }

    /// Takes `byte` if it comes next, without white space in front.
    fn byte(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// `SRID=4326;`, if it comes next.
    fn srid(&mut self) -> Result<Option<i64>, PointError> {
        if !self.word("SRID=") {
            return Ok(None);
        }
        let negative = self.byte(b'-');
        let digits = self.digits();
        if digits.is_empty() || !self.word(";") {
            return Err(PointError::Syntax);
        }
        let value = digits.iter().fold(0i64, |value, digit| {
            value
                .saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'))
        });
        Ok(Some(if negative { -value } else { value }))
    }

    /// The type of a geometry other than a point; the rest of it is not looked at.
    fn other_type(&mut self) -> Option<&'static str> {
        self.skip_space();
        let letters = self
            .rest
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let word = self.rest.get(..letters)?.to_ascii_uppercase();
        let word = word.strip_suffix(b"EMPTY").unwrap_or(&word);
        let plain = [&b"ZM"[..], b"Z", b"M"]
            .iter()
            .find_map(|end| word.strip_suffix(*end));
        OTHER_TYPES
            .into_iter()
            .find(|name| name.as_bytes() == word || Some(name.as_bytes()) == plain)
    }

    /// `(1 2)` with two to four numbers; how many there are.
    fn coordinates(&mut self, numbers: &mut [f64; 4]) -> Result<usize, PointError> {
        if !self.word("(") {
            return Err(PointError::Syntax);
        }
        let mut count = 0;
        while !self.word(")") {
            let slot = numbers.get_mut(count).ok_or(PointError::Syntax)?;
            *slot = self.number().ok_or(PointError::Syntax)?;
            count += 1;
        }
        if count < 2 {
            return Err(PointError::Syntax);
        }
        Ok(count)
    }

    /// A number as PostGIS spells it, up to the white space or bracket that must follow it.
    fn number(&mut self) -> Option<f64> {
        self.skip_space();
        let start = self.rest;
        let value = if self.word("NAN") {
            f64::NAN
        } else {
            self.decimal()?;
            let length = start.len().checked_sub(self.rest.len())?;
            fast_float2::parse(start.get(..length)?).ok()?
        };
        matches!(self.rest, [b' ' | b'\t' | b'\n' | b'\r' | b')', ..]).then_some(value)
    }

    /// Passes over `-?` and then either `5`, `5.`, or one of `5`, `.5` and `4.5` with an optional
    /// exponent. There is no plus sign, and `5.` takes no exponent.
    fn decimal(&mut self) -> Option<()> {
        self.byte(b'-');
        let whole = self.digits();
        if self.byte(b'.') {
            let fraction = self.digits();
            if fraction.is_empty() {
                return (!whole.is_empty()).then_some(());
            }
        } else if whole.is_empty() {
            return None;
        }
        if self.byte(b'e') || self.byte(b'E') {
            let _sign = self.byte(b'-') || self.byte(b'+');
            if self.digits().is_empty() {
                return None;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_canonical_form_takes_the_fast_path_and_both_paths_agree() {
        for text in [
            "POINT (14.4973794438195 50.00136875782316)",
            "POINT (-7 -0.5)",
            "POINT (5. 180)",
            "POINT (-0 -0)",
        ] {
            let fast = canonical(text.as_bytes());
            assert!(fast.is_some(), "{text}");
            assert_eq!(fast.unwrap().checked(), exact(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_fast_path_leaves_everything_else() {
        for text in [
            "POINT(1 2)",
            "point (1 2)",
            "POINT (1  2)",
            "POINT (1 2 )",
            "POINT (1 2 3)",
            "POINT (1 2",
            "POINT (1)",
            "POINT (1 )",
            "POINT ( 1 2)",
            "POINT (+1 2)",
            "POINT (1 +2)",
            "POINT (1e1 2)",
            "POINT (5.e1 2)",
            "POINT (1 inf)",
            "POINT (nan 2)",
            "POINT (-infinity 2)",
            "POINT (1,5 2)",
            "POINT ()",
            "POINT (",
            "",
        ] {
            assert_eq!(canonical(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn what_the_fast_path_takes_is_what_the_exact_path_makes_of_it(
            lon in "-?[0-9]{1,3}\\.[0-9]{1,18}",
            lat in "-?[0-9]{1,2}\\.[0-9]{1,18}",
            byte in prop::sample::select(b" ,x.-+07e\t".to_vec()),
            place in prop::option::of(0..60usize),
        ) {
            let mut text = format!("POINT ({lon} {lat})").into_bytes();
            // Where no other place is given, what is between the numbers.
            let place = place.unwrap_or(b"POINT (".len() + lon.len());
            if let Some(replaced) = text.get_mut(place) {
                *replaced = byte;
            }
            if let Some(point) = canonical(&text) {
                prop_assert_eq!(point.checked(), exact(&text), "{:?}", String::from_utf8(text));
            }
        }
    }

    #[test]
    fn the_sign_of_zero_is_kept() {
        let point = parse(b"POINT (-0 0)").unwrap();
        assert!(point.lon.is_sign_negative() && point.lat.is_sign_positive());
    }
}
