//! Whatever a session is doing may be ended at any moment, by a cancel, a timeout or the end of the session: it ends soon,
//! and nothing of it is left behind: no thread, lock, worker, file, memory or row.

use std::collections::BTreeMap;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Error;
use rand::{Rng, RngExt};
use trips_tests::aftermath::{assert_no_orphans, assert_nothing_left};
use trips_tests::ask_random::{cases, seeded};
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::rows::write_generated;
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{PrivateCluster, Session, refused_case};

/// How late the end may be that is asked for, but for one case in a hundred.
const PROMISE: Duration = Duration::from_millis(500);

/// What a session that lives through all of it may have more at the end, in bytes: what the allocator keeps.
const GROWTH: u64 = 48 << 20;

/// Trips of each of the files that are there before.
const ROWS: u64 = 30_000;

/// So many of them.
const INGESTS: u64 = 6;

/// Moments between two at which dead rows are removed, which would make all slower and slower.
const VACUUM: usize = 8;

/// Ways to end what a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Cancel,
    Timeout,
    Terminate,
}

const WAYS: [Way; 3] = [Way::Cancel, Way::Timeout, Way::Terminate];

/// Something that takes a while.
struct Work {
    name: &'static str,
    /// What is sent before, in the same transaction.
    upload: Option<Vec<u8>>,
    statement: String,
}

/// A server with trips, and a file that is not loaded.
struct Scene {
    cluster: PrivateCluster,
    works: Vec<Work>,
}

impl Scene {
    fn new() -> Scene {
        // Segments of shared memory that are left can be seen among the server's files.
        let cluster = PrivateCluster::new(
            "fsync = off\nautovacuum = off\njit = off\ndynamic_shared_memory_type = mmap",
        );
        let mut session = connect(&cluster);
        let mut ingest = 0;
        for seed in 0..INGESTS {
            let path = write_generated(cluster.files(), &format!("{seed}.csv"), ROWS, 3, seed);
            ingest = load(&mut session, &path).id();
        }
        session.run("ANALYZE; CHECKPOINT");
        session.run("CREATE TABLE staged (LIKE trips.inbox)");
        let staged = cluster.files().path("0.csv");
        session.run(&format!("COPY staged FROM '{staged}' CSV HEADER"));
        // What is loaded already would be skipped.
        session.run("UPDATE staged SET datasource = 'staged'; ANALYZE; CHECKPOINT");
        let more = write_generated(cluster.files(), "more.csv", 4 * ROWS, 3, 77);
        let works = works(&more, ingest);
        Scene { cluster, works }
    }
}

fn works(file: &str, ingest: i64) -> Vec<Work> {
    let groups = |method: &str| {
        format!(
            "SELECT count(*) FROM trips_groups(1000, 1000, '2 hours', region => 'Turin', method => '{method}')"
        )
    };
    let content = std::fs::read(file).expect("it was written");
    let statements = [
        ("ingest", format!("SELECT trips_ingest('{file}')")),
        (
            "upload",
            "SELECT trips_ingest_upload('mine.csv')".to_owned(),
        ),
        (
            "inbox",
            "INSERT INTO trips.inbox SELECT * FROM staged".to_owned(),
        ),
        (
            "update",
            format!("UPDATE trips.trip SET origin = destination WHERE id >> 32 = {ingest}"),
        ),
        ("compact", "SELECT trips_compact()".to_owned()),
        ("rebuild", "SELECT trips_rebuild()".to_owned()),
        ("groups", groups("representative")),
        ("density", groups("density")),
        (
            "group table",
            "SELECT trips_group_table('kept', 1000, 1000, '2 hours', region => 'Turin')".to_owned(),
        ),
        ("check", "SELECT count(*) FROM trips_check()".to_owned()),
        (
            "crosses",
            "SELECT trips_weekly_average(7.6, 45.0, 7.7, 45.1, matching => 'crosses')".to_owned(),
        ),
        ("forget", format!("SELECT trips_forget({ingest})")),
    ];
    statements
        .map(|(name, statement)| Work {
            name,
            upload: (name == "upload").then(|| content.clone()),
            statement,
        })
        .into()
}

