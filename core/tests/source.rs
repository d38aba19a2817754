//! Opening files: what may be read, what is refused and with which SQLSTATE, and digests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{GOOD, HEADER, file, load_in_blocks};
use trips_core::Error;
use trips_core::ingest::source::{Blocks, Source};

fn open(path: impl AsRef<Path>) -> Result<Source, Error> {
    Source::open(path.as_ref().to_str().unwrap(), &[])
}

#[track_caller]
fn assert_refused(path: impl AsRef<Path>, sqlstate: &str, message: &str) {
    let error = open(path).expect_err("the file is refused");
    assert_eq!(error.sqlstate(), sqlstate, "{error}");
    assert!(error.message().contains(message), "{error}");
}

/// A directory with `trips.csv` in it.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trips.csv");
    fs::write(&path, format!("{HEADER}\n{GOOD}\n")).unwrap();
    (directory, path)
}

#[test]
fn a_path_must_be_absolute() {
    assert_refused("trips.csv", "42602", "not absolute");
    assert_refused("./trips.csv", "42602", "not absolute");
    assert_refused("", "42602", "not absolute");
}

#[test]
fn a_path_must_be_one_that_the_system_takes() {
    assert_refused("/tmp/a\0b", "22023", "NUL");
    assert_refused(format!("/{}", "a/".repeat(3000)), "22023", "too long");
    assert_refused(format!("/tmp/{}", "a".repeat(300)), "22023", "too long");
}

#[test]
fn a_file_must_be_there() {
    let (directory, path) = directory();
    assert_refused(directory.path().join("other.csv"), "58P01", "No such file");
    assert_refused(path.join("below"), "42809", "Not a directory");
}

#[test]
fn only_regular_files_are_read_and_none_makes_the_call_wait() {
    let (directory, _) = directory();
    assert_refused(directory.path(), "42809", "but a directory");
    let fifo = directory.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    assert_refused(&fifo, "42809", "but a FIFO");
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_refused(&socket, "42809", "but a socket");
    for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        assert_refused(device, "42809", "but a device");
    }
}

#[test]
fn links_are_followed_unless_they_go_in_circles() {
    let (directory, path) = directory();
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    let source = open(&link).unwrap();
    assert_eq!(source.path(), link.to_str().unwrap());
    assert_eq!(source.size(), fs::metadata(&path).unwrap().len());
    let circle = directory.path().join("circle");
    symlink(&circle, &circle).unwrap();
    assert_refused(&circle, "58030", "Too many levels of symbolic links");
}

#[test]
fn a_file_without_permission_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = directory();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        println!("skipped: this user may read every file");
        return;
    }
    assert_refused(&path, "42501", "Permission denied");
}

#[test]
fn allowed_directories_hold_wherever_a_path_leads() {
    let (inside, path) = directory();
    let (outside, secret) = directory();
    let allowed = [PathBuf::from("/nowhere"), inside.path().to_owned()];
    let state = |path: &Path| {
        Source::open(path.to_str().unwrap(), &allowed)
            .map(|_| "opened")
            .unwrap_or_else(|error| error.sqlstate())
    };
    assert_eq!(state(&path), "opened");
    assert_eq!(state(&secret), "42501");
    let name = outside.path().file_name().unwrap();
    assert_eq!(
        state(&inside.path().join("..").join(name).join("trips.csv")),
        "42501"
    );
    let out = inside.path().join("out.csv");
    symlink(&secret, &out).unwrap();
    assert_eq!(state(&out), "42501");
    let way_in = outside.path().join("in.csv");
    symlink(&path, &way_in).unwrap();
    assert_eq!(state(&way_in), "opened");
    // A name that starts alike is another directory.
    let sibling = inside.path().with_extension("2");
    fs::create_dir(&sibling).unwrap();
    fs::write(sibling.join("trips.csv"), "x").unwrap();
    let similar = state(&sibling.join("trips.csv"));
    fs::remove_dir_all(&sibling).unwrap();
    assert_eq!(similar, "42501");
    // An allowed directory may itself be a link.
    let link = outside.path().join("link");
    symlink(inside.path(), &link).unwrap();
    assert!(Source::open(path.to_str().unwrap(), &[link]).is_ok());
}

