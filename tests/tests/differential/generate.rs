//! Rows as files have them and as no file should: valid, odd and bad values, in fields quoted in every way, and records that are none.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The fields of a row, as a reader of CSV gives them; `None` is an empty field without quotes.
pub type Fields = [Option<String>; 5];

/// A row of a file: its bytes without the line end, and the fields that were put into it.
pub struct Row {
    pub bytes: Vec<u8>,
    /// What was written, where the bytes are a record of five fields.
    pub fields: Option<Fields>,
}

fn pick<'a>(random: &mut ChaCha8Rng, from: &[&'a str]) -> &'a str {
    from.choose(random).expect("there are some")
}

fn one_in(random: &mut ChaCha8Rng, count: u32) -> bool {
    random.random_range(0..count) == 0
}

/// A record: most have one odd field, some more, some none.
pub fn record(random: &mut ChaCha8Rng) -> Row {
    let odd = random.random_range(0..7);
    let fields: Fields = [0, 1, 2, 3, 4].map(|column| {
        let is_odd = column == odd || one_in(random, 12);
        let value = match (column, is_odd) {
            (0 | 4, false) => pick(random, &["Turin", "Prague", "Hamburg", "car"]).to_owned(),
            (0 | 4, true) => name(random),
            (1 | 2, false) => format!(
                "POINT ({} {})",
                decimal(random, 180.0),
                decimal(random, 90.0)
            ),
            (1 | 2, true) => point(random),
            (_, false) => date_time(random),
            (_, true) => time(random),
        };
        (!value.is_empty() || !one_in(random, 2)).then_some(value)
    });
    let written = fields.iter().map(|field| match field {
        None => String::new(),
        Some(value) => encoded(random, value),
    });
    Row {
        bytes: written.collect::<Vec<_>>().join(",").into_bytes(),
        fields: Some(fields),
    }
}

