//! What a browser makes of a page: it asks for nothing, runs nothing, and can be used by everybody.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use trips_tests::Database;
use trips_tests::files::repository;
use trips_tests::ingest::load;
use trips_tests::program::run;
use trips_tests::rows::write_generated;

use crate::Reports;
use crate::names::{NAMES, database_of_names};

/// Where Debian has Chromium.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Where scripts/setup.sh has npm put packages; none where something is missing, and it is said what.
fn packages() -> Option<PathBuf> {
    let packages = repository().join("target/drivers/node/node_modules");
    let needed = [
        Path::new(CHROMIUM).to_owned(),
        packages.join("playwright-core"),
        packages.join("axe-core"),
    ];
    match needed.iter().find(|path| !path.exists()) {
        Some(missing) => {
            println!("SKIPPED: {} is absent", missing.display());
            None
        }
        None => Some(packages),
    }
}

/// What the browser finds on a page, view by view.
#[track_caller]
fn looked_at(path: &Path, packages: &Path) -> Vec<Value> {
    let mut node = Command::new("node");
    node.env("NODE_PATH", packages)
        .arg(repository().join("cli/tests/browser.cjs"))
        .arg(path)
        .arg(CHROMIUM);
    let output = run(&mut node);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What must hold of every page in every view.
#[track_caller]
fn assert_sound(views: &[Value]) {
    assert_eq!(views.len(), 5);
    for view in views {
        let name = &view["view"];
        for what in ["requests", "errors", "dialogs", "clipped"] {
            assert_eq!(view[what], Value::Array(Vec::new()), "{name}: {what}");
        }
        assert_eq!(
            (&view["scripts"], &view["handlers"]),
            (&Value::from(0), &Value::from(0)),
            "{name}"
        );
        assert!(view["checks"].as_u64() > Some(15), "{name}: axe looked");
        // Not only of the serious and critical ones: there are none.
        let violations = view["violations"].as_array().unwrap();
        assert!(violations.is_empty(), "{name}: {violations:#?}");
        assert_eq!(
            view["overflow"],
            Value::from(vec![0, 0]),
            "{name}: wider than its window"
        );
        assert_eq!(view["headings"][0], "H1", "{name}");
    }
}

#[test]
fn a_page_asks_for_nothing_logs_no_error_and_is_accessible_in_light_dark_print_and_on_a_phone() {
    let Some(packages) = packages() else { return };
    let database = Database::new();
    let path = write_generated(database.files(), "t.csv", 20_000, 5, 1);
    load(&mut database.connect(), &path);
    let reports = Reports::of(&database);
    reports.make(&["--from", "2018-01-03"]);
    let views = looked_at(&reports.path(), &packages);
    assert_sound(&views);
    for view in views {
        // Weeks, hours, and a map of each region.
        assert_eq!(view["drawings"], 7, "{}", view["view"]);
    }
}

#[test]
fn hostile_names_are_text_in_a_browser_and_run_nothing() {
    let Some(packages) = packages() else { return };
    let database = database_of_names();
    let reports = Reports::of(&database);
    reports.make(&[]);
    let views = looked_at(&reports.path(), &packages);
    assert_sound(&views);
    for view in views {
        let names = view["names"].as_array().unwrap();
        for name in NAMES {
            assert!(
                names.iter().any(|shown| shown == name),
                "{}: {name}",
                view["view"]
            );
        }
    }
}

#[test]
fn a_page_without_trips_is_sound_too() {
    let Some(packages) = packages() else { return };
    let database = Database::new();
    let reports = Reports::of(&database);
    reports.make(&[]);
    assert_sound(&looked_at(&reports.path(), &packages));
}
