//! What a load has written reaches a standby and logical decoding: pages that go past the shared buffers are no exception.
//! A standby that is promoted in the midst of loads has what was committed, and nothing of what was not.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trips_tests::ask_random::{cases, seeded};
use trips_tests::content::{Contents, contents, trips_three_ways};
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::{Digest, assert_books_balance, digest};
use trips_tests::sound::assert_sound;
use trips_tests::{Ingest, PrivateCluster, Session};

/// The standby compares every page that it replays with that of its primary, and ends where they differ.
const SETTINGS: &str = "fsync = off\nwal_consistency_checking = 'all'\njit = off";

/// More rows than the pages that are appended at a time hold.
const ROWS: u64 = 50_000;

/// A primary, and files whose loads and contents are known.
struct Scene {
    primary: PrivateCluster,
    files: Vec<(String, Ingest)>,
    contents: Contents,
    random: ChaCha8Rng,
}

/// A moment of the primary between two transactions: what its tables hold, and how long the file of trips is.
struct Moment {
    digest: Digest,
    bytes: i64,
}

/// What a promotion found.
struct Promoted {
    /// After how many of the primary's transactions.
    after: usize,
    has_part_of_next: bool,
}

impl Scene {
    fn new() -> Scene {
        let primary = PrivateCluster::new(SETTINGS);
        let mut session = primary.connect();
        let files: Vec<_> = (0..6).map(|number| write_file(&primary, number)).collect();
        for (_, call) in &files {
            call.run(&mut session);
        }
        let contents = contents(&mut session);
        Scene {
            primary,
            files,
            contents,
            random: seeded(),
        }
    }

    /// Transactions, one after another: loads, then whatever else writes, of which each row comes with an image of its page.
    fn transactions(&self) -> Vec<String> {
        let load = |number: usize| {
            format!(
                "SELECT trips_ingest('{}', on_error => 'ignore')",
                self.files[number].0
            )
        };
        let ingest = |number: usize| {
            format!(
                "(SELECT id FROM trips.ingest WHERE file = '{}')",
                self.files[number].0
            )
        };
        vec![
            load(1),
            load(2),
            load(3),
            "SELECT trips_compact()".to_owned(),
            load(4),
            load(5),
            format!("SELECT trips_forget({})", ingest(0)),
            format!(
                "UPDATE trips.trip SET destination = origin WHERE id >> 32 = {} AND id % 7 = 0",
                ingest(3)
            ),
        ]
    }

    /// Leaves the first file alone. There is no room before it: what comes next is appended, in whole pages.
    fn begin_anew(&self) {
        let mut session = self.primary.connect();
        session.run("SELECT trips_forget(id) FROM trips.ingest");
        // Who has looked may still be about to go.
        eventually("nobody sees a trip", || {
            session.run("VACUUM trips.trip");
            bytes_of_trips(&mut session) == 0
        });
        self.files[0].1.run(&mut session);
    }

    /// Runs the transactions on the primary, one right after the other; tells of each before it begins. What was seen
    /// between them, the beginning and the end included.
    fn write_all(&self, mut begins: impl FnMut(usize)) -> Vec<Moment> {
        let mut session = self.primary.connect();
        thread::scope(|scope| {
            let mut moments = vec![scope.spawn(self.look())];
            for (number, statement) in self.transactions().into_iter().enumerate() {
                begins(number);
                session.run(&statement);
                moments.push(scope.spawn(self.look()));
            }
            moments
                .into_iter()
                .map(|moment| moment.join().unwrap())
                .collect()
        })
    }

    /// Sees the primary as it is now; what it sees may be read later.
    fn look(&self) -> impl FnOnce() -> Moment + Send + 'static {
        let mut session = self.primary.connect();
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let bytes = bytes_of_trips(&mut session);
        move || Moment {
            digest: digest(&mut session),
            bytes,
        }
    }

    /// Promotes a new standby of the primary at a random moment of the transactions; what that has must be what the
    /// primary had after one of them. The files that it lacks can then be loaded there.
    fn promote_in_mid_load(&mut self) -> Promoted {
        self.begin_anew();
        let standby = self.primary.standby();
        let at = self.random.random_range(0..self.transactions().len());
        let delay = Duration::from_millis(self.random.random_range(0..400));
        let (begins, begun) = channel();
        let moments = thread::scope(|scope| {
            let standby = &standby;
            scope.spawn(move || {
                begun.iter().find(|number| *number == at);
                thread::sleep(delay);
                standby.promote();
                // The rest is heard, too.
                begun.iter().for_each(drop);
            });
            // Dropped at the end, so that the thread ends.
            let begins = begins;
            self.write_all(|number| begins.send(number).unwrap())
        });
        let mut session = standby.connect();
        eventually("it is promoted", || {
            !session.value::<bool>("SELECT pg_is_in_recovery()")
        });
        let seen = digest(&mut session);
        let after = moments.iter().position(|moment| moment.digest == seen);
        let after = after.unwrap_or_else(|| panic!("in transaction {at}: at no time {seen:#?}"));
        let has_part_of_next = bytes_of_trips(&mut session) > moments[after].bytes;
        assert_whole(&mut session);
        self.load_the_rest(&mut session);
        assert_consistent(&standby);
        assert_sound(&standby);
        drop(standby);
        self.drop_slots();
        Promoted {
            after,
            has_part_of_next,
        }
    }

    /// Loads all files on a server that has some of them.
    fn load_the_rest(&self, session: &mut Session) {
        let before = contents(session);
        for (path, call) in &self.files {
            let status = call.run(session).status;
            let is_there = before.contains_key(path);
            assert_eq!(
                status,
                if is_there { "skipped" } else { "loaded" },
                "{path}"
            );
        }
        for (path, content) in contents(session) {
            assert_eq!(
                &content,
                before.get(&path).unwrap_or(&self.contents[&path]),
                "{path}"
            );
        }
        assert_whole(session);
    }

    /// What standbys that are gone would have had kept.
    fn drop_slots(&self) {
        let mut session = self.primary.connect();
        eventually("the standby is missed", || {
            session.value("SELECT NOT bool_or(active) FROM pg_replication_slots")
        });
        session.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    }
}

