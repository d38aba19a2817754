//! README.md keeps its word: each of its SQL blocks runs, in order, in one database, and gives the output that stands
//! below it.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use trips_tests::files::repository;
use trips_tests::ingest::{forget, load};
use trips_tests::program::program;
use trips_tests::rows::numbered_rows;
use trips_tests::{Database, Role};

/// The file that README loads; the tests put the sample in its place.
const README_FILE: &str = "/data/trips.csv";

/// The role that README makes; roles belong to the whole cluster, so the tests give it a name of their own.
const README_ROLE: &str = "loader";

/// A fenced block: its language, its text and the line of README on which it begins.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    text: String,
    line: usize,
    /// Whether nothing but blank lines stands between it and the block before.
    follows: bool,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut follows = false;
    for (number, line) in (1..).zip(markdown.lines()) {
        match (line.strip_prefix("```"), open) {
            (Some(_), true) => (open, follows) = (false, true),
            (Some(language), false) => {
                open = true;
                blocks.push(Block {
                    language: language.trim().to_owned(),
                    text: String::new(),
                    line: number,
                    follows,
                });
            }
            (None, true) => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => follows &= line.trim().is_empty(),
        }
    }
    assert!(!open, "a block of README.md is not closed");
    blocks
}

/// Lines without the blanks at their ends, and without blank lines at either end.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// What psql prints for statements, in a session of its own.
fn psql(database: &Database, block: &Block) -> String {
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
        "README.md, line {}: {errors}",
        block.line
    );
    String::from_utf8(output.stdout).expect("psql prints UTF-8")
}

#[test]
fn every_statement_of_the_readme_gives_the_output_that_stands_below_it() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("there is a README.md");
    let role = Role::unmade();
    let database = Database::empty();
    let sample = fs::read(repository().join("samples/trips.csv")).expect("there is a sample");
    let sample = database.files().write("trips.csv", sample);
    let blocks = blocks(&readme);
    let (mut run, mut compared) = (0, 0);
    for (place, block) in blocks.iter().enumerate() {
        if block.language != "sql" {
            continue;
        }
        let statements = Block {
            language: String::new(),
            text: block
                .text
                .replace(README_FILE, &sample)
                .replace(README_ROLE, &role.name),
            ..*block
        };
        let printed = psql(&database, &statements).replace(&sample, README_FILE);
        run += 1;
        let next = blocks.get(place + 1);
        if let Some(expected) = next.filter(|next| next.follows && next.language == "text") {
            assert_eq!(
                trimmed(&printed),
                trimmed(&expected.text),
                "README.md, line {}",
                expected.line
            );
            compared += 1;
        }
    }
    println!("{run} blocks run, {compared} outputs compared");
    assert!(run > 0, "README.md has no SQL");
    assert_may_load_and_forget(&database, &role);
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
