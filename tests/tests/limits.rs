//! What is larger than anything foreseen, changes while it is looked at, or is not there: a clear error, or what the
//! documentation says instead, within bounded memory.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::thread;
use std::time::Instant;

use trips_tests::aftermath::assert_nothing_left;
use trips_tests::database::wait_until_blocked;
use trips_tests::ingest::load;
use trips_tests::program::{program, run};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::{
    Database, HEADER, Ingest, Listener, Place, PrivateCluster, Session, refused, refused_case,
};

/// Memory that a load may take beyond what its session has.
const MEMORY: u64 = 256 << 20;

mod two_gigabytes {
    use super::*;

    /// A file that begins so and then goes on for 2 GB without a line end. They take no room on the disk.
    fn endless(database: &Database, beginning: &str) -> String {
        let mut file = database.files().create("endless.csv");
        file.write_all(beginning.as_bytes()).unwrap();
        // More than what is skipped of the file by any buffer is of other bytes than those that are not there.
        file.write_all(&vec![b'x'; 3 << 20]).unwrap();
        file.set_len(2 << 30).unwrap();
        database.files().path("endless.csv")
    }

    #[test]
    fn a_line_of_two_gigabytes_is_refused_at_once_and_in_little_memory() {
        let row = numbered(1);
        let beginnings = [
            ("nothing but one line", String::new(), 1),
            ("a header that goes on", HEADER.trim_end().to_owned(), 1),
            ("a row that goes on", format!("{HEADER}{row}\n{row}"), 3),
            (
                "a field whose quote is never closed",
                format!("{HEADER}{row}\n{row}\n\"Tu"),
                4,
            ),
            (
                "a quote in the last field",
                format!("{HEADER}Turin,POINT (7 45),POINT (7 45),2018-05-01 00:00:00,\""),
                2,
            ),
        ];
        let database = Database::new();
        for (what, beginning, line) in beginnings {
            let path = endless(&database, &beginning);
            for call in [
                Ingest::of(&path),
                Ingest::of(&path).on_error("ignore"),
                Ingest::of(&path).dry_run(),
            ] {
                let mut session = database.connect();
                session.run("LOAD 'trips_ext'");
                let begin = Instant::now();
                let (memory, result) = session.memory_of(|session| call.call(session));
                println!(
                    "{what}: {} ms, {} MiB",
                    begin.elapsed().as_millis(),
                    memory >> 20
                );
                let error = refused_case(what, result, "54000");
                assert_eq!(Place::of(&error).line, line, "{what}");
                assert!(memory < MEMORY, "{what}: {memory} bytes");
                assert!(session.is_single_threaded());
            }
        }
        assert_nothing_stored(&mut database.connect());
    }
}

mod files_that_change {
    use super::*;

    /// Rows of a file that is far larger than what a load reads ahead.
    const ROWS: u64 = 100_000;

    /// Bytes that a load reads ahead are fewer.
    const READ_AHEAD: usize = 8 << 20;

    /// What is done to the file while it is read. What is not seen has its load end well, with the file as it was.
    struct Change {
        what: &'static str,
        done: fn(&str),
        is_seen: bool,
    }

    const CHANGES: [Change; 8] = [
        Change {
            what: "a row more",
            done: |path| {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                writeln!(file, "{}", numbered(5)).unwrap();
            },
            is_seen: true,
        },
        Change {
            what: "ever more rows",
            done: |path| {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                for row in numbered_rows(0..50_000) {
                    writeln!(file, "{row}").unwrap();
                }
            },
            is_seen: true,
        },
        Change {
            what: "half of it cut off",
            done: |path| {
                let file = OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            },
            is_seen: true,
        },
        Change {
            what: "emptied",
            done: |path| drop(fs::File::create(path).unwrap()),
            is_seen: true,
        },
        Change {
            what: "written over with a letter changed, at its end",
            done: |path| {
                let mut file = OpenOptions::new().write(true).open(path).unwrap();
                file.seek(SeekFrom::End(-2)).unwrap();
                file.write_all(b"x").unwrap();
            },
            is_seen: true,
        },
        Change {
            what: "replaced by one that is written anew",
            done: |path| {
                let rows = fs::read(path).unwrap();
                fs::write(path, &rows[..rows.len() / 3]).unwrap();
            },
            is_seen: true,
        },
        Change {
            what: "another one in its place",
            done: |path| {
                let other = format!("{path}.new");
                fs::write(&other, "nothing").unwrap();
                fs::rename(&other, path).unwrap();
            },
            is_seen: false,
        },
        Change {
            what: "removed",
            done: |path| fs::remove_file(path).unwrap(),
            is_seen: false,
        },
    ];

