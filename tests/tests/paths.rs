//! Paths: only a regular file that lies where it may is read, whoever changes what a path leads to meanwhile, and nothing that
//! a path names can make a load wait.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use postgres::NoTls;
use trips_tests::ingest::load;
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::assert_nothing_stored;
use trips_tests::{Database, Files, Ingest, Listener, Role, Session, refused, refused_case};

/// How soon a load must say that a path leads to nothing that it reads.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Every way to load a file, which must be refused at once.
#[track_caller]
fn assert_path(session: &mut Session, what: &str, path: &str, sqlstate: &str) {
    for call in [
        Ingest::of(path),
        Ingest::of(path).on_error("ignore"),
        Ingest::of(path).dry_run(),
    ] {
        let begin = Instant::now();
        refused_case(what, call.call(session), sqlstate);
        assert!(begin.elapsed() < AT_ONCE, "{what} made the load wait");
    }
}

fn limit(session: &mut Session, directories: &str) {
    session.run(&format!(
        "SET trips_ext.allowed_directories = '{directories}'"
    ));
}

fn make_fifo(files: &Files, name: &str) -> String {
    let path = files.path(name);
    let made = Command::new("mkfifo").args(["-m", "644", &path]).status();
    assert!(made.expect("there is mkfifo").success());
    path
}

fn link(files: &Files, target: &str, name: &str) -> String {
    symlink(files.dir().join(target), files.dir().join(name)).expect("a link can be made");
    files.path(name)
}

fn set_mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is the test's own");
}

/// Where the server keeps its data.
fn data_directory(session: &mut Session) -> String {
    session.value("SELECT current_setting('data_directory')")
}

#[test]
fn what_is_no_readable_regular_file_is_refused_at_once() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    let good = files.write_rows("good.csv", numbered_rows(0..1));
    let unreadable = files.write_rows("unreadable.csv", numbered_rows(0..1));
    set_mode(&unreadable, 0o000);
    let locked = files.make_dir("locked");
    files.write_rows("locked/t.csv", numbered_rows(0..1));
    set_mode(&locked, 0o000);
    let socket = files.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    link(files, "loop2", "loop1");
    link(files, "loop1", "loop2");
    let fifo = make_fifo(files, "fifo");
    let own = |path: &str| (path.to_owned(), path.to_owned());
    let cases: Vec<((String, String), &str)> = vec![
        (("directory".into(), files.path("")), "42809"),
        (
            (
                "directory without a slash".into(),
                files.dir().to_str().unwrap().into(),
            ),
            "42809",
        ),
        (own("/"), "42809"),
        (("missing".into(), files.path("missing.csv")), "58P01"),
        (("other case".into(), files.path("GOOD.csv")), "58P01"),
        (
            ("a line end after the name".into(), format!("{good}\n")),
            "58P01",
        ),
        (
            ("a blank after the name".into(), format!("{good} ")),
            "58P01",
        ),
        (
            ("missing directory".into(), files.path("missing/t.csv")),
            "58P01",
        ),
        (
            (
                "up from a missing directory".into(),
                files.path("missing/../good.csv"),
            ),
            "58P01",
        ),
        (
            ("dangling link".into(), link(files, "nothing", "dangling")),
            "58P01",
        ),
        (("unreadable".into(), unreadable), "42501"),
        (
            (
                "in an unreadable directory".into(),
                format!("{locked}/t.csv"),
            ),
            "42501",
        ),
        (
            (
                "link into an unreadable directory".into(),
                link(files, "locked/t.csv", "to_locked"),
            ),
            "42501",
        ),
        (("FIFO".into(), fifo), "42809"),
        (
            ("link to a FIFO".into(), link(files, "fifo", "to_fifo")),
            "42809",
        ),
        (("socket".into(), socket), "42809"),
        (
            ("a file as a directory".into(), format!("{good}/t.csv")),
            "42809",
        ),
        (("a file with a slash".into(), format!("{good}/")), "42809"),
        (own("/dev/null"), "42809"),
        (own("/dev/zero"), "42809"),
        (own("/dev/full"), "42809"),
        (own("/dev/urandom"), "42809"),
        (own("/dev/stdin"), "42809"),
        (own("/dev/fd/0"), "42809"),
        (own("/dev/tty"), "42809"),
        (own("/proc/self/fd/0"), "42809"),
        (own("/proc/self/cwd"), "42809"),
        (own("/proc/self/root"), "42809"),
        (own("good.csv"), "42602"),
        (own("./good.csv"), "42602"),
        (own("../good.csv"), "42602"),
        (own("PG_VERSION"), "42602"),
        (own("base/1/PG_VERSION"), "42602"),
        (own(""), "42602"),
        (own(" /t.csv"), "42602"),
        (own("~/good.csv"), "42602"),
        (own("file:///good.csv"), "42602"),
        (own("s3://bucket/good.csv"), "42602"),
        (own("|cat"), "42602"),
        (own("\\\\host\\good.csv"), "42602"),
        (
            ("link that leads to itself".into(), files.path("loop1")),
            "58030",
        ),
        (
            ("name of 256 bytes".into(), files.path(&"n".repeat(256))),
            "22023",
        ),
        (
            (
                "path of 5000 bytes".into(),
                format!("/{}", "d/".repeat(2500)),
            ),
            "22023",
        ),
        (
            ("relative path of 5000 bytes".into(), "d/".repeat(2500)),
            "22023",
        ),
    ];
    for ((what, path), sqlstate) in &cases {
        assert_path(&mut session, what, path, sqlstate);
    }
    assert_nothing_stored(&mut session);
    assert!(session.is_single_threaded());
    set_mode(&locked, 0o755);
    println!("{} paths, three times each", cases.len());
}