/// A session whose trees are built and merged in many pieces, by itself alone.
fn connect(cluster: &PrivateCluster) -> Session {
    let mut session = cluster.connect();
    session.run("SET trips_ext.area_memory = '1MB'; SET trips_ext.merge_delay = -1");
    session
}

impl Work {
    /// Does it in a transaction that is left open, or broken.
    fn begin(&self, session: &mut Session) {
        session.run("BEGIN");
        if let Some(content) = &self.upload {
            for part in content.chunks(1 << 20) {
                let sent = session.query_one("SELECT trips_upload($1)", &[&part]);
                sent.expect("the part is taken");
            }
        }
    }

    fn run(&self, session: &mut Session) -> Result<(), Error> {
        session.query(&self.statement, &[]).map(drop)
    }

    /// How long it takes, where nothing ends it: the second time, when the session knows all that it will have to know.
    fn takes(&self, session: &mut Session) -> Duration {
        let mut time = || {
            self.begin(session);
            let begin = Instant::now();
            self.run(session)
                .unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
            let took = begin.elapsed();
            session.run("ROLLBACK");
            took
        };
        time();
        time()
    }
}

/// What all of this must leave as it was.
#[derive(Debug, PartialEq)]
struct Contents {
    rows: Vec<(&'static str, i64)>,
    segments: i64,
    temporary_files: i64,
}

impl Contents {
    fn of(observer: &mut Session) -> Contents {
        let tables = [
            "trips.ingest",
            "trips.trip",
            "trips.rejected_row",
            "trips.region",
            "trips.datasource",
            "trips.area_run",
            "trips.area_obsolete",
            "trips.region_day",
            "trips.group_table",
        ];
        Contents {
            rows: tables.map(|table| (table, observer.count(table))).into(),
            segments: observer.count("pg_ls_dir('pg_dynshmem')"),
            temporary_files: observer.count("pg_ls_tmpdir()"),
        }
    }
}

/// How late the ends were.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    /// The nearest of those measured that so many of a hundred do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, all] = [50, 99, 100].map(|percent| self.percentile(percent).as_millis());
        write!(
            f,
            "{} ended, median {median} ms, 99th percentile {most} ms, at most {all} ms late",
            self.0.len()
        )
    }
}

/// Ends a work after `moment`; how late that was, or none if the work was done before.
fn ended(
    work: &Work,
    way: Way,
    moment: Duration,
    session: &mut Session,
    observer: &mut Session,
) -> Option<Duration> {
    let pid = session.pid();
    work.begin(session);
    if way == Way::Timeout {
        let timeout = moment.as_millis().max(1);
        session.run(&format!("SET LOCAL statement_timeout = '{timeout}ms'"));
    }
    let (asked, result, over) = thread::scope(|scope| {
        let begin = Instant::now();
        let working = scope.spawn(|| (work.run(session), Instant::now()));
        let asked = match way {
            Way::Timeout => begin + moment,
            Way::Cancel | Way::Terminate => {
                thread::sleep(moment);
                let function = match way {
                    Way::Cancel => "pg_cancel_backend",
                    _ => "pg_terminate_backend",
                };
                let asked = Instant::now();
                observer.run(&format!("SELECT {function}({pid})"));
                asked
            }
        };
        let (result, over) = working.join().expect("the thread lives");
        (asked, result, over)
    });
    let error = result.err()?;
    if way != Way::Terminate {
        refused_case::<()>(work.name, Err(error), "57014");
    } else if !error.is_closed() {
        refused_case::<()>(work.name, Err(error), "57P01");
    }
    Some(over.saturating_duration_since(asked))
}

