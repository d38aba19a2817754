//! Names that try something, or are written in other ways, stand on the page as they are and do nothing.

use trips_tests::Database;
use trips_tests::ingest::load;
use trips_tests::rows::numbered;

use crate::Reports;

/// Names that a file can hold.
pub const NAMES: [&str; 6] = [
    "\"O'Brien\" & <script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "תל אביב",
    "القاهرة الجديدة",
    "🚗👩‍👩‍👧 Ride",
    "{{7*7}} ${x} %s \\ `rm`",
];

/// A database whose regions, datasources and file have such names.
pub fn database_of_names() -> Database {
    let database = Database::new();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let rows = (0..600).map(|number| {
        let name = NAMES[number as usize % NAMES.len()];
        let row = trips_tests::Row {
            region: quoted(name),
            datasource: quoted(name),
            ..numbered(number * 97)
        };
        row.to_string()
    });
    let path = database
        .files()
        .write_rows("<script>alert('file')<&>.csv", rows);
    load(&mut database.connect(), &path);
    database
}

#[test]
fn names_stand_on_the_page_as_they_are() {
    let database = database_of_names();
    let page = Reports::of(&database).make(&[]);
    for table in [
        "Regions by their number of trips",
        "Datasources by their number of trips",
    ] {
        let mut shown: Vec<String> = page
            .table(table)
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        shown.sort();
        let mut names = NAMES.map(str::to_owned);
        names.sort();
        assert_eq!(shown, names, "{table}");
    }
}

#[test]
fn names_bring_no_element_and_no_attribute() {
    let database = database_of_names();
    for region in NAMES {
        let page = Reports::of(&database).make(&["--region", region]);
        assert!(page.says(&format!("Trips of {region}")));
        for element in ["<script", "<img", "<b>", "onerror=alert(1)>\""] {
            assert!(!page.html.contains(element), "{element}");
        }
    }
}

#[test]
fn characters_that_no_page_may_hold_are_replaced() {
    let database = database_of_names();
    database.connect().run(
        "UPDATE trips.region SET name = E'bell\\x07 escape\\x1b turned\\u202eback' WHERE id = 1;
         UPDATE trips.datasource SET name = E'line\\u2028 nel\\u0085' WHERE id = 1",
    );
    let page = Reports::of(&database).make(&[]);
    assert!(page.says("bell\u{fffd} escape\u{fffd} turned\u{fffd}back"));
    let odd = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert_eq!(page.html.chars().filter(|c| odd(*c)).count(), 0);
}
