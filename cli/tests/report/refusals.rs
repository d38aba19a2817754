//! Reports of nothing, and reports that cannot be made.

use trips_tests::Database;
use trips_tests::ingest::load;
use trips_tests::rows::numbered_rows;

use crate::Reports;

#[test]
fn an_empty_database_has_a_page_that_says_how_to_load_trips() {
    let database = Database::new();
    let page = Reports::of(&database).make(&[]);
    assert!(page.says("This database holds no trips yet"));
    assert!(page.says("SELECT * FROM trips_ingest('/data/trips.csv');"));
}

#[test]
fn a_period_without_trips_has_a_page_that_says_so() {
    let database = Database::new();
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    load(&mut database.connect(), &path);
    for arguments in [
        &["--from", "2030-01-01"][..],
        &["--to", "2000-01-01"],
        &["--from", "2001-01-01", "--to", "2001-02-01"],
    ] {
        let page = Reports::of(&database).make(arguments);
        assert!(
            page.says("There are no trips in this period"),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_unknown_region_is_refused_with_those_that_are_known() {
    let database = Database::new();
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    load(&mut database.connect(), &path);
    let said = Reports::of(&database).refused(&["--region", "Nowhere"]);
    assert!(
        said.contains("region \"Nowhere\" does not exist")
            && said.contains("Known regions: Turin."),
        "{said}"
    );
}

#[test]
fn a_database_without_the_extension_is_refused_with_what_to_do() {
    let database = Database::empty();
    let said = Reports::of(&database).refused(&[]);
    assert!(
        said.contains("does not have the extension trips_ext")
            && said.contains("CREATE EXTENSION trips_ext CASCADE"),
        "{said}"
    );
}

#[test]
fn days_that_do_not_exist_and_periods_that_have_none_are_refused() {
    let reports = Reports::of(&Database::empty());
    for arguments in [&["--from", "2018-02-30"][..], &["--to", "tomorrow"]] {
        assert!(
            reports
                .refused(arguments)
                .contains("a day is written as 2018-05-28")
        );
    }
    let said = reports.refused(&["--from", "2018-05-02", "--to", "2018-05-02"]);
    assert!(
        said.contains("the period from 2018-05-02 to 2018-05-02 has no days"),
        "{said}"
    );
}

#[test]
fn a_page_goes_to_standard_output_when_asked_and_the_line_about_it_does_not() {
    let database = Database::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_trips"))
        .args(["report", "-o", "-", "--dbname", &database.conninfo()])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"<!DOCTYPE html>") && output.stdout.ends_with(b"</html>"));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("-: 0 trips, 0 regions, ")
    );
}

#[test]
fn dates_too_far_apart_are_refused() {
    let database = Database::new();
    let rows = ["0001-01-01 00:00:00", "2018-01-01 00:00:00"].map(|departed_at| {
        trips_tests::Row {
            departed_at: departed_at.to_owned(),
            ..trips_tests::rows::numbered(1)
        }
        .to_string()
    });
    let path = database.files().write_rows("t.csv", rows);
    load(&mut database.connect(), &path);
    let said = Reports::of(&database).refused(&[]);
    assert!(said.contains("too far apart for a report"), "{said}");
}
