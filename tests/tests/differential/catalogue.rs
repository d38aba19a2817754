//! In what a load differs from COPY, on purpose: what COPY takes without a word and nobody can have meant. Whatever else differs is a mistake.

use super::{Case, Outcome};

/// A known difference.
pub struct Difference {
    pub name: &'static str,
    /// Whether it explains this one.
    pub explains: fn(&Case, &Outcome) -> bool,
}

const fn known(name: &'static str, explains: fn(&Case, &Outcome) -> bool) -> Difference {
    Difference { name, explains }
}

/// All of them; the first that explains a difference counts.
pub const CATALOGUE: [Difference; 23] = [
    known("a blank line is no row, where COPY stops", |case, ours| {
        case.bytes.is_empty() && *ours == Outcome::NoRow
    }),
    known("\\. is data, where COPY may end the file", |case, ours| {
        case.bytes == b"\\." && refused(ours, "22P04")
    }),
    known("CRLF and LF in one file, where COPY stops", |case, ours| {
        case.bytes.ends_with(b"\r") && matches!(ours, Outcome::Loaded(_))
    }),
    known(
        "a quote inside a field, or text after a quoted one",
        |case, ours| case.is_shape && case.bytes.contains(&b'"') && refused(ours, "22P04"),
    ),
    known("a field of more than 64 KiB", |case, ours| {
        case.bytes.len() > 65_536 && refused(ours, "54000")
    }),
    known("a name of more than 256 bytes", |case, ours| {
        refused(ours, "22001") && names(case).any(|name| super::normal(name).len() > 256)
    }),
    known("a blank name", |case, ours| {
        refused(ours, "23502") && names(case).any(|name| name.trim().is_empty())
    }),
    known(
        "a name with blanks around it is kept without",
        |case, ours| names_apart(case, ours) && names(case).any(|name| name != name.trim()),
    ),
    known("a name is kept in Unicode's form NFC", names_apart),
    known("a point as hexadecimal WKB", |case, ours| {
        refused(ours, "22P02") && points(case).any(is_hexadecimal)
    }),
    known("a point as GeoJSON", |case, ours| {
        refused(ours, "22P02") && points(case).any(|point| point.starts_with('{'))
    }),
    known("POINT EMPTY", |case, ours| {
        refused(ours, "22023")
            && points(case).any(|point| point.to_ascii_uppercase().contains("EMPTY"))
    }),
    known(
        "an SRID that is unknown to PostGIS, or that it shortens to 4326",
        |case, ours| refused(ours, "22023") && points(case).any(has_other_srid),
    ),
    known("a coordinate that is no finite number", |case, ours| {
        refused(ours, "22003")
            && points(case).any(|point| coordinates(point).any(|value| !value.is_finite()))
    }),
    known("a longitude or latitude out of range", |case, ours| {
        refused(ours, "22003")
            && points(case).any(|point| {
                coordinates(point)
                    .zip([180.0, 90.0])
                    .any(|(value, limit)| value.abs() > limit)
            })
    }),
    known("a time with a time zone, which COPY drops", |case, ours| {
        is_no_time(ours) && rest_of_time(case).is_some_and(is_zone)
    }),
    known("a time with AM, PM, AD or BC", |case, ours| {
        is_no_time(ours)
            && case
                .time()
                .to_ascii_uppercase()
                .ends_with(['M', 'D', 'C', '.'])
    }),
    known("a word such as now or infinity for a time", |case, ours| {
        is_no_time(ours)
            && case.time().contains(|c: char| c.is_ascii_alphabetic())
            && !case.time().contains(|c: char| c.is_ascii_digit())
    }),
    known("a Julian day", |case, ours| {
        is_no_time(ours) && case.time().trim().starts_with(['J', 'j'])
    }),
    known("a month or weekday by name", |case, ours| {
        is_no_time(ours)
            && ["MAY", "MON"]
                .iter()
                .any(|word| case.time().to_ascii_uppercase().contains(word))
    }),
    known(
        "a date with other separators than ISO 8601's",
        |case, ours| {
            is_no_time(ours)
                && !starts_as_iso(case.time())
                && case
                    .time()
                    .trim()
                    .starts_with(|c: char| c.is_ascii_digit() || c == '-')
        },
    ),
    known("a time in another form than ISO 8601's", |case, ours| {
        is_no_time(ours) && !is_iso(case.time())
    }),
    known("a time of more than 128 characters", |case, ours| {
        matches!(ours, Outcome::Loaded(_)) && case.time().len() > 120
    }),
];