/// The server takes neither for text, so that no path holds one.
#[test]
fn a_path_with_a_zero_byte_and_one_that_is_no_utf8_do_not_reach_the_load() {
    let database = Database::new();
    let mut session = database.connect();
    for path in ["'/t\\000.csv'", "'/t\\xff.csv'", "'/t\\xc0\\xaf.csv'"] {
        let call = format!("SELECT * FROM trips_ingest(E{path})");
        refused_case(path, session.simple_query(&call).map(|_| ()), "22021");
    }
    let path = "/t\0.csv";
    refused(Ingest::of(path).call(&mut session), "22021");
    assert_nothing_stored(&mut session);
}

#[test]
fn whatever_a_name_is_made_of_its_file_is_loaded() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    let names = [
        "a b.csv",
        "line\nend.csv",
        "quote\"'.csv",
        "%s%n.csv",
        "\u{202e}vsc.t",
        "-rf",
        "t.csv ",
    ];
    for (number, name) in (0..).zip(names) {
        let path = files.write_rows(name, numbered_rows(number..number + 1));
        assert_eq!(load(&mut session, &path).file, path);
    }
    let doubled = files.path("a b.csv").replace('/', "//");
    assert_eq!(Ingest::of(&doubled).run(&mut session).status, "skipped");
    println!("{} odd names", names.len() + 1);
}

#[test]
fn links_are_followed() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    files.write_rows("t.csv", numbered_rows(0..3));
    let path = link(files, "t.csv", "link");
    assert_eq!(load(&mut session, &path).file, path);
}

#[test]
fn a_fifo_is_refused_within_a_second_by_whatever_way_and_whoever_writes_to_it() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    let (idle, written) = (make_fifo(files, "idle"), make_fifo(files, "written"));
    // Opened for both ends, it holds what is written to it.
    let mut writer = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&written)
        .unwrap();
    std::io::Write::write_all(&mut writer, trips_tests::HEADER.as_bytes()).unwrap();
    let mut ways = 0;
    for fifo in [&idle, &written] {
        assert_path(&mut session, "FIFO", fifo, "42809");
        let mut listener = Listener::new(&database);
        let begin = Instant::now();
        session
            .query("SELECT trips_ingest_async($1)", &[fifo])
            .unwrap();
        let events = listener.until_end();
        assert_eq!(events.last().unwrap().sqlstate(), "42809");
        // Two workers are started for it.
        assert!(begin.elapsed() < 3 * AT_ONCE, "{:?}", begin.elapsed());
        session.run("SET statement_timeout = '1s'");
        refused(Ingest::of(fifo).call(&mut session), "42809");
        session.run("SET statement_timeout = '180s'");
        ways += 5;
    }
    assert_nothing_stored(&mut session);
    println!("{ways} loads of a FIFO, none waited");
}