#[test]
fn what_lies_outside_the_allowed_directories_is_not_told_apart() {
    let (inside, _) = directory();
    let (outside, secret) = directory();
    let allowed = [inside.path().to_owned()];
    let state = |path: PathBuf| {
        Source::open(path.to_str().unwrap(), &allowed)
            .unwrap_err()
            .sqlstate()
    };
    assert_eq!(state(secret), "42501");
    assert_eq!(state(outside.path().to_owned()), "42501");
    assert_eq!(state(outside.path().join("missing.csv")), "42501");
    assert_eq!(state(inside.path().join("../missing.csv")), "42501");
    assert_eq!(state(inside.path().join("missing.csv")), "58P01");
    // Nor is what a link leads to.
    for (name, target) in [
        ("to_missing", outside.path().join("missing.csv")),
        ("to_directory", outside.path().to_owned()),
        ("to_itself", inside.path().join("to_itself")),
    ] {
        symlink(target, inside.path().join(name)).unwrap();
        assert_eq!(state(inside.path().join(name)), "42501", "{name}");
    }
    let below = inside.path().join("to_directory/missing.csv");
    assert_eq!(state(below), "42501");
}

#[test]
fn both_digests_of_a_whole_file_agree() {
    for rows in [0, 1, 30_000] {
        let text = format!("{HEADER}\n{}", format!("{GOOD}\n").repeat(rows));
        let expected: [u8; 32] = blake3::hash(text.as_bytes()).into();
        let digest = load_in_blocks(&text, 100_000).unwrap().digest;
        assert_eq!((digest.blake3, digest.bytes), (expected, text.len() as u64));
        let file = file(&text);
        let source = open(file.path()).unwrap();
        let mut polls = 0;
        let whole = source.digest_whole(&mut || {
            polls += 1;
            Ok(())
        });
        assert_eq!(whole.unwrap(), expected);
        assert!(polls > text.len() >> 20, "polled {polls} times");
        // It has not moved on.
        let (_, mut blocks) = source.into_blocks(1 << 20).unwrap();
        assert_eq!(read(&mut blocks).len(), rows * (GOOD.len() + 1));
    }
}

/// The bytes of all blocks.
fn read(blocks: &mut Blocks) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(block) = blocks.next().unwrap() {
        all.extend(block.bytes);
    }
    all
}

