//! One session that loads, fails, is cancelled, forgets, merges and asks, over and over, does not grow.

use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use trips_tests::aftermath::assert_nothing_left;
use trips_tests::ask_random::{cases, seeded};
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Ingest, PrivateCluster, Session, Summary, refused};

/// Rows of each file.
const ROWS: u64 = 2_000;

/// Rounds between two that remove dead rows, which would make all slower and slower.
const VACUUM: usize = 10;

/// Rounds after which caches are as full as they will be.
const WARM_UP: usize = 40;

/// Bytes of memory that a round may add, on average.
const SLOPE: f64 = 1024.0;

/// Bytes that all rounds together may add: what the allocator has at hand goes up and down, whatever their number.
const NOISE: f64 = 256.0 * 1024.0;

/// What the session's memory is after a round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Resident, shared with no other process.
    resident: f64,
    /// What the server's memory contexts have of the system.
    contexts: f64,
}

/// The files that a session is given.
struct Scene {
    cluster: PrivateCluster,
    good: Vec<String>,
    bad: String,
    some_bad: String,
    content: Vec<u8>,
}

impl Scene {
    fn new() -> Scene {
        let cluster = PrivateCluster::with_one_arena("fsync = off\njit = off");
        let files = cluster.files();
        let good = (0..8)
            .map(|seed| write_generated(files, &format!("{seed}.csv"), ROWS, 3, seed))
            .collect();
        let bad_row = || ["bad row".to_owned()];
        let bad = files.write_rows("bad.csv", numbered_rows(0..ROWS).chain(bad_row()));
        let some_bad = files.write_rows(
            "some_bad.csv",
            bad_row().into_iter().chain(numbered_rows(0..ROWS)),
        );
        let content = std::fs::read(&some_bad).expect("it was written");
        Scene {
            cluster,
            good,
            bad,
            some_bad,
            content,
        }
    }

    /// All that a session does, once; it leaves no trip that was not there.
    fn round(&self, session: &mut Session, observer: &mut Session, random: &mut impl Rng) {
        let path = &self.good[random.random_range(1..self.good.len())];
        let ingest = load(session, path).id();
        assert_eq!(Ingest::of(path).run(session).status, "skipped");
        self.ask(session);
        session.run("BEGIN; SELECT trips_compact(); ROLLBACK");
        assert_eq!(forget(session, ingest).unwrap(), ROWS as i64);
        refused(Ingest::of(&self.bad).call(session), "22P04");
        Ingest::of(path).dry_run().run(session);
        self.send(session);
        self.cancelled(session, observer, random);
        session.run(
            "BEGIN; SAVEPOINT s; UPDATE trips.trip SET origin = destination WHERE id % 100 = 1;
             ROLLBACK TO s; SELECT trips_rebuild(); ROLLBACK",
        );
        session.notices();
    }

    fn ask(&self, session: &mut Session) {
        session.run(
            "SELECT trips_weekly_average('Turin');
             SELECT trips_weekly_average(7.6, 45.0, 7.7, 45.1, matching => 'either');
             SELECT trips_weekly_average(st_buffer('SRID=4326;POINT(7.65 45.05)', 0.05), matching => 'crosses');
             SELECT count(*) FROM trips_weekly_trips(7.6, 45.0, 7.7, 45.1);
             SELECT count(*) FROM trips_groups();
             SELECT count(*) FROM trips_group_members(method => 'density');
             SELECT count(*) FROM trips_check()",
        );
    }

    /// Sends the file with a bad row in parts, and its rows, and takes both back.
    fn send(&self, session: &mut Session) {
        session.run("BEGIN");
        for part in self.content.chunks(64 << 10) {
            let sent = session.query("SELECT trips_upload($1)", &[&part]);
            sent.expect("the part is taken");
        }
        let call = "trips_ingest_upload('mine.csv', 'ignore')";
        let counts = Summary::of_call(session, call, &[]).unwrap().counts();
        assert_eq!(counts, (ROWS as i64 + 1, ROWS as i64, 1));
        session.run("ROLLBACK; BEGIN; INSERT INTO trips.inbox SELECT * FROM staged; ROLLBACK");
        let call = Ingest::of(&self.some_bad).on_error("ignore");
        session.run("BEGIN");
        assert_eq!(call.run(session).rejected, 1);
        session.run("ROLLBACK");
    }

    /// A load that is cancelled at some moment.
    fn cancelled(&self, session: &mut Session, observer: &mut Session, random: &mut impl Rng) {
        let pid = session.pid();
        let delay = Duration::from_micros(random.random_range(0..30_000));
        session.run("BEGIN");
        let result = thread::scope(|scope| {
            let loading =
                scope.spawn(|| Ingest::of(&self.some_bad).on_error("ignore").call(session));
            thread::sleep(delay);
            observer.run(&format!("SELECT pg_cancel_backend({pid})"));
            loading.join().expect("the thread lives")
        });
        if let Err(error) = result {
            refused::<()>(Err(error), "57014");
        }
        // A cancel that came when all was done may hit this one.
        let _ = session.batch_execute("ROLLBACK");
        session.run("ROLLBACK");
    }
}

fn sample(session: &mut Session) -> Sample {
    let contexts: i64 =
        session.value("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts");
    Sample {
        resident: session.process().private_memory() as f64,
        contexts: contexts as f64,
    }
}

/// What the values grow by, from one to the next: the slope of the line that is nearest to all of them.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut up, mut across) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let from_middle = place as f64 - middle;
        up += from_middle * (value - mean);
        across += from_middle * from_middle;
    }
    up / across
}

#[test]
fn a_session_that_loads_fails_forgets_and_asks_a_thousand_times_does_not_grow() {
    let mut random = seeded();
    let scene = Scene::new();
    let (mut session, mut observer) = (scene.cluster.connect(), scene.cluster.connect());
    load(&mut session, &scene.good[0]);
    let staged = scene.cluster.files().path("0.csv");
    session.run(&format!(
        "CREATE TABLE staged (LIKE trips.inbox); COPY staged FROM '{staged}' CSV HEADER;
         UPDATE staged SET datasource = 'staged'"
    ));
    let mut round = |number: usize, session: &mut Session, observer: &mut Session| {
        scene.round(session, observer, &mut random);
        if number.is_multiple_of(VACUUM) {
            observer.run("VACUUM");
        }
        sample(session)
    };
    for number in 0..WARM_UP {
        round(number, &mut session, &mut observer);
    }
    let (open_files, begin) = (session.process().open_files(), Instant::now());
    let samples: Vec<Sample> = (0..cases(80))
        .map(|number| round(number, &mut session, &mut observer))
        .collect();
    let of = |field: fn(&Sample) -> f64| slope(&samples.iter().map(field).collect::<Vec<_>>());
    let (resident, contexts) = (of(|sample| sample.resident), of(|sample| sample.contexts));
    println!(
        "{} rounds of 8 loads in {:?}: {resident:.0} bytes of resident memory a round, {contexts:.0} of memory contexts; {:?} at last",
        samples.len(),
        begin.elapsed(),
        samples.last()
    );
    assert_nothing_left(&mut observer, Some(&session));
    assert_eq!(session.process().open_files(), open_files);
    assert_books_balance(&mut observer);
    assert_eq!(observer.count("trips.trip"), ROWS as i64);
    assert_eq!(scene.cluster.complaints(), [""; 0]);
    let allowed = SLOPE.max(NOISE / samples.len() as f64);
    assert!(resident <= allowed, "{resident} bytes a round");
    assert!(contexts <= allowed, "{contexts} bytes a round");
}