/// What the kernel makes up is longer than its size, which is 0, or cannot be read at all.
#[test]
fn nothing_is_loaded_or_told_of_what_the_kernel_makes_up() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = [
        ("/proc/self/environ", "55000"),
        ("/proc/self/cmdline", "55000"),
        ("/proc/self/maps", "55000"),
        ("/proc/self/status", "55000"),
        ("/proc/version", "55000"),
        ("/proc/self/mem", "58030"),
    ];
    for (path, sqlstate) in cases {
        assert_path(&mut session, path, path, sqlstate);
        let error = refused(Ingest::of(path).call(&mut session), sqlstate);
        let told = error.message().replace(path, "");
        assert!(told.len() < 60 && error.detail().is_none(), "{error:?}");
    }
    assert_nothing_stored(&mut session);
    println!("{} files of the kernel's, three times each", cases.len());
}

/// As COPY: who has the right to read the server's files may read these, and nobody else.
#[test]
fn the_data_directory_is_as_open_as_copy_leaves_it() {
    let role = Role::new("IN ROLE pg_read_server_files");
    let plain = Role::new("");
    let database = Database::new();
    let mut superuser = database.connect();
    let path = format!("{}/PG_VERSION", data_directory(&mut superuser));
    superuser.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO PUBLIC;
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO {0}, {1};
         GRANT USAGE ON SEQUENCE trips.ingest_id TO {0}, {1};
         GRANT EXECUTE ON FUNCTION trips_ingest TO {0}, {1}",
        role.name, plain.name
    ));
    let mut session = database.connect_as(&role);
    session.run("CREATE TEMPORARY TABLE line (text text)");
    session.run(&format!("COPY line FROM '{path}'"));
    // It is read, and is no file of trips.
    assert_path(&mut session, "with the right", &path, "22P04");
    let mut session = database.connect_as(&plain);
    assert_path(&mut session, "without it", &path, "42501");
    limit(&mut superuser, database.files().dir().to_str().unwrap());
    assert_path(&mut superuser, "outside the limit", &path, "42501");
    assert_nothing_stored(&mut superuser);
}

mod allowed_directories {
    use super::*;

    #[test]
    fn nothing_outside_them_is_read_or_told_of() {
        let database = Database::new();
        let mut session = database.connect();
        let files = database.files();
        for (dir, rows) in [
            ("in", 0..1),
            ("in/deep", 1..2),
            ("also", 2..3),
            ("inner", 3..4),
            ("IN", 4..5),
            ("out", 5..6),
            ("out/in", 6..7),
        ] {
            files.make_dir(dir);
            files.write_rows(&format!("{dir}/t.csv"), numbered_rows(rows));
        }
        let locked = files.write_rows("out/locked.csv", numbered_rows(7..8));
        set_mode(&locked, 0o000);
        for (target, name) in [
            ("out/t.csv", "in/leads_out"),
            ("out", "in/dir_leads_out"),
            ("out/missing", "in/leads_nowhere"),
            ("out/locked.csv", "in/leads_to_locked"),
            ("in/leads_round", "in/leads_round"),
            ("in/t.csv", "out/leads_in"),
            ("in/leads_out", "in/leads_on"),
            ("in", "alias"),
        ] {
            link(files, target, name);
        }
        make_fifo(files, "out/fifo");
        limit(
            &mut session,
            &format!("{}, {}/", files.path("in"), files.path("also")),
        );
        let outside = [
            "out/t.csv",
            "out",
            "out/fifo",
            "out/missing.csv",
            "out/locked.csv",
            "out/in/t.csv",
            "inner/t.csv",
            "IN/t.csv",
            "",
            "in/leads_out",
            "in/leads_on",
            "in/leads_nowhere",
            "in/leads_to_locked",
            "in/leads_round",
            "in/dir_leads_out/t.csv",
            "in/dir_leads_out/missing.csv",
            "in/dir_leads_out",
            "in/../out/t.csv",
            "in/../out/missing.csv",
            "in/../missing.csv",
            "in/deep/../../out/t.csv",
        ];
        let paths = outside.iter().map(|path| files.path(path));
        let system = [
            "/",
            "/etc/passwd",
            "/missing",
            "/dev/null",
            "/proc/self/environ",
            "/proc/self/fd/0",
            "/proc/self/cwd/PG_VERSION",
        ];
        let mut refusals = 0;
        for path in paths.chain(system.map(str::to_owned)) {
            for call in [Ingest::of(&path), Ingest::of(&path).dry_run()] {
                let error = refused_case(&path, call.call(&mut session), "42501");
                assert_eq!(
                    error.message(),
                    format!("file \"{path}\" is outside the directories that trips_ext may read")
                );
                refusals += 1;
            }
        }
        assert_nothing_stored(&mut session);
        // Inside, what is wrong is told.
        assert_path(
            &mut session,
            "missing, inside",
            &files.path("in/missing.csv"),
            "58P01",
        );
        assert_path(
            &mut session,
            "a directory, inside",
            &files.path("in/deep"),
            "42809",
        );
        let inside = ["in/t.csv", "in/deep/t.csv", "also/t.csv"];
        for path in inside {
            assert_eq!(load(&mut session, &files.path(path)).loaded, 1);
        }
        // The same files by other ways.
        for path in [
            "in/../in/t.csv",
            "alias/t.csv",
            "out/leads_in",
            "in//deep/./t.csv",
        ] {
            assert_eq!(
                Ingest::of(&files.path(path)).run(&mut session).status,
                "skipped",
                "{path}"
            );
        }
        set_mode(&locked, 0o644);
        println!(
            "{refusals} refusals of {} paths outside, {} inside",
            outside.len() + system.len(),
            inside.len() + 6
        );
    }

