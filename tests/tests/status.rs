//! Pushed status: a session that listens, and waits on nothing but its socket, learns how a load goes while it runs,
//! and when its rows can be seen.

use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trips_tests::aftermath::assert_nothing_left;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{make_slow, numbered_rows, write_full_form};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Database, Event, Ingest, Listener, refused};

/// How many rows the long load has; `TRIPS_TEST_ROWS=5000000` is the promise's own number.
const ROWS_ENV: &str = "TRIPS_TEST_ROWS";

/// Without the variable the load is made slow instead, and takes seconds.
const DEFAULT_ROWS: u64 = 400_000;

/// How long nothing may be heard of a load that runs: never with the promise's own number, as a rule without it, since other
/// tests keep the machine busy then.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);

/// How long nothing must follow an end before it is taken for the end.
const SILENCE: Duration = Duration::from_millis(1200);

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

/// One ingest, one file, counts that only grow, `started` first, nothing after the end, and nothing missing.
#[track_caller]
fn assert_one_story(events: &[Event], path: &str) {
    assert_eq!(events[0].kind(), "started", "{events:#?}");
    let ingest = events.last().unwrap().json["ingest"].clone();
    for pair in events.windows(2) {
        for count in ["bytes_done", "rows", "rejected"] {
            if pair[1].kind() != "failed" {
                assert!(
                    pair[0].number(count) <= pair[1].number(count),
                    "{count} shrinks: {pair:#?}"
                );
            }
        }
        assert!(!pair[0].ends(), "{events:#?}");
    }
    for (event, place) in events.iter().zip(1..) {
        assert_eq!(event.number("sequence"), place, "{events:#?}");
        assert_eq!(event.text("file"), path);
        assert_eq!(event.json["ingest"], ingest, "{events:#?}");
    }
    for event in &events[1..events.len() - 1] {
        assert_eq!(event.kind(), "progress", "{events:#?}");
    }
}

mod while_a_load_runs {
    use super::*;

    #[test]
    fn a_listener_hears_of_a_load_in_time_and_of_its_end_when_the_rows_can_be_seen() {
        let database = Database::new();
        let rows = std::env::var(ROWS_ENV)
            .ok()
            .map(|rows| rows.parse().unwrap());
        let (mut session, mut third) = (database.connect(), database.connect());
        let is_whole = rows.is_some();
        if !is_whole {
            make_slow(&mut session);
        }
        let rows = rows.unwrap_or(DEFAULT_ROWS);
        let mut random = ChaCha8Rng::seed_from_u64(rows);
        let path = write_full_form(database.files(), "t.csv", rows, &mut random);
        let mut listener = Listener::new(&database);
        let loading = thread::spawn({
            let path = path.clone();
            move || {
                let begin = Instant::now();
                let summary = Ingest::of(&path).run(&mut session);
                (begin, Instant::now(), summary, session)
            }
        });
        let mut events = Vec::new();
        let seen = loop {
            let event = listener
                .next(Duration::from_secs(30))
                .expect("the load is heard of");
            let kind = event.kind().to_owned();
            let seen = (kind == "completed").then(|| third.count("trips.trip"));
            events.push(event);
            if let Some(seen) = seen {
                break seen;
            }
        };
        let (begin, end, summary, session) = loading.join().unwrap();
        assert_eq!(
            seen, rows as i64,
            "rows that a third session sees when the end is heard"
        );
        assert_eq!(summary.loaded, rows as i64);
        assert_one_story(&events, &path);
        assert_eq!(events.last().unwrap().number("rows"), rows);
        assert_eq!(events.last().unwrap().json["ingest"], summary.id());

        let (first, during) = (&events[0], &events[..events.len() - 1]);
        assert!(first.arrived < end);
        assert!(!is_whole || first.arrived - begin <= Duration::from_secs(1));
        let progress = during
            .iter()
            .filter(|event| event.kind() == "progress" && event.arrived < end);
        assert!(
            progress.count() >= 2,
            "{:?} in {:?}",
            kinds(&events),
            end - begin
        );
        let mut last = first.arrived;
        let mut silences = Vec::new();
        for event in &events {
            silences.push(event.arrived.min(end).saturating_duration_since(last));
            last = event.arrived.min(end);
        }
        silences.sort();
        let longest = silences[silences.len() - 1];
        let of_rule = if is_whole {
            longest
        } else {
            silences[silences.len() / 2]
        };
        assert!(
            of_rule <= LONGEST_SILENCE,
            "{silences:?} of silence: {events:#?}"
        );
        let mid = &during[during.len() / 2];
        assert!(
            mid.number("rows") > 0 && mid.number("bytes_done") > 0,
            "{mid:?}"
        );
        assert!(mid.json["eta_seconds"].is_number(), "{mid:?}");
        println!(
            "{rows} rows in {:?}, {} events, {longest:?} of silence at most",
            end - begin,
            events.len()
        );

        listener.assert_silent(SILENCE);
        assert_nothing_left(&mut third, Some(&session));
        assert_books_balance(&mut third);
    }