fn refused(ours: &Outcome, sqlstate: &str) -> bool {
    matches!(ours, Outcome::Refused(state) if state == sqlstate)
}

fn is_no_time(ours: &Outcome) -> bool {
    refused(ours, "22007") || refused(ours, "22008")
}

fn names(case: &Case) -> impl Iterator<Item = &str> {
    [case.field(0), case.field(4)].into_iter()
}

fn points(case: &Case) -> impl Iterator<Item = &str> {
    [case.field(1), case.field(2)].into_iter()
}

/// Both have loaded the row, the same but for names, and these as they have to be.
fn names_apart(case: &Case, ours: &Outcome) -> bool {
    let (Outcome::Loaded(theirs), Outcome::Loaded(ours)) = (&case.copied, ours) else {
        return false;
    };
    [0, 4]
        .iter()
        .all(|column| ours[*column] == super::normal(&theirs[*column]))
        && ours[1..4] == theirs[1..4]
}

fn is_hexadecimal(point: &str) -> bool {
    let digits = point.rsplit(';').next().unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit())
}

fn has_other_srid(point: &str) -> bool {
    let srid = point
        .trim()
        .split_once(';')
        .map(|(srid, _)| srid.to_ascii_uppercase());
    srid.and_then(|srid| srid.strip_prefix("SRID=")?.parse().ok())
        .is_some_and(|srid: i64| srid != 4326)
}

fn coordinates(point: &str) -> impl Iterator<Item = f64> {
    let inside = point
        .split_once('(')
        .map(|(_, rest)| rest.trim_end().trim_end_matches(')'));
    let numbers = inside.unwrap_or_default().split_ascii_whitespace();
    numbers.map(|number| number.parse().unwrap_or(0.0))
}

/// Whether it starts with year, month and day, with a hyphen between.
fn starts_as_iso(time: &str) -> bool {
    let mut parts = time.trim().splitn(3, '-');
    let is_number = |part: Option<&str>, least: usize| {
        part.is_some_and(|part| part.len() >= least && part.chars().all(|c| c.is_ascii_digit()))
    };
    is_number(parts.next(), 4)
        && is_number(parts.next(), 1)
        && parts
            .next()
            .is_some_and(|day| day.starts_with(|c: char| c.is_ascii_digit()))
}

/// What follows the date, if that is as ISO 8601 has it.
fn rest_of_time(case: &Case) -> Option<&str> {
    let time = case.time().trim();
    if !starts_as_iso(time) {
        return None;
    }
    let day = time.match_indices('-').nth(1).map(|(at, _)| at + 1)?;
    Some(time[day..].trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A time of day and then a sign or letters: an offset, or the name of a zone.
fn is_zone(rest: &str) -> bool {
    let after = rest.trim_start_matches(|c: char| {
        c.is_ascii_digit()
            || c == ':'
            || c == '.'
            || c == 'T'
            || c == 't'
            || c.is_ascii_whitespace()
            || c == '\u{b}'
    });
    after.starts_with(['+', '-'])
        || after.starts_with(|c: char| c.is_ascii_alphabetic())
            && !["AM", "PM", "AD", "BC", "B.C."].contains(&after.to_ascii_uppercase().as_str())
}

/// Year, month and day, and after blanks or a T hours, minutes and perhaps seconds, of two digits at the most.
fn is_iso(time: &str) -> bool {
    let time = time.trim();
    let end = time.find(|c: char| c.is_whitespace() || matches!(c, 'T' | 't'));
    let (date, clock) = time.split_at(end.unwrap_or(time.len()));
    // No blank after a T.
    let clock = match clock.strip_prefix(['T', 't']) {
        _ if end.is_none() => "0:0",
        Some(clock) => clock,
        None => clock.trim_start(),
    };
    let is_number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let date: Vec<&str> = date.split('-').collect();
    let parts = clock.split_once('.');
    let (clock, fraction) = parts.unwrap_or((clock, "0"));
    let clock: Vec<&str> = clock.split(':').collect();
    date.len() == 3
        && is_number(date[0], 4..=20)
        && date[1..].iter().all(|part| is_number(part, 1..=2))
        // A fraction is one of a second.
        && (clock.len() == 3 || clock.len() == 2 && parts.is_none())
        && clock.iter().all(|part| is_number(part, 1..=2))
        && is_number(fraction, 1..=200)
}
