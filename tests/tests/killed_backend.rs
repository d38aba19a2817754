//! A process of a load is killed at a random moment: the backend that loads, or the worker that pushes its status. The load
//! is whole or gone, and one whose notifier is told to end goes on.

use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trips_tests::aftermath::assert_nothing_left;
use trips_tests::ask_random::{cases, seeded};
use trips_tests::content::{Contents, contents, trips_three_ways};
use trips_tests::ingest::{Summary, forget, load};
use trips_tests::program::{kill, signal};
use trips_tests::rows::write_generated;
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::sound::assert_sound;
use trips_tests::{Database, Ingest, Listener, PrivateCluster, Session};

/// More rows than the pages that are appended at a time hold.
const ROWS: u64 = 50_000;

/// The processes of this database that push status.
const NOTIFIERS: &str = "SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'trips_ext status'";

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Loader,
    Notifier,
}

/// A cluster whose server starts anew after each kill, and a file.
struct Scene {
    cluster: PrivateCluster,
    path: String,
    /// What the file brings.
    content: Contents,
    whole: Duration,
    random: ChaCha8Rng,
}

impl Scene {
    fn new() -> Scene {
        let cluster = PrivateCluster::new("fsync = off\njit = off");
        let path = write_generated(cluster.files(), "t.csv", ROWS, 3, 1);
        let mut session = cluster.connect();
        let begin = Instant::now();
        let ingest = load(&mut session, &path).id();
        let whole = begin.elapsed();
        let content = contents(&mut session);
        forget(&mut session, ingest).unwrap();
        let random = seeded();
        Scene {
            cluster,
            path,
            content,
            whole,
            random,
        }
    }

    /// Kills a process during a load, in which case all sessions end; whether the load is there once the server is back. Tried
    /// again, it is there in any case.
    fn kill(&mut self, victim: Victim) -> bool {
        let told = self.load_and_kill(victim);
        let mut session = self.cluster.connect_patiently();
        let seen = contents(&mut session);
        let is_there = !seen.is_empty();
        assert!(is_there || !told, "a load that was told is lost");
        if is_there {
            assert_eq!(seen, self.content);
        } else {
            assert_nothing_stored(&mut session);
        }
        assert_books_balance(&mut session);
        let again = Ingest::of(&self.path).run(&mut session);
        assert_eq!(again.status, if is_there { "skipped" } else { "loaded" });
        assert_eq!(contents(&mut session), self.content);
        let (facts, tree, ledger) = trips_three_ways(&mut session);
        assert_eq!((facts, tree), (ledger, ledger));
        session.run("SELECT trips_forget(id) FROM trips.ingest");
        assert_nothing_stored(&mut session);
        is_there
    }

    /// Whether the load was told to be committed. Comes back once the server has seen that the process was killed.
    fn load_and_kill(&mut self, victim: Victim) -> bool {
        let mut loader = self.cluster.connect();
        let mut observer = self.cluster.connect();
        let moment = self.whole.mul_f64(self.random.random_range(0.0..1.1));
        let (pid, call) = (loader.pid(), Ingest::of(&self.path));
        let (told, loader) = thread::scope(|scope| {
            // The session lives on beyond its load, so that there is a backend to be killed in any case.
            let loading = scope.spawn(move || (call.call(&mut loader).is_ok(), loader));
            thread::sleep(moment);
            let notifier = match victim {
                Victim::Loader => None,
                Victim::Notifier => observer.query_opt(NOTIFIERS, &[]).unwrap(),
            };
            match notifier {
                Some(row) => signal("KILL", &[row.get(0)]),
                None => kill(pid),
            }
            loading.join().unwrap()
        });
        // Where the notifier ended by itself before it could be killed, it is the loader.
        if !is_gone(&mut observer, Duration::from_secs(3)) {
            kill(pid);
            assert!(
                is_gone(&mut observer, Duration::from_secs(20)),
                "nobody was killed"
            );
        }
        drop(loader);
        told
    }
}

/// Whether the session's server ends it within that time.
fn is_gone(session: &mut Session, patience: Duration) -> bool {
    let begin = Instant::now();
    while session.is_valid(Duration::from_secs(1)).is_ok() {
        if begin.elapsed() >= patience {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn a_load_whose_backend_or_notifier_is_killed_is_whole_or_gone() {
    let mut scene = Scene::new();
    for (victim, kills) in [
        (Victim::Loader, cases(6)),
        (Victim::Notifier, cases(6).div_ceil(5)),
    ] {
        let whole = (0..kills).filter(|_| scene.kill(victim)).count();
        let gone = kills - whole;
        println!(
            "{kills} kills of the {victim:?}: {whole} loads whole, {gone} gone, 0 lost, 0 doubled, 0 partial"
        );
    }
    assert_sound(&scene.cluster);
}

#[test]
fn a_load_outlives_its_notifier() {
    let mut random = seeded();
    let database = Database::new();
    let mut observer = database.connect();
    let path = write_generated(database.files(), "t.csv", ROWS, 3, 1);
    let next = write_generated(database.files(), "next.csv", 10, 3, 2);
    let mut listener = Listener::new(&database);
    let mut session = database.connect();
    let begin = Instant::now();
    load(&mut session, &path);
    let whole = begin.elapsed();
    listener.until_end();
    let (mut loads, mut terminated, mut silent) = (0, 0, 0);
    let wanted = cases(10);
    while terminated < wanted {
        loads += 1;
        observer.run("SELECT trips_forget(id) FROM trips.ingest");
        let moment = whole.mul_f64(random.random_range(0.0..0.9));
        let summary: Summary = thread::scope(|scope| {
            let loading = scope.spawn(|| load(&mut session, &path));
            thread::sleep(moment);
            terminated += usize::from(terminate_notifier(&mut observer, || loading.is_finished()));
            loading.join().unwrap()
        });
        assert_eq!(summary.loaded, ROWS as i64);
        let events = listener.until_end();
        assert_eq!(events.last().unwrap().kind(), "completed");
        assert_eq!(events.last().unwrap().number("rows"), ROWS);
        silent += usize::from(events.len() == 1);
        assert_nothing_left(&mut observer, Some(&session));
        assert_eq!(observer.count("trips.trip"), ROWS as i64);
        assert_books_balance(&mut observer);
        // The session goes on with a worker that is new, and nothing else was said of the load.
        load(&mut session, &next);
        let events = listener.until_end();
        assert!(
            events.iter().all(|event| event.text("file") == next),
            "{events:#?}"
        );
        assert_eq!(events[0].kind(), "started");
    }
    println!(
        "{terminated} notifiers terminated in {loads} loads, {silent} of which had said nothing: \
         {loads} loaded, {loads} completed pushed, nothing left"
    );
}

/// Terminates the worker as soon as there is one, unless the load ends first.
fn terminate_notifier(observer: &mut Session, mut is_over: impl FnMut() -> bool) -> bool {
    loop {
        let worker = observer.query_opt(NOTIFIERS, &[]).unwrap();
        if let Some(worker) = worker {
            let pid: i32 = worker.get(0);
            return observer.value(&format!("SELECT pg_terminate_backend({pid})"));
        }
        if is_over() {
            return false;
        }
    }
}