    #[test]
    fn nothing_is_completed_before_the_transaction_commits() {
        let database = Database::new();
        let (mut session, mut third) = (database.connect(), database.connect());
        let path = database.files().write_rows("t.csv", numbered_rows(0..1000));
        let mut listener = Listener::new(&database);
        session.run("BEGIN");
        load(&mut session, &path);
        let begin = Instant::now();
        let mut events = Vec::new();
        while begin.elapsed() < SILENCE {
            events.extend(listener.next(SILENCE));
        }
        assert!(!events.iter().any(Event::ends), "{events:#?}");
        assert_eq!(third.count("trips.trip"), 0);
        session.run("COMMIT");
        events.extend(listener.until_end());
        assert_eq!(third.count("trips.trip"), 1000);
        assert_eq!(events.last().unwrap().kind(), "completed");
        assert_one_story(&events, &path);
        listener.assert_silent(SILENCE);
        assert_nothing_left(&mut third, Some(&session));
    }

    #[test]
    fn the_caller_is_told_too() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        session.notices();
        load(&mut session, &path);
        let notices = session.notices();
        assert!(
            notices.iter().any(|notice| notice.severity() == "NOTICE"),
            "{notices:?}"
        );
        assert!(
            notices.iter().all(|notice| notice.severity() != "WARNING"),
            "{notices:?}"
        );
    }

    #[test]
    fn two_loads_at_once_tell_their_own_stories() {
        let database = Database::new();
        let mut listener = Listener::new(&database);
        let paths = [0, 1].map(|n| {
            database
                .files()
                .write_rows(&format!("{n}.csv"), numbered_rows(n * 7..150_000))
        });
        thread::scope(|scope| {
            for path in &paths {
                scope.spawn(|| load(&mut database.connect(), path));
            }
        });
        let mut events = listener.until_end();
        events.extend(listener.until_end());
        for path in &paths {
            let story: Vec<Event> = events
                .iter()
                .filter(|event| event.text("file") == path)
                .cloned()
                .collect();
            assert_one_story(&story, path);
            assert_eq!(story.last().unwrap().kind(), "completed");
        }
        listener.assert_silent(SILENCE);
    }

    #[test]
    fn a_session_can_listen_to_its_own_loads() {
        let database = Database::new();
        let mut listener = Listener::new(&database);
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        load(listener.session(), &path);
        assert_eq!(listener.until_end().pop().unwrap().kind(), "completed");
    }

    #[test]
    fn several_loads_in_one_transaction_are_all_completed_by_its_commit() {
        let database = Database::new();
        let mut listener = Listener::new(&database);
        let mut session = database.connect();
        let paths = [0, 10, 20].map(|n| {
            database
                .files()
                .write_rows(&format!("{n}.csv"), numbered_rows(n..n + 10))
        });
        session.run("BEGIN");
        for path in &paths {
            load(&mut session, path);
        }
        session.run("COMMIT");
        let mut completed = Vec::new();
        for _ in &paths {
            let events = listener.until_end();
            completed.push(events.last().unwrap().text("file").to_owned());
        }
        completed.sort();
        let mut expected = paths.to_vec();
        expected.sort();
        assert_eq!(completed, expected);
        listener.assert_silent(SILENCE);
        assert_nothing_left(&mut database.connect(), Some(&session));
    }
}

