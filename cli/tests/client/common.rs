//! The program, run as its users run it: by its arguments, its environment and its output.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in an environment that holds nothing of this machine's.
pub fn trips(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trips"));
    command.env_clear().env("HOME", home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// A program's status, output and errors, once it ends by itself.
#[track_caller]
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    Running::start(command).ended()
}

/// A program that runs, killed with the value.
pub struct Running {
    child: Child,
    /// Lines of its standard output.
    pub lines: Lines,
    /// Lines of its standard error.
    pub notes: Lines,
}

/// Lines as they come.
pub struct Lines(Receiver<String>);

impl Running {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let notes = Lines::of(child.stderr.take().unwrap());
        Running {
            child,
            lines,
            notes,
        }
    }

    /// Starts `trips watch`, and waits until it listens.
    pub fn watch(conninfo: &str, arguments: &[&str]) -> Running {
        let home = TempDir::new().unwrap();
        let mut command = trips(home.path());
        command
            .args(["watch", "--dbname", conninfo])
            .args(arguments);
        let running = Running::start(&mut command);
        running.notes.until("listening on ");
        running
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Its standard input, where that is piped.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Its status, output and errors, once it ends by itself.
    #[track_caller]
    pub fn ended(mut self) -> (Option<i32>, String, String) {
        let status = self.end();
        let text = |lines: &Lines| -> String {
            let lines = lines.rest();
            lines.iter().map(|line| format!("{line}\n")).collect()
        };
        (status, text(&self.lines), text(&self.notes))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its status, once it ends by itself.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return ExitStatus::code(&status);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(lines)
    }

    /// The next line.
    #[track_caller]
    pub fn next(&self) -> String {
        let next = self.0.recv_timeout(PATIENCE);
        next.unwrap_or_else(|error| panic!("no line comes: {error}"))
    }

    /// Lines up to the first that holds this text, which is the last.
    #[track_caller]
    pub fn until(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("never \"{text}\" ({error}) in {lines:#?}"),
            }
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    /// All that is left, once the program has ended.
    pub fn rest(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {lines:#?}"),
            }
        }
    }
}
