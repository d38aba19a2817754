//! The whole server is killed at random moments, and right after a COMMIT that was told: what was told is there, what was
//! not told is whole or gone, and what is tried again is done once.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use trips_tests::ask_random::{cases, seeded};
use trips_tests::content::{BY_HAND, Content, Contents, contents, trips_three_ways};
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::sound::{assert_amcheck, assert_sound};
use trips_tests::{Ingest, PrivateCluster, refused_case};

/// Checkpoints come while loads run. What is asked of a server that has just started is not worth to be compiled.
const SETTINGS: &str = "fsync = off\nmax_wal_size = 32MB\nmin_wal_size = 32MB\njit = off";

/// More rows than the pages that are appended at a time hold.
const ROWS: u64 = 50_000;

/// The number of the file that has fewer.
const SMALL: usize = 5;

#[test]
fn a_crash_loses_nothing_doubles_nothing_and_halves_nothing() {
    let mut scene = Scene::new();
    let mut tally = Tally::default();
    for point in 0..cases(12) {
        scene.make_room();
        let work = scene.any_work();
        let what = format!("crash {point}, {work:?}");
        let told = scene.crash_during(&work);
        scene.cluster.start();
        let done = scene.look(&work, &told, &what);
        tally.count(&work, &told, &done);
        scene.retry(&work, &done, &what);
        if point % 25 == 0 {
            assert_amcheck(&scene.cluster);
        }
    }
    println!("{tally}");
    assert_sound(&scene.cluster);
}

/// A file of trips, and what it brings.
struct TripFile {
    path: String,
    call: Ingest,
    sql: String,
    content: Content,
}

/// What a crash hits: transactions of sessions of their own.
#[derive(Debug)]
struct Work {
    kind: &'static str,
    transactions: Vec<Transaction>,
    /// Whether the server is killed once all of them were told to be committed.
    right_after_commit: bool,
    has_checkpoint: bool,
}

#[derive(Debug)]
struct Transaction {
    statements: String,
    /// What each of these files has brought afterwards.
    changes: Vec<(String, Option<Content>)>,
    again: Again,
}

/// How a transaction is tried again.
#[derive(Debug)]
enum Again {
    Load(Vec<usize>),
    Forget(i64),
    Compact,
    /// Done if it was not; then this takes it back.
    ByHand(String),
}

/// A cluster, and what must be in it.
struct Scene {
    cluster: PrivateCluster,
    files: Vec<TripFile>,
    expected: Contents,
    random: ChaCha8Rng,
    /// How long each kind of work takes.
    times: BTreeMap<&'static str, Duration>,
}

impl Scene {
    fn new() -> Scene {
        let random = seeded();
        let cluster = PrivateCluster::new(SETTINGS);
        let mut session = cluster.connect();
        let mut files = Vec::new();
        for number in 0..6 {
            let is_bad = number % 3 == 1;
            let path = if is_bad {
                write_with_bad_rows(&cluster, number)
            } else {
                let rows = if number == SMALL as u64 { 300 } else { ROWS };
                write_generated(cluster.files(), &format!("{number}.csv"), rows, 3, number)
            };
            let on_error = if is_bad { "ignore" } else { "stop" };
            let call = Ingest::of(&path).on_error(on_error);
            let ingest = call.run(&mut session).id();
            let content = contents(&mut session).remove(&path).expect("it is there");
            forget(&mut session, ingest).unwrap();
            let sql = format!("SELECT trips_ingest('{path}', on_error => '{on_error}')");
            files.push(TripFile {
                path,
                call,
                sql,
                content,
            });
        }
        assert_eq!(files[0].content.trips, ROWS as i64);
        assert_eq!(files[1].content.rejected, ROWS as i64 / 100);
        Scene {
            cluster,
            files,
            expected: Contents::new(),
            random,
            times: BTreeMap::new(),
        }
    }

    /// The numbers of the files that are loaded, or that are not, in random order.
    fn files_that_are(&mut self, loaded: bool) -> Vec<usize> {
        let is_loaded = |number: &usize| self.expected.contains_key(&self.files[*number].path);
        let mut numbers: Vec<usize> = (0..self.files.len())
            .filter(|number| is_loaded(number) == loaded)
            .collect();
        numbers.shuffle(&mut self.random);
        numbers
    }

    fn ingest_of(&self, number: usize) -> i64 {
        let query = "SELECT id FROM trips.ingest WHERE file = $1";
        let row = self
            .cluster
            .connect()
            .query_one(query, &[&self.files[number].path]);
        row.unwrap().get(0)
    }

    /// Forgets files where few are left to be loaded; sometimes has their room used again.
    fn make_room(&mut self) {
        let loaded = self.files_that_are(true);
        for number in loaded.into_iter().skip(2) {
            let ingest = self.ingest_of(number);
            forget(&mut self.cluster.connect(), ingest).unwrap();
            self.expected.remove(&self.files[number].path);
        }
        if self.random.random_bool(0.2) {
            self.cluster.connect().run("VACUUM");
        }
    }

