//! README.md and docs/ keep their word: each SQL block of a page runs, in order, in one database, and gives the output that
//! stands below it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use flate2::read::GzDecoder;
use trips_tests::files::{repository, shared};
use trips_tests::ingest::{forget, load};
use trips_tests::page::{Block, blocks};
use trips_tests::program::program;
use trips_tests::rows::numbered_rows;
use trips_tests::{Database, Role};

/// The file that pages load; the tests put one of theirs in its place.
const FILE: &str = "/data/trips.csv";

/// Lines without the blanks at their ends, and without blank lines at either end.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// What psql prints for statements, in a session of its own.
fn psql(database: &Database, page: &str, block: &Block) -> String {
    let mut child = program("psql")
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &database.conninfo(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is installed");
    let mut input = child.stdin.take().expect("its input is a pipe");
    input
        .write_all(block.text.as_bytes())
        .expect("psql reads its input");
    drop(input);
    let output = child.wait_with_output().expect("psql ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{page}, line {}: {errors}",
        block.line
    );
    String::from_utf8(output.stdout).expect("psql prints UTF-8")
}

/// Runs the statements of a page and compares what they print. The page loads `file`, and makes a role; roles belong to the whole
/// cluster, so that it is given another name here.
fn check_page(database: &Database, page: &str, file: &[u8], (named, role): (&str, &Role)) {
    let text = fs::read_to_string(repository().join(page)).expect("there is such a page");
    let file = database.files().write("trips.csv", file);
    let blocks = blocks(&text);
    let (mut run, mut compared) = (0, 0);
    for (place, block) in blocks.iter().enumerate() {
        if block.language != "sql" {
            continue;
        }
        let statements = Block {
            language: String::new(),
            text: block.text.replace(FILE, &file).replace(named, &role.name),
            ..*block
        };
        let printed = psql(database, page, &statements).replace(&file, FILE);
        run += 1;
        let next = blocks.get(place + 1);
        if let Some(expected) = next.filter(|next| next.follows && next.language == "text") {
            assert_eq!(
                trimmed(&printed),
                trimmed(&expected.text),
                "{page}, line {}",
                expected.line
            );
            compared += 1;
        }
    }
    println!("{page}: {run} blocks run, {compared} outputs compared");
    assert!(run > 0, "{page} has no SQL");
}

#[test]
fn every_statement_of_the_readme_gives_the_output_that_stands_below_it() {
    let role = Role::unmade();
    let database = Database::empty();
    let sample = fs::read(repository().join("samples/trips.csv")).expect("there is a sample");
    check_page(&database, "README.md", &sample, ("loader", &role));
    assert_may_load_and_forget(&database, &role);
}

#[test]
fn every_statement_about_events_and_the_watched_folder_runs() {
    let role = Role::unmade();
    let database = Database::new();
    for page in ["docs/events.md", "docs/inbox.md"] {
        check_page(&database, page, b"", ("courier", &role));
    }
}

#[test]
fn every_statement_about_what_is_sent_gives_the_output_that_stands_below_it() {
    let role = Role::unmade();
    let database = Database::new();
    let sample = fs::read(repository().join("samples/trips.csv")).expect("there is a sample");
    check_page(&database, "docs/upload.md", &sample, ("sender", &role));
}

#[test]
fn every_statement_about_security_gives_the_output_that_stands_below_it() {
    let role = Role::unmade();
    let database = Database::new();
    check_page(&database, "docs/security.md", b"", ("analyst", &role));
}

#[test]
fn every_statement_about_groups_gives_the_output_that_stands_below_it() {
    let Some(path) = shared("real_trips.csv.gz") else {
        return;
    };
    let mut trips = Vec::new();
    let file = File::open(path).expect("it can be opened");
    GzDecoder::new(file)
        .read_to_end(&mut trips)
        .expect("it is whole");
    let role = Role::unmade();
    let database = Database::empty();
    check_page(&database, "docs/groups.md", &trips, ("keeper", &role));
}

/// The rights that README grants are all that it takes.
fn assert_may_load_and_forget(database: &Database, role: &Role) {
    let path = database.files().write_rows("more.csv", numbered_rows(0..5));
    let mut session = database.connect();
    session.run(&format!("SET ROLE {}", role.name));
    let ingest = load(&mut session, &path).id();
    assert_eq!(forget(&mut session, ingest).expect("it may forget"), 5);
}

#[test]
fn blocks_are_told_apart_by_what_stands_between_them() {
    let found = blocks("```sql\nSELECT 1;\n```\n\n```text\n1\n```\nwords\n```sh\nls\n```\n");
    let found: Vec<(&str, &str, usize, bool)> = found
        .iter()
        .map(|block| {
            (
                block.language.as_str(),
                block.text.as_str(),
                block.line,
                block.follows,
            )
        })
        .collect();
    let expected = [
        ("sql", "SELECT 1;\n", 1, false),
        ("text", "1\n", 5, true),
        ("sh", "ls\n", 9, false),
    ];
    assert_eq!(found, expected);
}

/// All Rust files below a directory, as one text.
fn sources(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("there is such a directory");
    let texts = entries.map(|entry| {
        let path = entry.expect("it can be listed").path();
        match path.extension().is_some_and(|extension| extension == "rs") {
            true => fs::read_to_string(path).expect("it is text"),
            false if path.is_dir() && !path.ends_with("target") => sources(&path),
            false => String::new(),
        }
    });
    texts.collect()
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let code: String = ["tests", "core", "cli", "src"]
        .map(|directory| sources(&repository().join(directory)))
        .concat();
    let mut named = 0;
    for page in ["README.md", "docs/RELIABILITY.md", "docs/security.md"] {
        let text = fs::read_to_string(repository().join(page)).expect("there is such a page");
        // A test is called by a sentence.
        let is_sentence = |word: &&str| {
            word.matches('_').count() >= 3
                && !word.starts_with("pg_")
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        };
        for test in text.split('`').filter(is_sentence) {
            assert!(code.contains(&format!("fn {test}(")), "{page} names {test}");
            named += 1;
        }
    }
    println!("{named} tests are named");
}