    #[test]
    fn an_entry_may_be_a_link_and_a_missing_one_allows_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let files = database.files();
        files.make_dir("in");
        let path = files.write_rows("in/t.csv", numbered_rows(0..1));
        let alias = link(files, "in", "alias");
        for nothing in [
            files.path("missing"),
            files.path("in/t"),
            format!("{path}/x"),
            "/".repeat(3) + "missing",
        ] {
            limit(&mut session, &nothing);
            refused_case(&nothing, Ingest::of(&path).call(&mut session), "42501");
        }
        for entry in [
            alias.clone(),
            format!("{alias}/"),
            format!("/missing,{alias}"),
            format!(" {alias} "),
            "/".to_owned(),
            files.path("in/../in"),
        ] {
            limit(&mut session, &entry);
            Ingest::of(&path).run(&mut session);
            Ingest::of(&format!("{alias}/t.csv")).run(&mut session);
        }
        limit(&mut session, "");
        Ingest::of(&path).run(&mut session);
        assert_eq!(session.count("trips.trip"), 1);
    }

    /// Else a comma too many would allow every file, and an entry that is not absolute what lies in the data directory.
    #[test]
    fn a_list_with_an_empty_or_a_relative_entry_allows_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..1));
        let version = format!("{}/PG_VERSION", data_directory(&mut session));
        let dir = database.files().dir().to_str().unwrap();
        let lists = [
            ",".to_owned(),
            " , ".to_owned(),
            format!("{dir},"),
            format!(",{dir}"),
            format!("{dir},,{dir}"),
            ".".to_owned(),
            "..".to_owned(),
            "base".to_owned(),
            format!("{dir},base"),
            "~".to_owned(),
            format!("{dir};/tmp").replacen('/', "", 1),
            "\"/tmp\"".to_owned(),
        ];
        for list in &lists {
            limit(&mut session, list);
            for path in [&path, &version] {
                for call in [Ingest::of(path), Ingest::of(path).dry_run()] {
                    let error = refused_case(list, call.call(&mut session), "22023");
                    assert!(
                        error.message().contains("trips_ext.allowed_directories"),
                        "{error:?}"
                    );
                }
            }
        }
        // Blanks alone are no list.
        limit(&mut session, "  ");
        assert_eq!(load(&mut session, &path).loaded, 1);
        println!("{} lists", lists.len());
    }

    /// Before the library is loaded, its settings are but names, which a client may set when it connects.
    #[test]
    fn a_role_cannot_lift_the_limit_before_the_library_is_loaded() {
        let role = Role::new("IN ROLE pg_read_server_files");
        let database = Database::new();
        let mut superuser = database.connect();
        superuser.run("LOAD 'trips_ext'");
        let files = database.files();
        let (inside, outside) = (
            files.make_dir("in"),
            files.write_rows("t.csv", numbered_rows(0..1)),
        );
        superuser.run(&format!(
            "GRANT USAGE ON SCHEMA trips TO {0};
             GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO {0};
             GRANT USAGE ON SEQUENCE trips.ingest_id TO {0};
             GRANT EXECUTE ON FUNCTION trips_ingest TO {0};
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET trips_ext.allowed_directories = %L', current_database(), '{inside}'); END $$",
            role.name
        ));
        refused(
            Ingest::of(&outside).call(&mut database.connect_as(&role)),
            "42501",
        );
        for value in ["/", "", " ", outside.trim_end_matches("/t.csv")] {
            let mut config: postgres::Config = database.conninfo().parse().unwrap();
            let options = format!(
                "-c trips_ext.allowed_directories={}",
                value.replace(' ', "\\ ")
            );
            let mut client = config
                .user(&role.name)
                .options(&options)
                .connect(NoTls)
                .unwrap();
            refused_case(value, Ingest::of(&outside).call(&mut client), "42501");
            let mut session = database.connect_as(&role);
            let _ =
                session.batch_execute(&format!("SET trips_ext.allowed_directories = '{value}'"));
            refused_case(value, Ingest::of(&outside).call(&mut session), "42501");
            let _ = session.batch_execute("RESET trips_ext.allowed_directories");
            refused_case(value, Ingest::of(&outside).call(&mut session), "42501");
        }
        assert_nothing_stored(&mut superuser);
    }
}

