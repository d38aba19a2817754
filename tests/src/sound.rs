//! Whether what a server keeps on disk is sound, as PostgreSQL's own programs see it.

use crate::PrivateCluster;
use crate::program::{program, run};

/// Every table and every index of the extension's database is what it must be.
///
/// # Panics
/// Where pg_amcheck finds something.
#[track_caller]
pub fn assert_amcheck(cluster: &PrivateCluster) {
    let mut command = program("pg_amcheck");
    command.args(["--install-missing", "--heapallindexed", "--parent-check"]);
    let output = run(command.arg(cluster.conninfo()));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// Ends the server; every page that it leaves has the checksum of its content.
///
/// # Panics
/// Where pg_checksums finds a page that has not.
#[track_caller]
fn assert_checksums(cluster: &PrivateCluster) {
    cluster.stop();
    let output = run(program("pg_checksums").arg("--check").arg(cluster.data()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(number(&said, "Bad checksums:"), 0, "{said}");
    let blocks = number(&said, "Blocks scanned:");
    assert!(blocks > 0, "{said}");
    println!("pg_amcheck: 0 findings; pg_checksums: {blocks} blocks, 0 bad");
}

/// Both, and says so; the server is ended.
#[track_caller]
pub fn assert_sound(cluster: &PrivateCluster) {
    assert_amcheck(cluster);
    assert_checksums(cluster);
}

fn number(said: &str, label: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no {label} in {said}"))
}