    /// Writes the file, with a row on an early line whose region no other has; its path.
    fn write(database: &Database) -> String {
        let row = numbered(7).to_string();
        let (_, rest) = row.split_once(',').unwrap();
        let rows = numbered_rows(0..100)
            .chain([format!("Nowhere,{rest}")])
            .chain(numbered_rows(100..ROWS));
        let path = database.files().write_rows("t.csv", rows);
        assert!(fs::metadata(&path).unwrap().len() as usize > READ_AHEAD);
        path
    }

    /// Has loads of the file wait for what `block` leaves uncommitted, changes the file, and lets them go on.
    fn changed(block: impl Fn(&Database, &mut Session, &str)) {
        let database = Database::new();
        let (mut blocker, mut observer) = (database.connect(), database.connect());
        for change in CHANGES {
            for mode in ["stop", "ignore"] {
                let what = format!("{} ({mode})", change.what);
                let path = write(&database);
                blocker.run("BEGIN");
                block(&database, &mut blocker, &path);
                let mut session = database.connect();
                session.run("SET trips_ext.ingest_memory = '1MB'");
                let pid = session.pid();
                let call = Ingest::of(&path).on_error(mode);
                let result = thread::scope(|scope| {
                    let loading = scope.spawn(|| call.call(&mut session));
                    wait_until_blocked(&mut observer, pid);
                    (change.done)(&path);
                    blocker.run("ROLLBACK");
                    loading.join().unwrap()
                });
                assert_nothing_left(&mut observer, Some(&session));
                if change.is_seen {
                    refused_case(&what, result, "55000");
                } else {
                    let counts = result.map(|summary| summary.counts());
                    let rows = ROWS as i64 + 1;
                    assert_eq!(counts.ok(), Some((rows, rows, 0)), "{what}");
                    assert_books_balance(&mut observer);
                    observer.run("SELECT trips_forget(id) FROM trips.ingest");
                }
                assert_nothing_stored(&mut observer);
            }
        }
        println!("{} changes, in two modes", CHANGES.len());
    }

    #[test]
    fn a_file_that_changes_before_it_is_read_is_refused() {
        // Who loads the same file waits with the file open.
        changed(|_, blocker, path| {
            load(blocker, path);
        });
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        // The first of two that bring a new name keeps the other waiting, in the middle of its file.
        changed(|database, blocker, _| {
            let row = numbered(7).to_string().replace("Turin", "Nowhere");
            load(blocker, &database.files().write_rows("other.csv", [row]));
        });
    }
}