#[test]
fn the_poll_can_end_a_digest() {
    let file = file(HEADER);
    let source = open(file.path()).unwrap();
    let stopped = source.digest_whole(&mut || Err(Error::Stopped));
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn head_digests_tell_files_apart_by_their_size_and_start() {
    let digest = |text: &str| open(file(text).path()).unwrap().head_digest().unwrap();
    let long = "x".repeat(100_000);
    assert_eq!(digest(&long), digest(&long));
    assert_ne!(digest(&long), digest(&format!("{long}x")));
    assert_ne!(digest(&long), digest(&long.replacen('x', "y", 1)));
    assert_ne!(digest(""), digest("x"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let text = format!("{HEADER}\n{}", format!("{GOOD}\n").repeat(3000));
    let changes: [fn(&Path); 3] = [
        |path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"more\n").unwrap();
        },
        |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(100_000).unwrap();
        },
        |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
            file.set_modified(later).unwrap();
        },
    ];
    for change in changes {
        let file = file(&text);
        let whole = open(file.path()).unwrap();
        let (_, mut blocks) = open(file.path()).unwrap().into_blocks(4096).unwrap();
        blocks.next().unwrap().unwrap();
        change(file.path());
        let end = loop {
            match blocks.next() {
                Ok(Some(_)) => {}
                Ok(None) => break blocks.finish().map(|_| ()),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(end.unwrap_err().sqlstate(), "55000");
        let error = whole.digest_whole(&mut || Ok(())).unwrap_err();
        assert_eq!(error.sqlstate(), "55000");
    }
}

#[test]
fn a_file_that_grows_is_not_read_beyond_its_size() {
    let file = file(format!("{HEADER}\n{GOOD}\n"));
    let (_, mut blocks) = open(file.path()).unwrap().into_blocks(16).unwrap();
    let mut more = fs::OpenOptions::new()
        .append(true)
        .open(file.path())
        .unwrap();
    more.write_all(format!("{GOOD}\n").repeat(100).as_bytes())
        .unwrap();
    let mut found = 0;
    let error = loop {
        match blocks.next() {
            Ok(Some(_)) => found += 1,
            Ok(None) => panic!("the end of the file was reached"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), "55000");
    assert!(found <= 1, "{found} blocks");
}

#[test]
fn the_row_at_which_a_file_is_cut_off_is_not_taken_for_a_row() {
    let row = format!("{GOOD}\n");
    let file = file(format!("{HEADER}\n{}", row.repeat(3000)));
    let (_, mut blocks) = open(file.path()).unwrap().into_blocks(4096).unwrap();
    let half = HEADER.len() + 1 + row.len() * 1500 + row.len() / 2;
    fs::OpenOptions::new()
        .write(true)
        .open(file.path())
        .and_then(|file| file.set_len(half as u64))
        .unwrap();
    let error = loop {
        match blocks.next() {
            Ok(Some(block)) => assert!(block.bytes.ends_with(b"\n")),
            Ok(None) => panic!("the end of the file was reached"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), "55000");
}

#[test]
fn a_file_that_was_not_read_to_its_end_has_no_digest() {
    let file = file(format!("{HEADER}\n{}", format!("{GOOD}\n").repeat(3000)));
    let (_, mut blocks) = open(file.path()).unwrap().into_blocks(4096).unwrap();
    blocks.next().unwrap();
    assert_eq!(blocks.finish().unwrap_err().sqlstate(), "55000");
}

#[test]
fn blocks_are_as_large_as_asked_for_but_for_one_record() {
    let long = "x".repeat(500_000);
    let text = format!(
        "{HEADER}\n{}{long}\n{GOOD}\n",
        format!("{GOOD}\n").repeat(20_000)
    );
    let file = file(&text);
    for block_bytes in [64 << 10, 100_000, 1 << 20] {
        let (_, mut blocks) = open(file.path()).unwrap().into_blocks(block_bytes).unwrap();
        while let Some(block) = blocks.next().unwrap() {
            let most = block_bytes.next_multiple_of(64 << 10) + (64 << 10);
            let is_long = block.bytes.windows(8).any(|bytes| bytes == b"xxxxxxxx");
            let most = most + if is_long { long.len() } else { 0 };
            assert!(block.bytes.capacity() <= most, "{}", block.bytes.capacity());
            let at = block.offset as usize;
            assert_eq!(block.bytes, &text.as_bytes()[at..at + block.bytes.len()]);
            let line = 1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count();
            assert_eq!(block.first_line, line as u64);
        }
    }
}

#[test]
fn blocks_of_tiny_rows_are_cut_early() {
    const BLOCK_BYTES: usize = 256 << 10;
    let file = file(format!("{HEADER}\n{}", "x\n".repeat(1 << 20)));
    let (_, mut blocks) = open(file.path()).unwrap().into_blocks(BLOCK_BYTES).unwrap();
    let mut lines = Vec::new();
    while let Some(block) = blocks.next().unwrap() {
        lines.push(block.bytes.len() / 2);
    }
    assert_eq!(lines.iter().sum::<usize>(), 1 << 20);
    // Of 64 bytes a line, a block would have 4,096; what is read at a time adapts.
    assert!(lines[0] <= 32 << 10, "{lines:?}");
    assert!(lines[4..].iter().all(|lines| *lines <= 6_200), "{lines:?}");
}