    fn any_work(&mut self) -> Work {
        let new = self.files_that_are(false);
        let old = self.files_that_are(true).first().copied();
        let (kind, transactions) = match (self.random.random_range(0..20), old) {
            (0..=1, Some(old)) => ("forget", vec![self.forgetting(old)]),
            (2..=3, Some(old)) => ("change by hand", vec![self.change_by_hand(old)]),
            (4..=5, Some(_)) => (
                "compact",
                vec![Transaction {
                    statements: "SELECT trips_compact()".to_owned(),
                    changes: Vec::new(),
                    again: Again::Compact,
                }],
            ),
            (6, Some(old)) => ("load what is loaded", vec![self.loading(&[old])]),
            (7..=8, _) => (
                "two loads in one transaction",
                vec![self.loading(&new[..2])],
            ),
            (9..=10, _) => {
                let both = new[..2].iter().map(|number| self.loading(&[*number]));
                ("two loads at once", both.collect())
            }
            _ if new[0] == SMALL => ("small load", vec![self.loading(&new[..1])]),
            _ => ("load", vec![self.loading(&new[..1])]),
        };
        // Until it is known how long it takes, nobody can kill it in its midst.
        let is_known = self.times.contains_key(kind);
        Work {
            kind,
            transactions,
            right_after_commit: !is_known || self.random.random_bool(0.3),
            has_checkpoint: self.random.random_bool(0.5),
        }
    }

    fn loading(&self, numbers: &[usize]) -> Transaction {
        let files = numbers.iter().map(|number| &self.files[*number]);
        let calls: Vec<&str> = files.clone().map(|file| file.sql.as_str()).collect();
        Transaction {
            statements: calls.join("; "),
            changes: files
                .map(|file| (file.path.clone(), Some(file.content.clone())))
                .collect(),
            again: Again::Load(numbers.to_vec()),
        }
    }

    fn forgetting(&self, number: usize) -> Transaction {
        let ingest = self.ingest_of(number);
        Transaction {
            statements: format!("SELECT trips_forget({ingest})"),
            changes: vec![(self.files[number].path.clone(), None)],
            again: Again::Forget(ingest),
        }
    }

    /// An INSERT, UPDATE or DELETE. What comes of it is seen in a transaction that is rolled back.
    fn change_by_hand(&mut self, number: usize) -> Transaction {
        let ingest = self.ingest_of(number);
        let path = self.files[number].path.clone();
        let undo_all = format!("SELECT trips_forget({ingest})");
        let (statements, file, undo) = match self.random.random_range(0..3) {
            0 => (
                format!(
                    "INSERT INTO trips.trip
                     SELECT id & 4294967295, departed_at, region_id, datasource_id, destination, origin
                       FROM trips.trip WHERE id >> 32 = {ingest} AND id % 2 = 0"
                ),
                BY_HAND.to_owned(),
                "DELETE FROM trips.trip WHERE id >> 32 = 0".to_owned(),
            ),
            1 => (
                format!("DELETE FROM trips.trip WHERE id >> 32 = {ingest} AND id % 3 = 0"),
                path,
                undo_all,
            ),
            _ => (
                format!(
                    "UPDATE trips.trip SET departed_at = departed_at + interval '40 days', origin = destination
                      WHERE id >> 32 = {ingest} AND id % 5 = 0"
                ),
                path,
                undo_all,
            ),
        };
        let mut session = self.cluster.connect();
        session.run(&format!("BEGIN; {statements}"));
        let content = contents(&mut session).remove(&file);
        session.run("ROLLBACK");
        assert_ne!(content.as_ref(), self.expected.get(&file), "{statements}");
        Transaction {
            statements,
            changes: vec![(file, content)],
            again: Again::ByHand(undo),
        }
    }

    /// Kills the server during the work, or right after it: which transactions were told to be committed.
    fn crash_during(&mut self, work: &Work) -> Vec<bool> {
        let whole = self.times.get(work.kind).copied().unwrap_or_default();
        let moment = whole.mul_f64(self.random.random_range(0.0..1.2));
        let checkpoint = whole.mul_f64(self.random.random_range(0.0..1.0));
        let sessions: Vec<_> = work
            .transactions
            .iter()
            .map(|_| self.cluster.connect())
            .collect();
        let mut other = self.cluster.connect();
        let (cluster, times) = (&self.cluster, &mut self.times);
        thread::scope(|scope| {
            let begin = Instant::now();
            if work.has_checkpoint {
                scope.spawn(move || {
                    thread::sleep(checkpoint);
                    other.batch_execute("CHECKPOINT").ok()
                });
            }
            let running: Vec<_> = work
                .transactions
                .iter()
                .zip(sessions)
                .map(|(transaction, mut session)| {
                    scope.spawn(move || session.batch_execute(&transaction.statements).is_ok())
                })
                .collect();
            if !work.right_after_commit {
                thread::sleep(moment);
                cluster.crash();
            }
            let told: Vec<bool> = running
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            if work.right_after_commit {
                assert!(told.iter().all(|told| *told), "{work:?}");
                times.insert(work.kind, begin.elapsed());
                cluster.crash();
            }
            told
        })
    }