#[test]
fn a_server_without_worker_slots_loads_and_answers_and_says_what_is_missing() {
    let cluster = PrivateCluster::new("fsync = off\nmax_worker_processes = 0");
    let (mut session, mut observer) = (cluster.connect(), cluster.connect());
    let mut listener = Listener::in_session(cluster.connect(), "trips_ingest");
    let files = cluster.files();
    let path = files.write_rows("t.csv", numbered_rows(0..20_000));
    assert_eq!(load(&mut session, &path).loaded, 20_000);
    let notices = session.notices();
    let warning = notices.iter().find(|notice| notice.severity() == "WARNING");
    let hint = warning.and_then(|warning| warning.hint()).unwrap();
    assert!(hint.contains("max_worker_processes"), "{hint}");
    let events = listener.until_end();
    assert_eq!((events.len(), events[0].kind()), (1, "completed"));
    refused(
        session.query("SELECT trips_ingest_async($1)", &[&path]),
        "53000",
    );
    let bad = files.write_rows("bad.csv", ["x"]);
    refused(Ingest::of(&bad).call(&mut session), "22P04");
    session.run("INSERT INTO trips.inbox SELECT 'Turin', 'POINT (7 45)', 'POINT (7 45)', '2018-05-01', 'car'");
    session.run("SELECT trips_compact()");
    assert_eq!(session.count("trips_groups() LIMIT 1").min(1), 1);
    assert_eq!(
        session.value::<i64>("SELECT sum(trips)::bigint FROM trips_weekly_trips('Turin')"),
        20_001
    );
    session.run("SELECT trips_forget(max(id)) FROM trips.ingest");
    assert_eq!(observer.count("trips.trip"), 20_000);
    assert_books_balance(&mut observer);
    assert_nothing_left(&mut observer, Some(&session));
    assert_eq!(cluster.complaints(), [""; 0]);
}

mod notifications {
    use super::*;

    /// The release from which on the queue can be made small; before, it has 8 GB.
    const SMALL_QUEUE_SINCE: u32 = 17;

    /// Set to have 8 GB filled where the queue cannot be made small.
    const FILL_ENV: &str = "TRIPS_TEST_FILL_QUEUE";

    fn major_version() -> u32 {
        let output = run(program("postgres").arg("--version"));
        let text = String::from_utf8(output.stdout).unwrap();
        let number = text.split_once(") ").unwrap().1;
        number[..2].parse().unwrap()
    }

    /// Fills the queue, which a session that listens keeps from being emptied.
    fn fill(session: &mut Session) {
        session.run("SET statement_timeout = 0");
        let many = "SELECT count(pg_notify('filler', repeat('x', 7900) || n)) FROM generate_series(1, 2000) n";
        loop {
            if let Err(error) = session.query(many, &[]) {
                refused::<()>(Err(error), "54000");
                break;
            }
        }
        // One by one, until there is no room for an event of a load.
        while session
            .batch_execute("SELECT pg_notify('filler', repeat('x', 500))")
            .is_ok()
        {}
    }

    #[test]
    fn a_load_whose_end_the_full_queue_does_not_take_is_rolled_back_and_can_be_tried_again() {
        let is_small = major_version() >= SMALL_QUEUE_SINCE;
        if !is_small && std::env::var_os(FILL_ENV).is_none() {
            eprintln!("SKIPPED: the queue of notifications has 8 GB before PostgreSQL 17");
            return;
        }
        let small = if is_small {
            "\nmax_notify_queue_pages = 64"
        } else {
            ""
        };
        let cluster = PrivateCluster::new(&format!("fsync = off{small}"));
        let path = cluster
            .files()
            .write_rows("t.csv", numbered_rows(0..20_000));
        let (mut session, mut observer) = (cluster.connect(), cluster.connect());
        let mut sleeper = cluster.connect();
        sleeper.run("LISTEN filler");
        sleeper.run("BEGIN; SELECT");
        fill(&mut observer);
        // A dry run pushes nothing.
        let checked = Ingest::of(&path).dry_run().run(&mut session);
        assert_eq!(checked.status, "checked");
        for _ in 0..2 {
            refused(Ingest::of(&path).call(&mut session), "54000");
            assert_nothing_left(&mut observer, Some(&session));
            assert_nothing_stored(&mut observer);
        }
        sleeper.run("COMMIT");
        sleeper.run("UNLISTEN *");
        // Who asks has the server look how much of the queue is of no use any more.
        assert_eq!(
            observer.value::<f64>("SELECT pg_notification_queue_usage()"),
            0.0
        );
        assert_eq!(load(&mut session, &path).loaded, 20_000);
        assert_books_balance(&mut observer);
        assert_nothing_left(&mut observer, Some(&session));
        assert_eq!(cluster.complaints(), [""; 0]);
    }
}
