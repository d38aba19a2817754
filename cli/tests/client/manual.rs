//! What is made of the command line's description: help, completions, man pages.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::common::{run, trips};

fn printed(arguments: &[&str]) -> String {
    let home = TempDir::new().unwrap();
    let (status, out, errors) = run(trips(home.path()).args(arguments));
    assert_eq!(status, Some(0), "{arguments:?}: {errors}");
    out
}

#[test]
fn every_command_has_help_by_both_names_and_watch_teaches_by_examples() {
    for command in ["watch", "load", "report", "completions", "man"] {
        for help in ["-?", "--help"] {
            assert!(
                printed(&[command, help]).contains("Usage: trips"),
                "{command} {help}"
            );
        }
    }
    for help in [printed(&["--help"]), printed(&["watch", "--help"])] {
        assert!(
            help.contains("Examples:") && help.contains("Exit status"),
            "{help}"
        );
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let home = TempDir::new().unwrap();
    let script = home.path().join("trips");
    fs::write(&script, printed(&["completions", "bash"])).unwrap();
    for (typed, word, expected) in [
        ("trips wa", "wa", "watch"),
        ("trips watch --un", "--un", "--until-done"),
    ] {
        let words: Vec<&str> = typed.split(' ').collect();
        let ask = format!(
            "source '{}'; COMP_WORDS=({typed}); COMP_CWORD={}; _trips trips '{word}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1,
            words[words.len() - 2],
        );
        let (_, out, errors) = run(Command::new("bash").args(["--norc", "-c", &ask]));
        assert_eq!(out.trim(), expected, "{errors}");
    }
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        assert!(
            printed(&["completions", shell]).contains("until-done"),
            "{shell}"
        );
    }
}

#[test]
fn there_is_a_man_page_for_each_command() {
    assert!(printed(&["man"]).contains(".TH trips 1"));
    let directory = TempDir::new().unwrap();
    let pages = directory.path().join("man1");
    printed(&["man", "--output", pages.to_str().unwrap()]);
    for (page, holds) in [
        ("trips.1", "trips\\-watch(1)"),
        ("trips-watch.1", "until\\-done"),
        ("trips-report.1", "trips\\-report"),
    ] {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(holds), "{page}: {text}");
    }
}
