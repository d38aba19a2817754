//! A load against COPY and PostGIS, on generated rows: what one takes the other takes, with the same values to the last bit, but for what is
//! known to differ. `TRIPS_TEST_CASES=200000` is the full form.

mod catalogue;
mod generate;

use std::collections::BTreeMap;
use std::io::Write;

use postgres::Client;
use rand::RngExt;
use trips_tests::ask_random::{cases, seeded};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Database, HEADER, Ingest};

use catalogue::CATALOGUE;
use generate::{Fields, Row};

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its region, its ends (EWKB) and its time (the server's binary form) in hexadecimal digits, and its source.
    Loaded([String; 5]),
    /// SQLSTATE.
    Refused(String),
    /// It was not seen as a row.
    NoRow,
}

/// A row, and what COPY made of it.
pub struct Case {
    /// As it stands in the file, without the line end.
    pub bytes: Vec<u8>,
    /// Whether it was written as what is no record.
    pub is_shape: bool,
    /// What COPY read, where it read a record.
    pub fields: Option<Fields>,
    /// What became of it.
    pub copied: Outcome,
}

impl Case {
    /// A field, or nothing.
    pub fn field(&self, column: usize) -> &str {
        let field = self
            .fields
            .as_ref()
            .and_then(|fields| fields[column].as_deref());
        field.unwrap_or_default()
    }

    /// The field `datetime`.
    pub fn time(&self) -> &str {
        self.field(3)
    }
}

/// A name as it is kept; the server's own `normalize` is asked whether the second half is true.
pub fn normal(name: &str) -> String {
    NORMAL.with_borrow(|known| {
        known
            .get(name.trim())
            .cloned()
            .unwrap_or_else(|| name.trim().to_owned())
    })
}

thread_local! {
    /// Names whose form NFC differs.
    static NORMAL: std::cell::RefCell<BTreeMap<String, String>> = const { std::cell::RefCell::new(BTreeMap::new()) };
}

/// What COPY does with a record, by the input functions that it calls: their values, or the SQLSTATE of the first error.
const ORACLE: &str = "
    CREATE TABLE typed (number bigserial, region text NOT NULL, origin geometry(Point, 4326) NOT NULL, destination geometry(Point, 4326) NOT NULL,
                        departed_at timestamp NOT NULL, datasource text NOT NULL);
    CREATE TABLE staged (number bigserial, region text, origin text, destination text, departed_at text, datasource text);
    CREATE TABLE shape (LIKE staged INCLUDING DEFAULTS);
    CREATE FUNCTION read(r staged) RETURNS text[] LANGUAGE plpgsql AS $$
    DECLARE
        t typed;
    BEGIN
        IF num_nulls(r.region, r.origin, r.destination, r.departed_at, r.datasource) > 0 THEN
            RETURN ARRAY['23502'];
        END IF;
        t := json_populate_record(NULL::typed, row_to_json(r));
        RETURN ARRAY[t.region, encode(st_asewkb(t.origin), 'hex'), encode(st_asewkb(t.destination), 'hex'),
                     encode(timestamp_send(t.departed_at), 'hex'), t.datasource];
    EXCEPTION WHEN OTHERS THEN
        RETURN ARRAY[SQLSTATE];
    END
    $$";

const COLUMNS: &str = "region, origin, destination, departed_at, datasource";

fn outcome(read: Vec<Option<String>>) -> Outcome {
    let mut read: Vec<String> = read.into_iter().flatten().collect();
    if read.len() == 1 {
        return Outcome::Refused(read.remove(0));
    }
    Outcome::Loaded(read.try_into().expect("it has five columns"))
}

/// What COPY made of what is in the table, in order.
fn oracle(session: &mut Client, table: &str) -> Vec<(Fields, Outcome)> {
    let query = format!(
        "SELECT {COLUMNS}, read(ROW(number, {COLUMNS})::staged) FROM {table} ORDER BY number"
    );
    let rows = session.query(&query, &[]).expect("the oracle answers");
    rows.iter()
        .map(|row| {
            (
                [0, 1, 2, 3, 4].map(|column| row.get(column)),
                outcome(row.get(5)),
            )
        })
        .collect()
}