/// Every third file has rows that cannot be loaded.
fn write_file(primary: &PrivateCluster, number: u64) -> (String, Ingest) {
    let name = format!("{number}.csv");
    let path = match number % 3 {
        2 => {
            let bad = (0..500).map(|place| format!("bad {place}"));
            let rows = numbered_rows(number..ROWS + number);
            primary.files().write_rows(&name, rows.chain(bad))
        }
        _ => write_generated(primary.files(), &name, ROWS, 3, number),
    };
    let call = Ingest::of(&path).on_error("ignore");
    (path, call)
}

fn bytes_of_trips(session: &mut Session) -> i64 {
    session.value("SELECT pg_relation_size('trips.trip')")
}

/// Facts, trees and ledger agree, and so do all other books.
#[track_caller]
fn assert_whole(session: &mut Session) {
    let (facts, tree, ledger) = trips_three_ways(session);
    assert_eq!((facts, tree), (ledger, ledger));
    assert_books_balance(session);
}

/// No page was found to differ from the primary's, and nothing else has ended the server.
#[track_caller]
fn assert_consistent(cluster: &PrivateCluster) {
    let log = cluster.log();
    for trouble in [
        "inconsistent page found",
        "PANIC",
        "WARNING:  page verification failed",
    ] {
        assert!(!log.contains(trouble), "{log}");
    }
}

/// Waits until a standby has all that its primary has written so far. One that compares every page may need its time.
#[track_caller]
fn until_replayed(primary: &mut Session, replica: &mut Session) {
    // What readers' hints have written may wait for a flush, and a flush may end within a record, where a page does: a commit has all
    // before it flushed.
    let end: String = primary.value("SELECT pg_current_wal_insert_lsn()::text");
    primary.run("SELECT pg_logical_emit_message(true, 'test', 'flush')");
    let mut place = String::new();
    while !replica.value::<bool>(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")) {
        eventually("the standby goes on", || {
            let now: String = replica.value("SELECT pg_last_wal_replay_lsn()::text");
            std::mem::replace(&mut place, now.clone()) != now
        });
    }
}

#[test]
fn a_standby_has_what_its_primary_has_and_is_whole_whenever_it_is_looked_at() {
    let scene = Scene::new();
    scene.begin_anew();
    let standby = scene.primary.standby();
    let mut replica = standby.connect();
    let mut primary = scene.primary.connect();
    let (moments, looks) = thread::scope(|scope| {
        let writing = scope.spawn(|| scene.write_all(|_| {}));
        let mut looks = 0;
        while !writing.is_finished() {
            let (facts, tree, ledger) = trips_three_ways(&mut replica);
            assert_eq!((facts, tree), (ledger, ledger));
            looks += 1;
        }
        (writing.join().unwrap(), looks)
    });
    until_replayed(&mut primary, &mut replica);
    assert_eq!(digest(&mut replica), moments.last().unwrap().digest);
    assert_whole(&mut replica);
    assert_consistent(&standby);
    println!(
        "{} transactions streamed: whole at {looks} looks, equal at the end, 0 inconsistent pages",
        moments.len() - 1
    );
    assert_sound(&scene.primary);
}

#[test]
fn a_standby_that_is_promoted_in_mid_load_has_every_file_whole_or_not_at_all() {
    let mut scene = Scene::new();
    let promoted: Vec<Promoted> = (0..cases(2)).map(|_| scene.promote_in_mid_load()).collect();
    let after: Vec<usize> = promoted.iter().map(|promoted| promoted.after).collect();
    let parts = promoted
        .iter()
        .filter(|promoted| promoted.has_part_of_next)
        .count();
    println!(
        "{} promotions, after {after:?} of {} transactions, {parts} with pages of an unfinished load: equal hashes, 0 inconsistent pages, 0 partial files",
        promoted.len(),
        scene.transactions().len()
    );
    assert_consistent(&scene.primary);
    assert_sound(&scene.primary);
}

#[test]
fn logical_decoding_sees_every_trip() {
    let cluster = PrivateCluster::new("fsync = off\nwal_level = logical");
    let mut session = cluster.connect();
    session.run("SELECT pg_create_logical_replication_slot('trips', 'test_decoding')");
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..ROWS));
    load(&mut session, &path);
    let inserts = "pg_logical_slot_get_changes('trips', NULL, NULL) WHERE data LIKE 'table trips.trip: INSERT%'";
    assert_eq!(session.count(inserts), ROWS as i64);
    assert_books_balance(&mut session);
}