mod swaps {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use rand::{Rng, RngExt};
    use trips_tests::ask_random::{cases, seeded};
    use trips_tests::snapshot::snapshot;

    /// What every line of the file outside holds.
    const MARKER: &str = "Outside";

    /// Paths whose meaning changes: a file, a file below a directory, and a link to the latter.
    const PATHS: [&str; 4] = ["in/file.csv", "in/dir/t.csv", "in/file.csv", "in/hop"];

    const ROWS: u64 = 10;

    /// Has each path lead to a file inside, then to the one outside, and back, until it is told to stop.
    struct Swapper {
        dir: PathBuf,
        stop: AtomicBool,
        swaps: AtomicUsize,
    }

    impl Swapper {
        fn new(files: &Files) -> Swapper {
            files.make_dir("in/dir");
            files.make_dir("out");
            files.write_rows("good.csv", numbered_rows(0..ROWS));
            let path = files.write_rows("in/dir/t.csv", numbered_rows(0..ROWS));
            fs::hard_link(path, files.path("in/file.csv")).expect("a link can be made");
            link(files, "in/dir/t.csv", "in/hop");
            let secrets = numbered_rows(100..120).map(|row| row.replace("Turin", MARKER));
            let bad = (0..5).map(|n| format!("{MARKER} {n},{MARKER},{MARKER},{MARKER},{MARKER}"));
            files.write_rows("out/t.csv", bad.chain(secrets));
            Swapper {
                dir: files.dir().to_owned(),
                stop: AtomicBool::new(false),
                swaps: AtomicUsize::new(0),
            }
        }

        /// The file: a rename is all there is between the two, so that a load sees one or the other. Most often without a pause: it
        /// is to come between any two looks that a load takes.
        fn swap_file(&self, mut random: impl Rng) {
            let at = |name: &str| self.dir.join(name);
            while !self.stop.load(Ordering::Relaxed) {
                fs::hard_link(at("good.csv"), at("in/new")).unwrap();
                fs::rename(at("in/new"), at("in/file.csv")).unwrap();
                symlink(at("out/t.csv"), at("in/new")).unwrap();
                fs::rename(at("in/new"), at("in/file.csv")).unwrap();
                self.swaps.fetch_add(2, Ordering::Relaxed);
                if random.random_range(0..50) == 0 {
                    thread::sleep(Duration::from_micros(random.random_range(0..300)));
                }
            }
        }

