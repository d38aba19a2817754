//! A watched directory tells of each file when it is complete, and of no other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use trips_core::inbox::{Inbox, News};

/// What is told from now on until this much later, where nothing happens meanwhile.
fn news(inbox: &mut Inbox, later: Duration) -> Vec<News> {
    let mut all = Vec::new();
    let now = Instant::now();
    for now in [now, now + later] {
        // One look takes a part of the kernel's notices, of which some bring no news.
        let mut silent = 0;
        while silent < 200 {
            let news = inbox.look(now).unwrap();
            let goes_on = !news.is_empty() || inbox.pause(now) == Some(NOW);
            silent = if goes_on { 0 } else { silent + 1 };
            all.extend(news);
        }
    }
    all
}

/// The names and sizes of the files that are told to be complete.
fn complete(news: &[News]) -> BTreeMap<String, u64> {
    let told = news.iter().filter_map(|one| match one {
        News::Complete { path, state } => {
            let name = Path::new(path).file_name().unwrap();
            Some((name.to_str().unwrap().to_owned(), state.size))
        }
        _ => None,
    });
    told.collect()
}

fn names<const N: usize>(names: [(&str, u64); N]) -> BTreeMap<String, u64> {
    names.map(|(name, size)| (name.to_owned(), size)).into()
}

/// A file whose content was last changed ten seconds ago.
fn old_file(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    let then = SystemTime::now() - Duration::from_secs(10);
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

fn watched() -> (TempDir, Inbox) {
    let directory = TempDir::new().unwrap();
    let mut inbox = Inbox::open(directory.path().to_str().unwrap()).unwrap();
    assert!(news(&mut inbox, NOW).is_empty());
    (directory, inbox)
}

const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_renamed_or_linked_in_is_complete() {
    let (directory, mut inbox) = watched();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("a"), "12345").unwrap();
    fs::rename(outside.path().join("a"), directory.path().join("a.csv")).unwrap();
    assert_eq!(complete(&news(&mut inbox, NOW)), names([("a.csv", 5)]));
    fs::write(directory.path().join(".b"), "1234567").unwrap();
    assert!(news(&mut inbox, SECOND * 9).is_empty(), "hidden");
    fs::rename(directory.path().join(".b"), directory.path().join("b.csv")).unwrap();
    assert_eq!(complete(&news(&mut inbox, NOW)), names([("b.csv", 7)]));
    fs::write(outside.path().join("c"), "123").unwrap();
    fs::hard_link(outside.path().join("c"), directory.path().join("c.csv")).unwrap();
    assert_eq!(
        complete(&news(&mut inbox, SECOND * 2)),
        names([("c.csv", 3)])
    );
}

#[test]
fn what_is_written_is_complete_once_closed_and_unchanged() {
    let (directory, mut inbox) = watched();
    let mut file = File::create(directory.path().join("t.csv")).unwrap();
    file.write_all(b"123").unwrap();
    assert!(news(&mut inbox, SECOND * 100).is_empty(), "still open");
    drop(file);
    assert!(news(&mut inbox, NOW).is_empty(), "just closed");
    // Opened and closed again within the second.
    let path = directory.path().join("t.csv");
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(b"45").unwrap();
    assert!(news(&mut inbox, SECOND * 2).is_empty(), "it has grown");
    drop(file);
    assert!(news(&mut inbox, NOW).is_empty(), "just closed");
    assert_eq!(
        complete(&news(&mut inbox, SECOND * 2)),
        names([("t.csv", 5)])
    );
    assert!(news(&mut inbox, SECOND * 100).is_empty(), "told once");
}

