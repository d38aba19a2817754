//! The listeners in examples/, each with the driver of another ecosystem, hear all that is pushed, in order, while it happens.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use trips_tests::files::repository;
use trips_tests::ingest::{Ingest, forget, load};
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::{Event, PrivateCluster};

/// Loads whose ends are timed, of each kind.
const ROUNDS: u64 = 15;

/// Where Debian has the driver of Java.
const JDBC_DRIVER: &str = "/usr/share/java/postgresql.jar";

/// A cluster that listens on a loopback address, too, for drivers without Unix sockets.
struct Loopback {
    cluster: PrivateCluster,
    address: String,
}

impl Loopback {
    /// `number` is that of the test: each has an address of its own, so all may use the same port.
    fn new(number: u8) -> Loopback {
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = format!("127.{number}.{high}.{}", low.clamp(1, 254));
        let settings = format!("fsync = off\nlisten_addresses = '{address}'\nmax_wal_size = '4GB'");
        Loopback {
            cluster: PrivateCluster::new(&settings),
            address,
        }
    }
}

/// A program of examples/ that listens.
struct Program {
    name: &'static str,
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Program {
    /// Starts it, and waits until it says that it listens.
    fn start(name: &'static str, mut command: Command) -> Program {
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name}: {error}: {command:?}"));
        let mut messages = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        messages.read_line(&mut first).unwrap();
        if first != "listening\n" {
            messages.read_to_string(&mut first).unwrap();
            panic!("{name}: {first}");
        }
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || pass_on(output, &sender));
        Program { name, child, lines }
    }

    /// The events up to the first that ends a load.
    fn until_end(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        while !events.last().is_some_and(Event::ends) {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let (arrived, line) =
                line.unwrap_or_else(|_| panic!("{}: no end after {events:#?}", self.name));
            events.push(Event::new(arrived, &line));
        }
        events
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(output: impl BufRead, sender: &Sender<(Instant, String)>) {
    for line in output.lines().map_while(Result::ok) {
        if sender.send((Instant::now(), line)).is_err() {
            return;
        }
    }
}

/// The four of them, listening.
fn programs(host: &str) -> Vec<Program> {
    let examples = repository().join("examples");
    let drivers = repository().join("target/drivers");
    let url = format!("postgresql://postgres@{host}:54320/postgres");
    let mut python = Command::new(drivers.join("python/bin/python"));
    python.arg(examples.join("listen.py")).arg(&url);
    let mut node = Command::new("node");
    node.env("NODE_PATH", drivers.join("node/node_modules"));
    node.arg(examples.join("listen.js")).arg(&url);
    let mut java = Command::new("java");
    java.args(["-cp", JDBC_DRIVER]);
    java.arg(examples.join("Listen.java"));
    java.arg(format!(
        "jdbc:postgresql://{host}:54320/postgres?user=postgres"
    ));
    // Cargo puts examples beside the tests.
    let test = std::env::current_exe().unwrap();
    let mut rust = Command::new(test.ancestors().nth(2).unwrap().join("examples/listen"));
    rust.arg(&url);
    vec![
        Program::start("psycopg", python),
        Program::start("node-postgres", node),
        Program::start("JDBC", java),
        Program::start("tokio-postgres", rust),
    ]
}

#[test]
fn each_listener_hears_a_whole_load_in_order_while_it_runs() {
    let Loopback { cluster, address } = Loopback::new(54);
    let path = write_generated(cluster.files(), "t.csv", 2_000_000, 5, 1);
    let programs = programs(&address);
    let mut session = cluster.connect();
    let begun = Instant::now();
    assert_eq!(load(&mut session, &path).loaded, 2_000_000);
    let returned = Instant::now();
    println!("2,000,000 rows in {:?}", returned - begun);
    let mut stories = Vec::new();
    for program in &programs {
        let events = program.until_end();
        let during = events.iter().filter(|event| event.arrived < returned);
        println!(
            "{}: {} events, {} of them before the call returned",
            program.name,
            events.len(),
            during.clone().count()
        );
        assert!(during.count() >= 2, "{events:#?}");
        let numbers: Vec<u64> = events.iter().map(|e| e.number("sequence")).collect();
        assert_eq!(numbers, Vec::from_iter(1..=events.len() as u64));
        let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("started", "completed"));
        assert!(
            kinds[1..kinds.len() - 1]
                .iter()
                .all(|kind| *kind == "progress")
        );
        assert_eq!(events.last().unwrap().number("rows"), 2_000_000);
        stories.push(
            events
                .into_iter()
                .map(|event| event.json)
                .collect::<Vec<_>>(),
        );
    }
    assert!(stories.iter().all(|story| *story == stories[0]));
}

/// Not a test of time: it says what the delays are.
#[test]
fn the_delay_from_an_end_to_its_receipt_is_told() {
    let Loopback { cluster, address } = Loopback::new(55);
    let good = cluster
        .files()
        .write_rows("good.csv", numbered_rows(0..1000));
    let bad = cluster.files().write_rows("bad.csv", ["bad"]);
    let programs = programs(&address);
    let mut session = cluster.connect();
    for (path, end) in [(&good, "completed"), (&bad, "failed")] {
        let mut delays: Vec<Vec<f64>> = vec![Vec::new(); programs.len()];
        for _ in 0..ROUNDS {
            let result = Ingest::of(path).call(&mut session);
            let caused = Instant::now();
            for (program, delays) in programs.iter().zip(&mut delays) {
                let last = program.until_end().pop().unwrap();
                assert_eq!(last.kind(), end);
                let after = last.arrived.saturating_duration_since(caused);
                delays.push(after.as_secs_f64() * 1e3);
            }
            if let Ok(summary) = result {
                forget(&mut session, summary.id()).unwrap();
            }
        }
        for (program, mut delays) in programs.iter().zip(delays) {
            delays.sort_by(f64::total_cmp);
            println!(
                "{}: {end} is received {:.1} ms after the caller knows (median of {ROUNDS}, most {:.1} ms)",
                program.name,
                delays[delays.len() / 2],
                delays[delays.len() - 1]
            );
        }
    }
}
