//! The whole contents of the extension's tables, and what must hold of them at any time.

use std::collections::BTreeMap;

use postgres::Client;

/// The rows of each table of the schema `trips`, as text, in order.
pub type Snapshot = BTreeMap<String, Vec<String>>;

/// How many rows each table of the schema `trips` has, and a hash of them.
pub type Digest = BTreeMap<String, (i64, String)>;

/// The tables that hold something of trips: what is noted of ingests that ran stays, whatever came of them.
fn tables(client: &mut Client) -> Vec<String> {
    let tables = client
        .query(
            "SELECT relname::text FROM pg_class
              WHERE relnamespace = 'trips'::regnamespace AND relkind IN ('r', 'p')
                AND relname <> 'ingest_attempt'",
            &[],
        )
        .expect("the catalogue answers");
    tables.iter().map(|table| table.get(0)).collect()
}

/// What tells a [`snapshot`] from any other, of tables that are too large to be kept.
pub fn digest(client: &mut Client) -> Digest {
    let mut digest = Digest::new();
    for table in tables(client) {
        let query = format!(
            "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM trips.{table} t"
        );
        let row = client
            .query_one(&query, &[])
            .expect("the table can be read");
        digest.insert(table, (row.get(0), row.get(1)));
    }
    digest
}

/// All that the extension's tables hold of trips.
pub fn snapshot(client: &mut Client) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for table in tables(client) {
        let rows = client
            .query(
                &format!("SELECT t::text FROM trips.{table} t ORDER BY t::text COLLATE \"C\""),
                &[],
            )
            .expect("the table can be read");
        let rows = rows.iter().map(|row| row.get(0)).collect();
        snapshot.insert(table, rows);
    }
    snapshot
}

/// The same without the area trees, which are built anew where the rest is brought back from a dump.
pub fn snapshot_of_the_dumped(client: &mut Client) -> Snapshot {
    let mut snapshot = snapshot(client);
    snapshot.retain(|table, _| !table.starts_with("area_") && table != "region_day");
    snapshot
}

/// What books have to balance: each query must give no row.
const BOOKS: [(&str, &str); 7] = [
    (
        "read = loaded + rejected",
        "SELECT id FROM trips.ingest WHERE rows_read <> rows_loaded + rows_rejected",
    ),
    (
        "the ledger counts the trips",
        "SELECT i.id, i.rows_loaded, t.n
           FROM trips.ingest i
           FULL JOIN (SELECT id >> 32 AS ingest, count(*) AS n FROM trips.trip GROUP BY 1) t ON t.ingest = i.id
          WHERE coalesce(i.rows_loaded, -1) <> coalesce(t.n, 0)",
    ),
    (
        "the ledger counts the rejected rows",
        "SELECT i.id, i.rows_rejected, r.n
           FROM trips.ingest i
           FULL JOIN (SELECT ingest_id, count(*) AS n FROM trips.rejected_row GROUP BY 1) r ON r.ingest_id = i.id
          WHERE coalesce(i.rows_rejected, -1) <> coalesce(r.n, 0)",
    ),
    (
        "the area trees have the trips, and nothing else",
        "SELECT * FROM trips_check()",
    ),
    (
        // By their order: the server's hash of int8 folds its halves, so that ids of several ingests collide.
        "ids are unique",
        "SELECT id FROM (SELECT id, lag(id) OVER (ORDER BY id) AS previous FROM trips.trip) t WHERE id = previous",
    ),
    (
        "no row is both loaded and rejected",
        "SELECT t.id FROM trips.trip t
           JOIN trips.rejected_row r ON r.ingest_id = t.id >> 32 AND r.line = (t.id & 4294967295)",
    ),
    (
        "every trip has its region and its datasource",
        "SELECT t.id FROM trips.trip t
           LEFT JOIN trips.region r ON r.id = t.region_id
           LEFT JOIN trips.datasource d ON d.id = t.datasource_id
          WHERE r.id IS NULL OR d.id IS NULL",
    ),
];

/// Ledger, trips, rejected rows and dimensions agree.
#[track_caller]
pub fn assert_books_balance(client: &mut Client) {
    for (promise, query) in BOOKS {
        let rows = client.query(query, &[]).expect("the tables can be read");
        assert!(
            rows.is_empty(),
            "broken: {promise}: {} rows: {query}",
            rows.len()
        );
    }
}

/// No trip, no rejected row, no ledger row, no name.
#[track_caller]
pub fn assert_nothing_stored(client: &mut Client) {
    for (table, rows) in snapshot(client) {
        assert!(
            rows.is_empty(),
            "trips.{table} holds {} rows, {:?} first",
            rows.len(),
            rows[0]
        );
    }
}
