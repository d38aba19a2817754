//! What each file has brought, told apart from what others did, and comparable between servers and times.

use std::collections::BTreeMap;

use postgres::Client;

/// What trips are called that belong to no file.
pub const BY_HAND: &str = "by hand";

/// Rows, and a hash of all that they say but of the numbers that the server gives: ingests and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// How many trips there are.
    pub trips: i64,
    /// Of the trips.
    pub hash: String,
    /// How many rows were rejected.
    pub rejected: i64,
    /// Of the rejected rows.
    pub rejected_hash: String,
}

/// The contents of all files that have brought something, by their paths.
pub type Contents = BTreeMap<String, Content>;

const QUERY: &str = "
WITH t AS (
    SELECT t.id >> 32 AS ingest, count(*) AS n,
           sum(hashtextextended(concat_ws('|', t.id & 4294967295, r.name, d.name, t.departed_at, t.origin, t.destination), 0)) AS hash
      FROM trips.trip t
      LEFT JOIN trips.region r ON r.id = t.region_id
      LEFT JOIN trips.datasource d ON d.id = t.datasource_id
     GROUP BY 1
), r AS (
    SELECT ingest_id AS ingest, count(*) AS n, sum(hashtextextended((to_jsonb(r) - 'ingest_id')::text, 0)) AS hash
      FROM trips.rejected_row r
     GROUP BY 1
)
SELECT coalesce(i.file, 'by hand'), coalesce(t.n, 0), coalesce(t.hash, 0)::text, coalesce(r.n, 0), coalesce(r.hash, 0)::text
  FROM (SELECT id AS ingest, file FROM trips.ingest) i
  FULL JOIN t USING (ingest)
  FULL JOIN r USING (ingest)";

/// What the session sees now.
///
/// # Panics
/// Where a file has been loaded more than once.
#[track_caller]
pub fn contents(client: &mut Client) -> Contents {
    let mut contents = Contents::new();
    for row in client.query(QUERY, &[]).expect("the tables can be read") {
        let file: String = row.get(0);
        let content = Content {
            trips: row.get(1),
            hash: row.get(2),
            rejected: row.get(3),
            rejected_hash: row.get(4),
        };
        let doubled = contents.insert(file.clone(), content);
        assert_eq!(doubled, None, "{file} is there twice");
    }
    contents
}

/// The trips that the table has, those that its trees count, and those of the ledger. In one statement: of one moment.
pub fn trips_three_ways(client: &mut Client) -> (i64, i64, i64) {
    let query = "SELECT (SELECT count(*) FROM trips.trip),
        (SELECT coalesce(sum(trips), 0)::bigint FROM trips_area_plan(-180, -90, 180, 90)),
        (SELECT coalesce(sum(rows_loaded), 0)::bigint FROM trips.ingest)";
    let row = client.query_one(query, &[]).expect("they can be counted");
    (row.get(0), row.get(1), row.get(2))
}