/// The field with quotes where it needs them, and now and then where not.
fn encoded(random: &mut ChaCha8Rng, value: &str) -> String {
    let needs_quotes = value.is_empty() || value.contains(['"', ',', '\n', '\r']);
    if needs_quotes || one_in(random, 4) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn name(random: &mut ChaCha8Rng) -> String {
    const ODD: [&str; 34] = [
        "",
        " ",
        "\t",
        "\u{a0}",
        "\u{3000}\u{2003}",
        "K\u{f6}ln",
        "Ko\u{308}ln",
        " K\u{f6}ln",
        "K\u{f6}ln \u{a0}",
        "\u{6771}\u{4eac} \u{1f697}",
        "\u{1112}\u{1161}\u{11ab}",
        "\u{212b}",
        "\u{2126}",
        "\u{fb01}",
        "e\u{301}\u{323}",
        "e\u{323}\u{301}",
        "\\N",
        "NULL",
        "\\t",
        "a\\",
        "a,b",
        "a\"b",
        "\"",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "'; DROP TABLE trips.trip; --",
        "\u{feff}Turin",
        "\u{200b}",
        "\u{202e}niruT",
        "\u{7f}",
        "\u{1}",
        "\u{b}Turin\u{c}",
        "\u{85}Turin",
    ];
    match random.random_range(0..10) {
        0 => "x".repeat(random.random_range(250..260)),
        1 => "\u{e9}".repeat(random.random_range(126..131)),
        2 => "u\u{308}".repeat(random.random_range(126..131)),
        3 => format!("Turin{}", " ".repeat(random.random_range(0..300))),
        4 => (0..random.random_range(1..12))
            .map(|_| random.random::<char>())
            .filter(|c| *c != '\0')
            .collect(),
        _ => pick(random, &ODD).to_owned(),
    }
}

/// A decimal number below the limit, short or with all its digits.
fn decimal(random: &mut ChaCha8Rng, limit: f64) -> String {
    let value = random.random_range(-limit..limit);
    match random.random_range(0..4) {
        0 => format!("{value:.0}"),
        1 => format!("{value:.6}"),
        _ => format!("{value}"),
    }
}

/// Ways to write a coordinate, good and bad.
fn number(random: &mut ChaCha8Rng, limit: f64) -> String {
    const BAD: [&str; 30] = [
        "NaN",
        "nan",
        "-nan",
        "inf",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "1e",
        "e1",
        "1e+",
        ".",
        "-",
        "--1",
        "+1",
        "1_0",
        "1,5",
        "0x7",
        "\u{667}",
        "1d",
        "1.2.3",
        "1 2",
        "",
        "-.5",
        "5.",
        "5.e1",
        "007.5",
        "-0",
        "1E+01",
    ];
    let value: f64 = random.random_range(-limit..limit);
    match random.random_range(0..16) {
        0 => format!("{value:e}"),
        1 => format!("{value:.25}"),
        2 => format!("{value:.60}"),
        3 => format!("{value:.17}E+0"),
        4 => format!("{:e}", value * 1e-300),
        5 => format!("{:.70}{}", value, random.random_range(0..10)),
        6 => format!("{}", f64::from_bits(random.random())),
        7 => format!("{:e}", f64::from_bits(random.random())),
        8 => format!(
            "{}",
            [
                limit,
                -limit,
                limit.next_up(),
                -limit.next_up(),
                limit + 1.0
            ][random.random_range(0..5)]
        ),
        9 => format!("{limit}.{}1", "0".repeat(random.random_range(0..40))),
        10 => format!("{}", f64::from_bits(random.random_range(0..4))),
        11 => format!("{}{}", "0".repeat(random.random_range(1..30)), value.abs()),
        12 => format!("{:.0}", value * 1e20),
        _ => pick(random, &BAD).to_owned(),
    }
}

fn point(random: &mut ChaCha8Rng) -> String {
    const ODD: [&str; 43] = [
        "",
        " ",
        "x",
        "POINT",
        "POINT EMPTY",
        "point empty",
        "POINT Z EMPTY",
        "SRID=4326;POINT EMPTY",
        "POINT ()",
        "POINT (7)",
        "POINT ((7 45))",
        "POINT (7 45",
        "POINT 7 45)",
        "POINT (7 45) x",
        "POINT (7 45))",
        "POINT Z (7 45 1)",
        "POINTZ(7 45 1)",
        "POINT M (7 45 1)",
        "POINT ZM (7 45 1 1)",
        "POINT (7 45 1)",
        "POINT (7 45 1 1)",
        "POINT (7 45 1 1 1)",
        "LINESTRING (7 45, 8 46)",
        "MULTIPOINT ((7 45))",
        "MULTIPOINT (7 45)",
        "POLYGON ((0 0, 1 0, 1 1, 0 0))",
        "GEOMETRYCOLLECTION (POINT (7 45))",
        "GEOMETRYCOLLECTION EMPTY",
        "POINTE (7 45)",
        "POI NT (7 45)",
        "POINT(7,45)",
        "0101000020E610000066666666666A1C40CDCCCCCCCC8C4640",
        "010100000066666666666A1C40CDCCCCCCCC8C4640",
        "0101000020E6100000",
        "0101",
        "SRID=4326;010100000066666666666A1C40CDCCCCCCCC8C4640",
        "{\"type\":\"Point\",\"coordinates\":[7.1,45.1]}",
        "{\"type\":\"Point\"}",
        "POINT(7\u{a0}45)",
        "\u{ff30}OINT (7 45)",
        "7.1 45.1",
        "POINT\u{b}(7 45)",
        "POINT(7\n45)",
    ];
    let (lon, lat) = match random.random_range(0..4) {
        0 => (number(random, 180.0), decimal(random, 90.0)),
        1 => (decimal(random, 180.0), number(random, 90.0)),
        _ => (decimal(random, 180.0), decimal(random, 90.0)),
    };
    match random.random_range(0..20) {
        0 => format!("point({lon} {lat})"),
        1 => format!("  Point  (  {lon}   {lat}  )  "),
        2 => format!("SRID=4326;POINT({lon} {lat})"),
        3 => format!("srid=04326;pOiNt ({lon}\t{lat})"),
        4 => format!("POINT\r\n({lon} {lat})\n"),
        5 => {
            let srid = [
                "3857",
                "0",
                "-1",
                "43260",
                "",
                "x",
                " 4326",
                "4326 ",
                "4294971622",
                "99999999999",
                "+4326",
            ];
            format!("SRID={};POINT({lon} {lat})", pick(random, &srid))
        }
        6 => format!("POINT({lon} {lat}"),
        7 => format!("POINT({lon}{lat})"),
        8 => format!("POINT({lon}  {lat})"),
        9 => format!(
            "POINT({lon} {lat}){}",
            pick(random, &[";", ".", " ", "\t", "\0", "x"]).replace('\0', "")
        ),
        10 => mutated(random, &format!("POINT ({lon} {lat})")),
        11..15 => pick(random, &ODD).to_owned(),
        _ => format!("POINT ({lon} {lat})"),
    }
}

fn date(random: &mut ChaCha8Rng) -> (i32, u32, u32) {
    let year = match random.random_range(0..8) {
        0 => random.random_range(1..=9999),
        1 => [1600, 1900, 2000, 2016, 2100][random.random_range(0..5)],
        _ => random.random_range(2010..2030),
    };
    (
        year,
        random.random_range(1..=12),
        random.random_range(1..=28),
    )
}

fn clock(random: &mut ChaCha8Rng) -> String {
    let (hour, minute, second) = (
        random.random_range(0..24),
        random.random_range(0..60),
        random.random_range(0..60),
    );
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn date_time(random: &mut ChaCha8Rng) -> String {
    let (year, month, day) = date(random);
    format!("{year:04}-{month:02}-{day:02} {}", clock(random))
}

fn time(random: &mut ChaCha8Rng) -> String {
    const ODD: [&str; 77] = [
        "",
        " ",
        "x",
        "NULL",
        "now",
        "today",
        "tomorrow",
        "yesterday",
        "epoch",
        "infinity",
        "-infinity",
        "allballs",
        "NaN",
        "2018-05-28",
        "2018-05-28 ",
        " 2018-05-28 09:03:40 ",
        "2018-05-28\t09:03:40",
        "2018-05-28 \n09:03:40",
        "2018-05-28\u{b}09:03:40",
        "2018-05-28\u{c}09:03:40",
        "2018-05-28 09",
        "2018-05-28 09:03",
        "2018-05-28T09:03",
        "2018-05-28t09:03:40",
        "2018-05-28 9:3:4",
        "2018-5-8 09:03:40",
        "2018-05-28  T09:03:40",
        "2018-05-28T 09:03:40",
        "2018-05-28 0903",
        "2018-05-28 090340",
        "20180528",
        "20180528T090340",
        "20180528 09:03:40",
        "2018-148",
        "2018.148",
        "J2458267",
        "2018-05-28 09.03.40",
        "05/28/2018",
        "05/28/2018 09:03:40",
        "28/05/2018",
        "05-28-2018",
        "28-05-2018 09:03",
        "18-05-28 09:03:40",
        "May 28 2018 09:03:40",
        "28 May 2018",
        "Mon 2018-05-28 09:03:40",
        "2018-May-28 09:03",
        "2018/05/28 09:03:40",
        "2018.05.28 09:03:40",
        "2018-05-28;09:03:40",
        "2018-05-28,09:03:40",
        "2018-05-28_09:03:40",
        "2018-05",
        "2018",
        "1527498220",
        "1527498220000",
        "2018-02-30 09:03:40",
        "2018-02-29 00:00:00",
        "1900-02-29",
        "2000-02-29",
        "2018-13-01",
        "2018-00-10",
        "2018-05-32",
        "2018-04-31 00:00",
        "0000-01-01 00:00:00",
        "-2018-05-28",
        "2018--05-28",
        "294276-12-31 23:59:59",
        "294276-12-31 24:00:00",
        "294277-01-01",
        "99999999999-01-01",
        "10000-01-01 00:00:00",
        "02018-05-28 09:03:40",
        "4713-01-01 BC",
        "4714-01-01 BC",
        "0001-01-01 00:00:00",
        "2018-05-28 09:03:40.",
    ];
    const AFTER: [&str; 30] = [
        "+02",
        "+02:00",
        "-0200",
        "Z",
        " Z",
        "z",
        " UTC",
        " Europe/Prague",
        " PST",
        " CEST",
        " +00",
        "+15:59",
        "+16",
        "+99",
        " BC",
        " AD",
        " B.C.",
        " AM",
        " PM",
        "PM",
        " x",
        " 1",
        "T",
        ":00",
        ".",
        ",",
        " dst",
        " Mon",
        "x",
        "+02:00:00",
    ];
    let (year, month, day) = date(random);
    let base = date_time(random);
    match random.random_range(0..16) {
        0 => base.replace(' ', "T"),
        1 => format!(
            "{year:04}-{month:02}-{day:02} 24:00:00{}",
            pick(random, &["", ".0", ".000001", ".0000001", "0"])
        ),
        2 => format!("{base}{}", pick(random, &AFTER)),
        3 => {
            let digits: String = (0..random.random_range(1..20))
                .map(|_| char::from(random.random_range(b'0'..=b'9')))
                .collect();
            format!("{base}.{digits}")
        }
        4 => format!(
            "{base}.{}",
            pick(
                random,
                &[
                    "9999995", "9999994", "9999999", "0000005", "0000015", "0000025", "5e-1",
                    "1.2", "x", "1 2"
                ]
            )
        ),
        5 => format!(
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            random.random_range(22..27),
            random.random_range(57..62),
            random.random_range(57..63)
        ),
        6 => format!(
            "{year:04}-{:02}-{:02} 12:00",
            random.random_range(0..15),
            random.random_range(0..34)
        ),
        7 => format!(
            "{year:04}-{month}-{day} {}:{}:{}",
            random.random_range(0..24),
            random.random_range(0..60),
            random.random_range(0..60)
        ),
        8 => format!("{base}.{}", "0".repeat(random.random_range(80..140))),
        9 => mutated(random, &base),
        10 => format!(
            "{}{base}{}",
            " ".repeat(random.random_range(0..5)),
            " ".repeat(random.random_range(0..120))
        ),
        11 => format!(
            "{year:04}-{month:02}-{day:02}{}{}",
            pick(random, &["  ", "\t ", "T", "t", "T ", " T"]),
            clock(random)
        ),
        _ => pick(random, &ODD).to_owned(),
    }
}

/// The text with one character more, less or another.
fn mutated(random: &mut ChaCha8Rng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.random_range(0..chars.len());
    let other = "0123456789 .-+eE()TZ:,;/\t\u{e9}"
        .chars()
        .collect::<Vec<_>>();
    let other = *other.choose(random).expect("there are some");
    match random.random_range(0..4) {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, other),
        2 if at > 0 => chars.swap(at, at - 1),
        _ => chars[at] = other,
    }
    chars.into_iter().collect()
}

/// Bytes that are no record of five fields, or are one that readers of CSV read in different ways. A quote that nothing closes is not among them:
/// what follows in the file would be another row for each reader.
pub fn shape(random: &mut ChaCha8Rng) -> Row {
    let valid = "Turin,POINT (7 45),POINT (8 46),2018-05-28 09:03:40,car";
    let region = |value: &[u8]| [value, &valid.as_bytes()[5..]].concat();
    let bytes = match random.random_range(0..16) {
        0 => valid
            .rsplitn(random.random_range(2..6), ',')
            .last()
            .expect("it has fields")
            .into(),
        1 => format!("{valid}{}", pick(random, &[",", ",x", ",,", ",\"\""])).into_bytes(),
        2 => region(
            pick(
                random,
                &[
                    "Tu\"ri\"n",
                    "\"Turin\"x",
                    "\"Turin\" ",
                    "x\"Turin\"",
                    " \"Turin\"",
                    "\"Tu\"\"rin\"x",
                    "\"\"Turin",
                    "Turin\"\"",
                    "\"Tu\"r\"in\"",
                ],
            )
            .as_bytes(),
        ),
        3 => region(b"Tu\rrin"),
        4 => [
            valid.as_bytes(),
            pick(random, &["\r", "\r\r", "x\ry"]).as_bytes(),
        ]
        .concat(),
        5 => region(b"Tu\0rin"),
        6 => {
            let bad: [&[u8]; 8] = [
                b"\xed",
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xed\xa0\x80",
                b"\xf4\x90\x80\x80",
                b"\xf8\x88\x80\x80\x80",
                b"\xe2\x82",
                b"\x80",
            ];
            let field = random.random_range(0..5);
            let fields = valid
                .split(',')
                .enumerate()
                .map(|(number, text)| match number == field {
                    true => [text.as_bytes(), bad[random.random_range(0..bad.len())]].concat(),
                    false => text.into(),
                });
            fields.collect::<Vec<_>>().join(&b","[..])
        }
        7 => b"\\.".to_vec(),
        8 => Vec::new(),
        9 => pick(
            random,
            &[
                " ",
                "\t",
                ",",
                ",,,",
                ",,,,",
                ",,,,,",
                "\"\"",
                "\"\",\"\",\"\",\"\",\"\"",
            ],
        )
        .into(),
        10 => valid
            .replace(',', pick(random, &[";", "\t", ", ", " ,"]))
            .into_bytes(),
        11 if one_in(random, 40) => {
            region(&b"x".repeat([65_536, 65_537, 100_000][random.random_range(0..3)]))
        }
        12 => format!("#{valid}").into_bytes(),
        13 => region(b"'Turin, Milano'"),
        14 => region(b"\\\"Turin\\\""),
        _ => region(&random.random::<[u8; 4]>().map(|byte| {
            if matches!(byte, b'"' | b'\n') {
                b'x'
            } else {
                byte
            }
        })),
    };
    Row {
        bytes,
        fields: None,
    }
}