/// Ends what a session does, all works in all ways.
struct Rounds<'s> {
    scene: &'s Scene,
    observer: Session,
    before: Contents,
    /// The session that lives on.
    session: Session,
    open_files: BTreeMap<String, usize>,
    all: Latencies,
}

impl Rounds<'_> {
    fn new(scene: &Scene) -> Rounds<'_> {
        let mut observer = scene.cluster.connect();
        let mut session = connect(&scene.cluster);
        // What a session needs at first is neither left nor growth: caches, and shared memory for parallel queries.
        assert_eq!(observer.count("trips_check()"), 0);
        for work in &scene.works {
            work.takes(&mut session);
        }
        assert_nothing_left(&mut observer, Some(&session));
        Rounds {
            before: Contents::of(&mut observer),
            observer,
            scene,
            open_files: session.process().open_files(),
            session,
            all: Latencies::default(),
        }
    }

    /// Ends one work at so many moments.
    fn end(&mut self, work: &Work, count: usize, random: &mut impl Rng) {
        let whole = work.takes(&mut self.session);
        let mut latencies = Latencies::default();
        for number in 0..count {
            let way = WAYS[number % WAYS.len()];
            let moment = whole.mul_f64(random.random_range(0.0..1.1));
            let what = format!("{}: {way:?} after {moment:?} of {whole:?}", work.name);
            let late = match way {
                Way::Terminate => self.terminated(work, moment),
                Way::Cancel | Way::Timeout => self.interrupted(work, way, moment, &what),
            };
            if let Some(late) = late {
                if late > PROMISE {
                    println!("{what}: {late:?} late");
                }
                latencies.0.push(late);
            }
            assert_nothing_left(&mut self.observer, None);
            if number % VACUUM == 0 {
                self.observer.run("VACUUM");
            }
            assert_eq!(Contents::of(&mut self.observer), self.before, "{what}");
        }
        println!("{}, which takes {whole:?}: {latencies}", work.name);
        self.all.0.extend(latencies.0);
    }

    fn interrupted(
        &mut self,
        work: &Work,
        way: Way,
        moment: Duration,
        what: &str,
    ) -> Option<Duration> {
        let late = ended(work, way, moment, &mut self.session, &mut self.observer);
        // A cancel that came when all was done may hit this one.
        let _ = self.session.batch_execute("ROLLBACK");
        self.session.run("ROLLBACK");
        let process = self.session.process();
        // A thread that was waited for may be seen for a moment.
        eventually("threads end", || process.threads() == 1);
        assert_eq!(process.open_files(), self.open_files, "{what}");
        late
    }

    fn terminated(&mut self, work: &Work, moment: Duration) -> Option<Duration> {
        let mut session = connect(&self.scene.cluster);
        let process = session.process();
        let late = ended(
            work,
            Way::Terminate,
            moment,
            &mut session,
            &mut self.observer,
        );
        drop(session);
        eventually("the session ends", || !process.lives());
        late
    }
}

#[test]
fn whatever_is_interrupted_ends_soon_and_leaves_nothing_behind() {
    let mut random = seeded();
    let scene = Scene::new();
    let mut rounds = Rounds::new(&scene);
    let count = cases(9);
    let process = rounds.session.process();
    let at_first = process.private_memory();
    for work in &scene.works {
        rounds.end(work, count, &mut random);
    }
    let at_last = process.private_memory();
    println!(
        "{} moments in {} works: {}; {} MiB of memory at first, {} MiB at last",
        count * scene.works.len(),
        scene.works.len(),
        rounds.all,
        at_first >> 20,
        at_last >> 20
    );
    let observer = &mut rounds.observer;
    assert_eq!(observer.count("trips_check()"), 0);
    assert_books_balance(observer);
    assert_no_orphans(observer);
    assert!(
        at_last < at_first + GROWTH,
        "{at_last} bytes, {at_first} at first"
    );
    let complaints = scene.cluster.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let late = rounds.all.percentile(99);
    assert!(late <= PROMISE, "{late:?} late");
}