/// What COPY makes of these bytes as the only line of a file.
fn copy_alone(session: &mut Client, bytes: &[u8]) -> (Option<Fields>, Outcome) {
    let mut transaction = session.transaction().expect("the session lives");
    let copied = transaction
        .copy_in(&format!("COPY shape ({COLUMNS}) FROM STDIN (FORMAT csv)"))
        .and_then(|mut copy| {
            // The first line says what ends lines.
            copy.write_all(b"1,2,3,4,5\n")
                .and_then(|()| copy.write_all(bytes))
                .and_then(|()| copy.write_all(b"\n"))
                .expect("the socket takes it");
            copy.finish()
        });
    if let Err(error) = copied {
        let error = error
            .as_db_error()
            .expect("the server says why")
            .code()
            .code()
            .to_owned();
        return (None, Outcome::Refused(error));
    }
    let query = format!(
        "SELECT {COLUMNS}, read(ROW(number, {COLUMNS})::staged) FROM shape ORDER BY number OFFSET 1"
    );
    match transaction
        .query_opt(&query, &[])
        .expect("one line is one row at the most")
    {
        None => (None, Outcome::NoRow),
        Some(row) => (
            Some([0, 1, 2, 3, 4].map(|column| row.get(column))),
            outcome(row.get(5)),
        ),
    }
}

/// Writes the rows below a header; the line of each.
fn write(content: &mut Vec<u8>, rows: &[Row]) -> Vec<i64> {
    content.extend_from_slice(HEADER.as_bytes());
    let mut line = 2;
    rows.iter()
        .map(|row| {
            let start = line;
            content.extend_from_slice(&row.bytes);
            content.push(b'\n');
            line += 1 + row.bytes.iter().filter(|byte| **byte == b'\n').count() as i64;
            start
        })
        .collect()
}

/// What a load has made of each line of a file.
fn loaded(session: &mut Client, path: &str) -> BTreeMap<i64, Outcome> {
    let ingest = Ingest::of(path).on_error("ignore").run(session).id();
    let query = "
        SELECT t.id & 4294967295, ARRAY[r.name, encode(st_asewkb(t.origin), 'hex'), encode(st_asewkb(t.destination), 'hex'),
                                        encode(timestamp_send(t.departed_at), 'hex'), d.name]
          FROM trips.trip t JOIN trips.region r ON r.id = t.region_id JOIN trips.datasource d ON d.id = t.datasource_id
         WHERE t.id >> 32 = $1
        UNION ALL
        SELECT line, ARRAY[sqlstate] FROM trips.rejected_row WHERE ingest_id = $1";
    let rows = session
        .query(query, &[&ingest])
        .expect("the tables can be read");
    rows.iter()
        .map(|row| (row.get(0), outcome(row.get(1))))
        .collect()
}

/// The names whose form NFC is another, by the server.
fn learn_names(session: &mut Client, cases: &[Case]) {
    let names: Vec<&str> = cases
        .iter()
        .flat_map(|case| [case.field(0).trim(), case.field(4).trim()])
        .filter(|name| !name.is_ascii())
        .collect();
    let rows = session.query("SELECT DISTINCT n, normalize(n, NFC) FROM unnest($1::text[]) n WHERE n IS NOT NFC NORMALIZED", &[&names]);
    let rows = rows.expect("the server knows Unicode");
    NORMAL.with_borrow_mut(|known| known.extend(rows.iter().map(|row| (row.get(0), row.get(1)))));
}

#[derive(Default)]
struct Tally {
    loaded: usize,
    refused: usize,
    known: BTreeMap<&'static str, usize>,
    unknown: Vec<String>,
}

impl Tally {
    fn count(&mut self, case: &Case, ours: &Outcome) {
        match (&case.copied, ours) {
            (Outcome::Loaded(theirs), Outcome::Loaded(ours)) if theirs == ours => self.loaded += 1,
            (Outcome::Refused(_), Outcome::Refused(_)) => self.refused += 1,
            _ => match CATALOGUE
                .iter()
                .find(|difference| (difference.explains)(case, ours))
            {
                Some(difference) => *self.known.entry(difference.name).or_default() += 1,
                None => self.unknown.push(format!(
                    "{:?}: COPY {:?}, trips_ingest {ours:?}",
                    String::from_utf8_lossy(&case.bytes),
                    case.copied
                )),
            },
        }
    }

    fn print(&self, what: &str, rows: usize, seconds: f64) {
        println!(
            "{rows} {what} against COPY: {} loaded alike, {} refused by both, {} known differences, {} unknown ones, in {seconds:.0} s",
            self.loaded,
            self.refused,
            self.known.values().sum::<usize>(),
            self.unknown.len()
        );
        for (name, count) in &self.known {
            println!("  {count:>6}  {name}");
        }
    }

    #[track_caller]
    fn assert_explained(&self) {
        let some = &self.unknown[..self.unknown.len().min(40)];
        assert!(
            some.is_empty(),
            "{} differences that nobody knows of, among them\n{}",
            self.unknown.len(),
            some.join("\n")
        );
    }
}

/// Of the rows of a test, one in ten is no well-formed record.
const SHAPES: usize = 10;