        /// The directory: for a moment there is nothing.
        fn swap_directory(&self, mut random: impl Rng) {
            let at = |name: &str| self.dir.join(name);
            let mut pause = || thread::sleep(Duration::from_micros(random.random_range(0..300)));
            while !self.stop.load(Ordering::Relaxed) {
                fs::rename(at("in/dir"), at("in/parked")).unwrap();
                symlink(at("out"), at("in/dir")).unwrap();
                pause();
                fs::remove_file(at("in/dir")).unwrap();
                fs::rename(at("in/parked"), at("in/dir")).unwrap();
                self.swaps.fetch_add(2, Ordering::Relaxed);
                pause();
            }
        }
    }

    /// How loads ended.
    #[derive(Debug, Default)]
    struct Ends {
        inside: usize,
        outside: usize,
        missing: usize,
    }

    impl Ends {
        fn load(&mut self, session: &mut Session, path: &str, number: usize) {
            let mut call = Ingest::of(path);
            if number.is_multiple_of(2) {
                call = call.on_error("ignore");
            }
            let is_real = number.is_multiple_of(4);
            if is_real {
                session.run("BEGIN");
            } else {
                call = call.dry_run();
            }
            match call.call(session) {
                Ok(summary) => {
                    assert_eq!(
                        summary.counts(),
                        (ROWS as i64, ROWS as i64, 0),
                        "{path} was read from outside"
                    );
                    self.inside += 1;
                }
                Err(error) => {
                    assert!(!format!("{error:?}").contains(MARKER), "{error:?}");
                    match error.code().map(|code| code.code()) {
                        Some("42501") => self.outside += 1,
                        Some("58P01") => self.missing += 1,
                        other => panic!("{path}: {other:?}: {error:?}"),
                    }
                }
            }
            if is_real {
                session.run("ROLLBACK");
            }
            for notice in session.notices() {
                assert!(!format!("{notice:?}").contains(MARKER), "{notice:?}");
            }
        }

        fn add(&mut self, other: &Ends) {
            self.inside += other.inside;
            self.outside += other.outside;
            self.missing += other.missing;
        }
    }

    #[test]
    fn however_fast_a_path_is_swapped_nothing_outside_is_read() {
        const SESSIONS: usize = 2;
        let database = Database::new();
        let files = database.files();
        files.make_dir("in");
        let inside = files.path("in");
        let swapper = Swapper::new(files);
        let (loads, random) = (cases(200), seeded());
        let ends = thread::scope(|scope| {
            let other = random.clone();
            scope.spawn(|| swapper.swap_file(random));
            scope.spawn(|| swapper.swap_directory(other));
            let loaders: Vec<_> = (0..SESSIONS)
                .map(|first| {
                    let (database, inside) = (&database, &inside);
                    scope.spawn(move || {
                        let mut session = database.connect();
                        limit(&mut session, inside);
                        let mut ends = Ends::default();
                        for number in (first..loads).step_by(SESSIONS) {
                            let path = files.path(PATHS[number / SESSIONS % PATHS.len()]);
                            ends.load(&mut session, &path, number / SESSIONS);
                        }
                        ends
                    })
                })
                .collect();
            let mut all = Ends::default();
            let ended: Vec<_> = loaders.into_iter().map(|loader| loader.join()).collect();
            swapper.stop.store(true, Ordering::Relaxed);
            for ends in ended {
                all.add(&ends.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        });
        let mut superuser = database.connect();
        assert_nothing_stored(&mut superuser);
        assert!(!format!("{:?}", snapshot(&mut superuser)).contains(MARKER));
        assert_eq!(
            superuser.count(&format!(
                "trips.ingest_attempt a WHERE a::text LIKE '%{MARKER}%'"
            )),
            0
        );
        println!(
            "{loads} loads during {} swaps: {} read what is inside, {} were refused as outside, {} found nothing, 0 saw what is outside",
            swapper.swaps.load(Ordering::Relaxed),
            ends.inside,
            ends.outside,
            ends.missing
        );
        assert!(
            ends.inside > 0 && ends.outside > 0,
            "the race was none: {ends:?}"
        );
    }
}
