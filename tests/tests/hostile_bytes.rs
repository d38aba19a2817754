//! Bytes that were written over those of the extension, by whoever may write its tables: every function that reads them
//! refuses them or gives some answer, in the same process, in bounded time, and leaves nothing behind.
//!
//! `TRIPS_TEST_CASES=10000` writes so many times.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trips_tests::ask_random::{cases, question, seeded};
use trips_tests::database::eventually;
use trips_tests::facts::Facts;
use trips_tests::ingest::load;
use trips_tests::rows::write_generated;
use trips_tests::{Database, Session};

/// How many times bytes are written, unless the environment asks for more.
const CASES: usize = 48;

/// Where bytes are that Rust reads: tables and columns.
const COLUMNS: [(&str, &str); 9] = [
    ("trips.area_leaf", "points"),
    ("trips.area_node", "children"),
    ("trips.area_part", "content"),
    ("trips.area_node", "days"),
    ("trips.area_run", "days"),
    ("trips.region_day", "days"),
    ("trips.area_leaf", "points"),
    ("trips.area_part", "content"),
    ("kept", "state"),
];

/// What refuses bytes: no tree, no group.
const REFUSALS: [&str; 2] = ["XX002", "XX001"];

/// A city's trips in two runs and one that takes away, and a table of groups.
fn scene(database: &Database, random: &mut ChaCha8Rng) -> Session {
    let mut session = database.connect();
    session.run("SET jit = off; SET statement_timeout = '60s'; SET trips_ext.group_threads = 2");
    for (name, rows) in [("many.csv", 6_000), ("more.csv", 2_000)] {
        let path = write_generated(database.files(), name, rows, 3, random.random());
        load(&mut session, &path);
    }
    session.run(
        "UPDATE trips.trip SET origin = destination WHERE id % 50 = 0;
         SELECT trips_group_table('kept', 3000, 3000, '2 hours')",
    );
    session
}

/// Other bytes for a column, as SQL.
fn other_bytes(random: &mut ChaCha8Rng, (table, column): (&str, &str)) -> String {
    let place = match random.random_range(0..4) {
        0 => random.random_range(0..8),
        1 => random.random_range(0..64),
        2 => random.random_range(0..400),
        _ => random.random_range(0..8000),
    };
    let value =
        [0, 1, 2, 127, 128, 254, 255, random.random_range(0..256)][random.random_range(0..8)];
    let set = |bytes: String, place: usize| {
        format!("set_byte({bytes}, {place} % length({column}), {value})")
    };
    let bytes = match random.random_range(0..10) {
        0 => format!("substr({column}, 1, {place})"),
        1 => format!("{column} || substr({column}, 1, {place})"),
        2 => format!(
            "decode(repeat(md5({place}::text), {}), 'hex')",
            1 + place / 16
        ),
        3 => format!("substr({column}, {place}) || substr({column}, 1, {place})"),
        // A number of four bytes, or of eight, of zeros or ones.
        4 | 5 => (0..[4, 8][random.random_range(0..2)])
            .fold(column.to_owned(), |bytes, next| set(bytes, place + next)),
        6 => format!(
            "coalesce((SELECT o.{column} FROM {table} o ORDER BY md5(o::text || '{place}') LIMIT 1), {column})"
        ),
        7 => format!(
            "set_bit({column}, {} % (8 * length({column})), 1 - get_bit({column}, {} % (8 * length({column}))))",
            8 * place + 3,
            8 * place + 3
        ),
        _ => set(column.to_owned(), place),
    };
    // More does not fit into a page.
    format!("substr({bytes}, 1, 7900)")
}

/// What came of statements.
#[derive(Default)]
struct Tally {
    refused: u64,
    answered: u64,
}

impl Tally {
    /// Has the server do something, and takes it back.
    #[track_caller]
    fn note<T>(
        &mut self,
        session: &mut Session,
        damage: &str,
        work: impl FnOnce(&mut Session) -> Result<T, postgres::Error>,
    ) {
        session.run("SAVEPOINT before");
        match work(session) {
            Ok(_) => self.answered += 1,
            Err(error) => {
                let state = error.code().map(|state| state.code().to_owned());
                let is_refusal = state.is_some_and(|state| REFUSALS.contains(&state.as_str()));
                assert!(is_refusal, "{damage}: {error:?}");
                self.refused += 1;
            }
        }
        session.run("ROLLBACK TO before");
    }
}

/// What reads the bytes besides questions.
const READERS: [&str; 6] = [
    "SELECT count(*) FROM trips_check()",
    "SELECT runs_after FROM trips_compact()",
    "SELECT count(*) FROM trips_area_plan(14.2, 49.9, 14.5, 50.08, matching => 'both')",
    "SELECT sum(trips) FROM trips_weekly_trips(14.2, 49.9, 14.5, 50.08, '2018-02-02', '2018-08-19')",
    "SELECT trips_forget(1)",
    "SELECT new_trips FROM trips_group_refresh('kept')",
];

#[test]
fn no_bytes_crash_the_server() {
    let mut random = seeded();
    let database = Database::new();
    let mut session = scene(&database, &mut random);
    let session = &mut session;
    let facts = Facts::of(session);
    let started: String = session.value("SELECT pg_postmaster_start_time()::text");
    let (mut tally, rounds) = (Tally::default(), cases(CASES));
    for round in 0..rounds {
        let (table, column) = COLUMNS[round % COLUMNS.len()];
        let bytes = other_bytes(&mut random, (table, column));
        // One row, some, or all.
        let some = [1, 3, 40][random.random_range(0..3)];
        let damage = format!(
            "UPDATE {table} t SET {column} = {bytes} WHERE length({column}) > 0 AND hashtext(t.ctid::text) % {some} = 0"
        );
        session.run("BEGIN");
        session.run(&damage);
        for _ in 0..4 {
            let asked = question(&mut random, &facts);
            tally.note(session, &damage, |session| {
                asked.query(session, "SELECT trips_weekly_average(<arguments>)::text")
            });
        }
        for reader in READERS {
            tally.note(session, &damage, |session| session.query(reader, &[]));
        }
        eventually("threads end", || session.is_single_threaded());
        session.run("ROLLBACK");
    }
    for _ in 0..20 {
        question(&mut random, &facts).check(session, &facts);
    }
    assert_eq!(session.count("trips_check()"), 0);
    let since: String = session.value("SELECT pg_postmaster_start_time()::text");
    assert_eq!(since, started, "the server has started anew");
    let Tally { refused, answered } = tally;
    println!(
        "{rounds} times other bytes: {refused} statements refused, {answered} answered, 0 crashed"
    );
    assert!(refused > 0 && answered > 0);
}