    /// What the server has after the crash must be what it had before, and some of the transactions whole, all that were told
    /// among them. Which ones.
    fn look(&mut self, work: &Work, told: &[bool], what: &str) -> Vec<bool> {
        let mut session = self.cluster.connect();
        let seen = contents(&mut session);
        let possible = (0..1 << told.len()).map(|bits: u32| {
            (0..told.len())
                .map(|place| bits >> place & 1 == 1)
                .collect::<Vec<bool>>()
        });
        // Of two that look alike, the one in which more is done.
        let done = possible
            .filter(|done| told.iter().zip(done).all(|(told, done)| done >= told))
            .rfind(|done| self.after(work, done) == seen);
        let Some(done) = done else {
            panic!(
                "{what}: told {told:?}, before {:#?}, now {seen:#?}",
                self.expected
            );
        };
        assert_eq!(session.count("trips_check()"), 0, "{what}");
        let (facts, tree, ledger) = trips_three_ways(&mut session);
        assert_eq!(facts, tree, "{what}");
        if !work.is_by_hand() {
            assert_eq!(facts, ledger, "{what}");
        }
        self.expected = seen;
        done
    }

    /// What must be there once these of the transactions are done.
    fn after(&self, work: &Work, done: &[bool]) -> Contents {
        let mut after = self.expected.clone();
        let done = work
            .transactions
            .iter()
            .zip(done)
            .filter(|(_, done)| **done);
        for (file, content) in done.flat_map(|(transaction, _)| transaction.changes.clone()) {
            match content {
                Some(content) => after.insert(file, content),
                None => after.remove(&file),
            };
        }
        after
    }

    /// Tries all again, as a client would that was not told: afterwards all is done, and once.
    fn retry(&mut self, work: &Work, done: &[bool], what: &str) {
        let mut session = self.cluster.connect();
        for (transaction, done) in work.transactions.iter().zip(done) {
            match &transaction.again {
                Again::Load(numbers) => {
                    for number in numbers {
                        let status = self.files[*number].call.run(&mut session).status;
                        assert_eq!(status, if *done { "skipped" } else { "loaded" }, "{what}");
                    }
                }
                Again::Forget(ingest) if *done => {
                    refused_case(what, forget(&mut session, *ingest), "42704");
                }
                Again::Compact => {
                    session.run(&transaction.statements);
                    assert_eq!(session.count("trips.area_run"), 1, "{what}");
                }
                Again::ByHand(_) if *done => {}
                Again::Forget(_) | Again::ByHand(_) => session.run(&transaction.statements),
            }
        }
        self.expected = self.after(work, &vec![true; done.len()]);
        assert_eq!(contents(&mut session), self.expected, "{what}");
        for transaction in &work.transactions {
            if let Again::ByHand(undo) = &transaction.again {
                session.run(undo);
                self.expected.remove(&transaction.changes[0].0);
                assert_eq!(contents(&mut session), self.expected, "{what}");
            }
        }
        assert_books_balance(&mut session);
    }
}

impl Work {
    fn is_by_hand(&self) -> bool {
        let mut transactions = self.transactions.iter();
        transactions.any(|transaction| matches!(transaction.again, Again::ByHand(_)))
    }
}

/// A file of which every hundredth row cannot be loaded.
fn write_with_bad_rows(cluster: &PrivateCluster, number: u64) -> String {
    let rows = numbered_rows(number..ROWS + number)
        .enumerate()
        .map(|(place, row)| match place % 100 {
            50 => row.replace("POINT (", "POINT (x"),
            _ => row,
        });
    cluster.files().write_rows(&format!("{number}.csv"), rows)
}

/// What crashes have left of transactions, by their kind.
#[derive(Default)]
struct Tally {
    crashes: usize,
    told: usize,
    right_after: usize,
    whole: BTreeMap<&'static str, usize>,
    gone: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn count(&mut self, work: &Work, told: &[bool], done: &[bool]) {
        self.crashes += 1;
        self.right_after += usize::from(work.right_after_commit);
        self.told += told.iter().filter(|told| **told).count();
        for done in done {
            let kinds = if *done {
                &mut self.whole
            } else {
                &mut self.gone
            };
            *kinds.entry(work.kind).or_default() += 1;
        }
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |kinds: &BTreeMap<&str, usize>| kinds.values().sum::<usize>();
        write!(
            f,
            "{} crashes, {} of them right after a commit: {} transactions whole ({} told), {} gone; 0 lost, 0 doubled, 0 half\n\
             whole: {:?}\ngone: {:?}",
            self.crashes,
            self.right_after,
            sum(&self.whole),
            self.told,
            sum(&self.gone),
            self.whole,
            self.gone
        )
    }
}

#[test]
fn where_wal_is_minimal_a_load_outlives_a_crash() {
    let mut cluster = PrivateCluster::new("fsync = off\nwal_level = minimal\nmax_wal_senders = 0");
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..ROWS));
    load(&mut cluster.connect(), &path);
    cluster.crash();
    cluster.start();
    let mut session = cluster.connect();
    assert_eq!(session.count("trips.trip"), ROWS as i64);
    assert_books_balance(&mut session);
    assert_sound(&cluster);
}