mod skipped_and_checked {
    use super::*;

    #[test]
    fn a_skipped_file_is_pushed_with_the_ingest_that_has_it() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let first = load(&mut session, &path);
        let mut listener = Listener::new(&database);
        Ingest::of(&path).run(&mut session);
        let events = listener.until_end();
        let last = events.last().unwrap();
        assert_eq!(
            (last.kind(), &last.json["duplicate_of"]),
            ("skipped", &first.id().into())
        );
        assert_eq!(last.text("file"), path);
        listener.assert_silent(SILENCE);
        assert_nothing_left(&mut database.connect(), Some(&session));
    }

    #[test]
    fn a_load_that_rejects_rows_counts_them() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..10).chain(["bad".to_owned(), "worse".to_owned()]);
        let path = database.files().write_rows("t.csv", rows);
        let mut listener = Listener::new(&database);
        Ingest::of(&path).on_error("ignore").run(&mut session);
        let events = listener.until_end();
        let last = events.last().unwrap();
        assert_eq!(
            (last.kind(), last.number("rows"), last.number("rejected")),
            ("completed", 10, 2)
        );
    }

    #[test]
    fn a_dry_run_never_says_that_rows_were_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        Ingest::of(&path).dry_run().run(&mut session);
        while let Some(event) = listener.next(SILENCE) {
            assert_ne!(event.kind(), "completed", "{event:?}");
            assert_ne!(event.kind(), "failed", "{event:?}");
        }
        assert_nothing_left(&mut database.connect(), Some(&session));
    }
}

mod channels_and_paths {
    use super::*;

    #[test]
    fn another_channel_can_be_set() {
        let database = Database::new();
        let mut session = database.connect();
        let mut default = Listener::new(&database);
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        for channel in ["mine", "Ünï \" c'hannel", &"c".repeat(63)] {
            let mut listener = Listener::on(&database, channel);
            session
                .execute(
                    "SELECT set_config('trips_ext.channel', $1, false)",
                    &[&channel],
                )
                .unwrap();
            let ingest = load(&mut session, &path).id();
            let events = listener.until_end();
            assert_eq!(events[0].kind(), "started");
            assert_eq!(events.last().unwrap().kind(), "completed");
            forget(&mut session, ingest).unwrap();
        }
        default.assert_silent(SILENCE);
    }

    #[test]
    fn a_very_long_path_leaves_the_payload_short() {
        let database = Database::new();
        let mut session = database.connect();
        let mut name = String::new();
        while name.len() < 3000 {
            name += &format!("{}/", "ü\"\\".repeat(50));
            database.files().make_dir(&name);
        }
        let path = database
            .files()
            .write_rows(&format!("{name}t.csv"), numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        assert_eq!(load(&mut session, &path).file, path);
        let events = listener.until_end();
        assert_eq!(events.last().unwrap().kind(), "completed");
        let bad = database
            .files()
            .write_rows(&format!("{name}bad.csv"), ["x"]);
        refused(Ingest::of(&bad).call(&mut session), "22P04");
        let event = listener.until_end().pop().unwrap();
        assert_eq!(
            (event.sqlstate(), &event.json["error"]["line"]),
            ("22P04", &2.into())
        );
    }

    #[test]
    fn a_path_of_any_letters_is_pushed_as_it_is() {
        let database = Database::new();
        let mut session = database.connect();
        let name = "a \"b\" \\ 'c' \n\t\u{1} ü 🚗.csv";
        let path = database.files().write_rows(name, numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        assert_eq!(load(&mut session, &path).file, path);
        for event in listener.until_end() {
            assert_eq!(event.text("file"), path);
        }
        assert_eq!(
            session.value::<String>("SELECT file FROM trips.ingest"),
            path
        );
    }
}