#[test]
fn what_was_there_is_found_once_it_has_stayed_as_it_is() {
    let directory = TempDir::new().unwrap();
    for n in 0..500 {
        old_file(&directory.path().join(format!("{n}.csv")), "12");
    }
    fs::write(directory.path().join("young.csv"), "123").unwrap();
    fs::create_dir(directory.path().join("directory")).unwrap();
    old_file(&directory.path().join(".hidden"), "12");
    let mut inbox = Inbox::open(directory.path().to_str().unwrap()).unwrap();
    assert!(!inbox.has_scanned());
    let found = complete(&news(&mut inbox, NOW));
    assert!(inbox.has_scanned());
    assert_eq!(found.len(), 500, "{found:?}");
    assert!(!found.contains_key("young.csv"));
    assert_eq!(
        complete(&news(&mut inbox, SECOND * 6)),
        names([("young.csv", 3)])
    );
}

#[test]
fn links_fifos_and_directories_are_passed_over() {
    let (directory, mut inbox) = watched();
    let outside = TempDir::new().unwrap();
    old_file(&outside.path().join("secret"), "12345");
    let link = directory.path().join("link.csv");
    std::os::unix::fs::symlink(outside.path().join("secret"), &link).unwrap();
    fs::rename(&link, directory.path().join("renamed.csv")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(directory.path().join("fifo.csv"))
        .status();
    assert!(made.unwrap().success());
    fs::create_dir(directory.path().join("directory.csv")).unwrap();
    let told = news(&mut inbox, SECOND * 100);
    assert!(complete(&told).is_empty(), "{told:?}");
    let mut again = Inbox::open(directory.path().to_str().unwrap()).unwrap();
    assert!(news(&mut again, SECOND * 100).is_empty());
}

#[test]
fn what_goes_is_told_and_what_no_path_can_name() {
    use std::os::unix::ffi::OsStrExt;
    let (directory, mut inbox) = watched();
    let path = directory.path().join("t.csv");
    old_file(&path, "12");
    old_file(&directory.path().join("u.csv"), "12");
    fs::remove_file(&path).unwrap();
    fs::rename(directory.path().join("u.csv"), directory.path().join(".u")).unwrap();
    let gone = |path: &Path| News::Gone {
        path: path.to_str().unwrap().to_owned(),
    };
    let told = news(&mut inbox, SECOND * 2);
    assert_eq!(told, [gone(&path), gone(&directory.path().join("u.csv"))]);
    let name = std::ffi::OsStr::from_bytes(b"\xff.csv");
    old_file(&directory.path().join(name), "12");
    let name = "\u{fffd}.csv".to_owned();
    assert_eq!(news(&mut inbox, SECOND * 2), [News::NotText { name }]);
}

#[test]
fn more_than_the_kernel_keeps_is_found_by_a_scan() {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    let (directory, mut inbox) = watched();
    let noise = directory.path().join(".noise");
    // Each tells of two names, and neighbours that are alike are told once.
    for _ in 0..=most / 2 {
        fs::write(&noise, "").unwrap();
        fs::rename(&noise, directory.path().join(".other")).unwrap();
    }
    old_file(&directory.path().join("t.csv"), "12");
    assert_eq!(complete(&news(&mut inbox, NOW)), names([("t.csv", 2)]));
}

#[test]
fn a_directory_that_is_not_there_or_goes_is_an_error() {
    let (directory, mut inbox) = watched();
    let path = directory.path().to_str().unwrap().to_owned();
    directory.close().unwrap();
    let gone = inbox.look(Instant::now()).unwrap_err();
    let message = format!("could not watch directory \"{path}\": No such file or directory");
    assert_eq!(gone.to_string(), message);
    let missing = Inbox::open(&path).unwrap_err();
    assert_eq!(
        (missing.to_string(), missing.sqlstate()),
        (message, "58P01")
    );
    assert_eq!(Inbox::open("relative").unwrap_err().sqlstate(), "42602");
    let file = tempfile::NamedTempFile::new().unwrap();
    let not_one = Inbox::open(file.path().to_str().unwrap()).unwrap_err();
    assert!(
        not_one.to_string().ends_with(": Not a directory"),
        "{not_one}"
    );
}
