//! On a disk that is full a statement fails and nothing else: the server stays up, nothing is stored or left behind, VACUUM
//! has the little room that it needs to give the rest back, and what is tried again works.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use trips_tests::aftermath::{TREE_TABLES, assert_nothing_left};
use trips_tests::ingest::{forget, load};
use trips_tests::listener::CHANNEL;
use trips_tests::program::run;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Ingest, Listener, PrivateCluster, Session, Summary, refused};

/// The size of the small disk.
const MEGABYTES: u32 = 8;

/// Trips whose table, or whose trees, are larger than that.
const TOO_MANY: u64 = 600_000;

/// Trips for which there is room.
const FEW: u64 = 10_000;

/// A file system of so many MB, for the server's user; unmounted with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this user may not mount; says so.
    fn new(megabytes: u32) -> Option<SmallDisk> {
        let outside = tempfile::tempdir().unwrap();
        fs::set_permissions(outside.path(), Permissions::from_mode(0o755)).unwrap();
        let user = Command::new("id")
            .args(["-u", "postgres"])
            .output()
            .unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let options = format!("size={megabytes}m,mode=755,uid={}", user.trim());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(outside.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(outside));
        }
        eprintln!("SKIPPED: this user may not mount a file system");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Bytes in use.
    fn used(&self) -> u64 {
        let output = run(Command::new("df")
            .args(["--block-size=1", "--output=used"])
            .arg(self.path()));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().last().unwrap().trim().parse().unwrap()
    }

    /// Takes all but so many bytes of its room, of so many in all.
    fn fill(&self, megabytes: u32, free: u64) {
        let size = u64::from(megabytes) << 20;
        let bytes = size.saturating_sub(self.used() + free);
        run(Command::new("fallocate")
            .args(["--length", &bytes.to_string()])
            .arg(self.path().join("filler")));
    }

    /// Gives it more room.
    fn enlarge(&self) {
        run(Command::new("mount")
            .args(["-o", "remount,size=1g"])
            .arg(self.path()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A server with a tablespace `small` on a small disk, which outlives it.
struct Scene {
    cluster: PrivateCluster,
    session: Session,
    started: String,
    disk: SmallDisk,
}

const STARTED: &str = "SELECT pg_postmaster_start_time()::text";

impl Scene {
    fn new() -> Option<Scene> {
        let disk = SmallDisk::new(MEGABYTES)?;
        // What vacuums is the test.
        let cluster = PrivateCluster::new("fsync = off\nautovacuum = off");
        let mut session = cluster.connect();
        let place = disk.path().display();
        session.run(&format!("CREATE TABLESPACE small LOCATION '{place}'"));
        Some(Scene {
            started: session.value(STARTED),
            cluster,
            session,
            disk,
        })
    }

    /// Moves tables of the extension, with their indexes, to the small disk.
    fn move_there(&mut self, tables: &[&str]) {
        for table in tables {
            self.session
                .run(&format!("ALTER TABLE trips.{table} SET TABLESPACE small"));
            let indexes = self.session.query(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::text::regclass",
                &[&format!("trips.{table}")],
            );
            for index in indexes.unwrap() {
                let index: String = index.get(0);
                self.session
                    .run(&format!("ALTER INDEX {index} SET TABLESPACE small"));
            }
        }
    }

    /// The server has not been down, and says of nothing that it was left behind.
    #[track_caller]
    fn assert_up(&mut self) {
        let mut observer = self.cluster.connect();
        assert_eq!(observer.value::<String>(STARTED), self.started);
        assert_nothing_left(&mut observer, Some(&self.session));
        assert_eq!(observer.count("pg_ls_tmpdir()"), 0);
        let complaints = self.cluster.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Bytes in use, once the session has dealt with its last error: it tells of one before it cleans up.
    fn used(&mut self) -> u64 {
        self.session.run("SELECT");
        self.disk.used()
    }

    /// Bytes of the tables there. Their indexes do not shrink, but have the room to be used again.
    fn tables(&mut self) -> i64 {
        self.session.value(
            "SELECT coalesce(sum(pg_relation_size(c.oid)), 0)::bigint
               FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
              WHERE t.spcname = 'small' AND c.relkind = 'r'",
        )
    }

    /// VACUUM leaves no more of the tables than there was before.
    #[track_caller]
    fn assert_vacuum_gives_back(&mut self, before: i64) {
        let (full, full_disk) = (self.tables(), self.used());
        assert!(full > before);
        self.session.run("VACUUM");
        let (after, disk) = (self.tables(), self.used());
        println!(
            "{} KiB of tables, {} after VACUUM, were {} before; {} KiB of the disk in use, {} after",
            full >> 10,
            after >> 10,
            before >> 10,
            full_disk >> 10,
            disk >> 10
        );
        assert_eq!(after, before);
    }
}

/// A load that fills the disk on which `tables` are.
fn filled_by_a_load(tables: &[&str]) {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.move_there(tables);
    let files = scene.cluster.files();
    let large = files.write_rows("large.csv", numbered_rows(0..TOO_MANY));
    let small = files.write_rows("small.csv", numbered_rows(0..FEW));
    let mut listener = Listener::in_session(scene.cluster.connect(), CHANNEL);
    let before = scene.tables();
    for _ in 0..2 {
        refused(Ingest::of(&large).call(&mut scene.session), "53100");
        let failed = listener.until_end().pop().unwrap();
        assert_eq!((failed.sqlstate(), failed.text("file")), ("53100", &*large));
        scene.assert_up();
        assert_nothing_stored(&mut scene.session);
        // What is left of the disk is for others.
        scene
            .session
            .run("CREATE TABLE other TABLESPACE small AS SELECT generate_series(1, 1000)");
        scene.session.run("DROP TABLE other");
        scene.assert_vacuum_gives_back(before);
    }
    let ingest = load(&mut scene.session, &small);
    assert_eq!(ingest.loaded, FEW as i64);
    assert_books_balance(&mut scene.session);
    forget(&mut scene.session, ingest.id()).unwrap();
    scene.assert_vacuum_gives_back(before);
    // Of a disk that nothing is left of not even VACUUM has what it needs; a retry does not need it, once there is room.
    scene.session.run("SET trips_ext.disk_reserve = 0");
    refused(Ingest::of(&large).call(&mut scene.session), "53100");
    scene.assert_up();
    assert_nothing_stored(&mut scene.session);
    scene.disk.enlarge();
    assert_eq!(load(&mut scene.session, &large).loaded, TOO_MANY as i64);
    assert_books_balance(&mut scene.session);
    scene.assert_up();
}

#[test]
fn a_load_that_fills_the_disk_of_the_trips_fails_and_can_be_tried_again() {
    filled_by_a_load(&["trip"]);
}

#[test]
fn a_load_whose_trees_fill_their_disk_fails_and_can_be_tried_again() {
    filled_by_a_load(&TREE_TABLES);
}

#[test]
fn a_load_of_rejects_that_fill_their_disk_fails_and_stores_nothing() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.move_there(&["rejected_row"]);
    let bad = vec!["bad row"; 200_000];
    let path = scene.cluster.files().write_rows("bad.csv", bad);
    let before = scene.tables();
    let call = Ingest::of(&path).on_error("ignore");
    refused(call.call(&mut scene.session), "53100");
    scene.assert_up();
    assert_nothing_stored(&mut scene.session);
    scene.assert_vacuum_gives_back(before);
    scene.disk.enlarge();
    let counts = call.run(&mut scene.session).counts();
    assert_eq!(counts, (200_000, 0, 200_000));
    scene.assert_up();
}

#[test]
fn a_merge_or_a_rebuild_that_fills_the_disk_leaves_all_as_it_was() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.move_there(&TREE_TABLES);
    // Loads until there is too little room for all trees once more.
    let mut seed = 0;
    while scene.disk.used() < (u64::from(MEGABYTES) << 20) * 6 / 10 {
        let name = format!("{seed}.csv");
        let path = write_generated(scene.cluster.files(), &name, 3 * FEW, 3, seed);
        load(&mut scene.session, &path);
        seed += 1;
    }
    scene.session.run("VACUUM");
    let (stored, before) = (snapshot(&mut scene.session), scene.tables());
    for statement in ["SELECT trips_rebuild()", "SELECT trips_compact()"] {
        refused(scene.session.query(statement, &[]), "53100");
        scene.assert_up();
        assert_eq!(snapshot(&mut scene.session), stored, "{statement}");
        assert_books_balance(&mut scene.session);
        scene.assert_vacuum_gives_back(before);
    }
    scene.disk.enlarge();
    let runs: i64 = scene
        .session
        .value("SELECT runs_after FROM trips_compact()");
    assert_eq!(runs, 1);
    assert_books_balance(&mut scene.session);
    scene.assert_up();
}

#[test]
fn a_load_that_fills_the_disk_of_the_whole_server_fails_and_the_server_stays_up() {
    const MEGABYTES: u32 = 1200;
    let Some(disk) = SmallDisk::new(MEGABYTES) else {
        return;
    };
    // WAL is there, too: a server that has no room for it goes down.
    let cluster = PrivateCluster::in_directory(
        &disk.path().join("cluster"),
        "fsync = off\nautovacuum = off\nmax_wal_size = 64MB",
    );
    let large = cluster
        .files()
        .write_rows("large.csv", numbered_rows(0..TOO_MANY));
    disk.fill(MEGABYTES, 120 << 20);
    let mut session = cluster.connect();
    let started: String = session.value(STARTED);
    for _ in 0..2 {
        refused(Ingest::of(&large).call(&mut session), "53100");
        assert_eq!(session.value::<String>(STARTED), started);
        assert_nothing_stored(&mut session);
        session.run("VACUUM");
    }
    fs::remove_file(disk.path().join("filler")).unwrap();
    assert_eq!(load(&mut session, &large).loaded, TOO_MANY as i64);
    assert_eq!(session.value::<String>(STARTED), started);
    assert_eq!(cluster.complaints(), [""; 0]);
}

#[test]
fn what_is_left_free_is_for_who_forgets() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.move_there(&TREE_TABLES);
    let files = scene.cluster.files();
    // What takes the trips of the first away is small.
    let sizes = [FEW / 10, FEW, FEW];
    let paths = [0, 1, 2].map(|seed| {
        let rows = sizes[seed as usize];
        write_generated(files, &format!("{seed}.csv"), rows, 3, seed)
    });
    let ingest = load(&mut scene.session, &paths[0]).id();
    load(&mut scene.session, &paths[1]);
    scene.session.run("SELECT trips_compact(); CHECKPOINT");
    // Less than a sixteenth is free.
    scene.session.run("SELECT");
    scene.disk.fill(MEGABYTES, 400 << 10);
    let error = refused(Ingest::of(&paths[2]).call(&mut scene.session), "53100");
    assert!(
        error
            .detail()
            .is_some_and(|detail| detail.contains("trips_ext.disk_reserve")),
        "{error:?}"
    );
    // Its trips are in a run with others, so that another is written that takes them away.
    let forgotten = forget(&mut scene.session, ingest).unwrap();
    assert_eq!(forgotten, sizes[0] as i64);
    assert_eq!(scene.session.count("trips.area_run WHERE sign < 0"), 1);
    assert_books_balance(&mut scene.session);
    scene.assert_up();
}

#[test]
fn what_is_sent_to_a_full_disk_is_refused_and_its_room_is_free_at_once() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.session.run("SET temp_tablespaces = 'small'");
    let files = scene.cluster.files();
    let path = files.write_rows("t.csv", numbered_rows(0..TOO_MANY / 4));
    let content = fs::read(path).unwrap();
    assert!(content.len() > (MEGABYTES as usize) << 20);
    let before = scene.used();
    for _ in 0..2 {
        scene.session.run("BEGIN");
        let mut parts = content.chunks(1 << 20);
        let sent = parts.try_for_each(|part| send(&mut scene.session, part));
        refused(sent, "53100");
        scene.session.run("ROLLBACK");
        assert_eq!(scene.used(), before);
        refused(copy(&mut scene.session, &content), "53100");
        assert_eq!(scene.used(), before);
        assert_nothing_stored(&mut scene.session);
    }
    scene.session.run("BEGIN");
    let few = content.get(..1 << 20).unwrap();
    let end = few.iter().rposition(|byte| *byte == b'\n').unwrap();
    send(&mut scene.session, &few[..end]).unwrap();
    let call = "trips_ingest_upload('mine.csv')";
    let loaded = Summary::of_call(&mut scene.session, call, &[]).unwrap();
    scene.session.run("COMMIT");
    assert!(loaded.loaded > 0);
    assert_eq!(scene.used(), before);
    assert_books_balance(&mut scene.session);
    scene.assert_up();
}

fn send(session: &mut Session, part: &[u8]) -> Result<(), postgres::Error> {
    let sent = session.query("SELECT trips_upload($1)", &[&part]);
    sent.map(drop)
}

/// Copies a file into the inbox.
fn copy(session: &mut Session, content: &[u8]) -> Result<u64, postgres::Error> {
    let mut writer = session.copy_in("COPY trips.inbox FROM STDIN CSV HEADER")?;
    // What the server thinks of it is told at the end.
    let _ = writer.write_all(content);
    writer.finish()
}