#[test]
fn records_are_taken_as_copy_takes_them_but_for_what_is_known_to_differ() {
    let begin = std::time::Instant::now();
    let (database, mut random) = (Database::new(), seeded());
    let mut session = database.connect();
    session.run(ORACLE);
    let count = cases(20_000);
    let count = count - count / SHAPES;
    let rows: Vec<Row> = (0..count).map(|_| generate::record(&mut random)).collect();
    let mut content = Vec::new();
    let lines = write(&mut content, &rows);
    let path = database.files().write("records.csv", &content);

    session.run(&format!(
        "COPY staged ({COLUMNS}) FROM '{path}' (FORMAT csv, HEADER)"
    ));
    let read = oracle(&mut session, "staged");
    assert_eq!(
        read.len(),
        count,
        "COPY reads the records that were written"
    );
    let cases: Vec<Case> = rows
        .into_iter()
        .zip(read)
        .map(|(row, (fields, copied))| {
            assert_eq!(
                Some(&fields),
                row.fields.as_ref(),
                "COPY reads the fields that were written"
            );
            Case {
                bytes: row.bytes,
                is_shape: false,
                fields: Some(fields),
                copied,
            }
        })
        .collect();
    assert_is_what_copy_stores(&database, &mut session, &cases);

    let ours = loaded(&mut session, &path);
    assert_eq!(ours.len(), count, "each record is loaded or refused");
    learn_names(&mut session, &cases);
    let mut tally = Tally::default();
    for (case, line) in cases.iter().zip(lines) {
        tally.count(case, ours.get(&line).unwrap_or(&Outcome::NoRow));
    }
    tally.print("records", count, begin.elapsed().as_secs_f64());
    tally.assert_explained();
    assert!(tally.loaded > count / 3 && tally.refused > count / 20);
    assert_books_balance(&mut session);
}

/// The oracle is right: COPY takes all rows that it says are good as one file, and stores what it says.
fn assert_is_what_copy_stores(database: &Database, session: &mut Client, cases: &[Case]) {
    let is_good = |case: &&Case| matches!(case.copied, Outcome::Loaded(_));
    // "now" is another time now.
    let is_fixed = |case: &&Case| case.time().contains(|c: char| c.is_ascii_digit());
    let good: Vec<&Case> = cases.iter().filter(is_good).filter(is_fixed).collect();
    let content = good
        .iter()
        .flat_map(|case| [case.bytes.as_slice(), b"\n"])
        .flatten()
        .copied();
    let path = database
        .files()
        .write("good.csv", content.collect::<Vec<u8>>());
    session
        .batch_execute(&format!(
            "COPY typed ({COLUMNS}) FROM '{path}' (FORMAT csv)"
        ))
        .expect("COPY takes what the oracle takes");
    let query = "SELECT ARRAY[region, encode(st_asewkb(origin), 'hex'), encode(st_asewkb(destination), 'hex'),
                              encode(timestamp_send(departed_at), 'hex'), datasource] FROM typed ORDER BY number";
    let stored = session.query(query, &[]).expect("the table can be read");
    assert_eq!(stored.len(), good.len());
    for (row, case) in stored.iter().zip(good) {
        assert_eq!(outcome(row.get(0)), case.copied);
    }
}

#[test]
fn what_is_no_record_is_refused_as_copy_refuses_it_and_its_neighbours_are_loaded() {
    let begin = std::time::Instant::now();
    let (database, mut random) = (Database::new(), seeded());
    let mut session = database.connect();
    session.run(ORACLE);
    let count = cases(20_000) / SHAPES;
    let neighbour = || Row {
        bytes: b"Oslo,POINT (10 59),POINT (11 60),2018-05-28 09:03:40,bus".to_vec(),
        fields: None,
    };
    let rows: Vec<Row> = (0..count)
        .flat_map(|_| {
            // CRLF would be taken for a line end after a carriage return, so that it is told by the end.
            let shape = generate::shape(&mut random);
            let neighbours = random.random_range(0..2);
            std::iter::once(shape).chain((0..neighbours).map(|_| neighbour()))
        })
        .collect();
    let mut content = Vec::new();
    let lines = write(&mut content, &rows);
    let path = database.files().write("shapes.csv", &content);
    let ours = loaded(&mut session, &path);
    let cases: Vec<Case> = rows
        .into_iter()
        .map(|row| {
            let (fields, copied) = copy_alone(&mut session, &row.bytes);
            Case {
                bytes: row.bytes,
                is_shape: true,
                fields,
                copied,
            }
        })
        .collect();
    learn_names(&mut session, &cases);
    let mut tally = Tally::default();
    for (case, line) in cases.iter().zip(lines) {
        tally.count(case, ours.get(&line).unwrap_or(&Outcome::NoRow));
    }
    tally.print("lines", cases.len(), begin.elapsed().as_secs_f64());
    tally.assert_explained();
    assert_books_balance(&mut session);
}
