//! Rows written and read past SQL: bulk inserts of values, kept statements, cursors.

#[pgrx::pg_schema]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::ffi::CStr;

    use pgrx::prelude::*;
    use trips_core::Error;

    use crate::postgres::bulk_insert::BulkInsert;
    use crate::postgres::disk::Use;
    use crate::postgres::query::{self, Snapshot, Statement};
    use crate::postgres::relation::{LockMode, Relation};
    use crate::postgres::role::ActingAsOwner;
    use crate::postgres::value::{Type, Value};

    /// A table as those of the area trees, in the schema of the tests' own.
    fn table(name: &CStr) -> Relation {
        let name_in_sql = name.to_str().unwrap();
        Spi::run(&format!(
            "CREATE TABLE tests.{name_in_sql} (
                 id bigint PRIMARY KEY, small smallint, day date, plain bytea, outside bytea);
             ALTER TABLE tests.{name_in_sql} ALTER plain SET STORAGE plain, ALTER outside SET STORAGE external"
        ))
        .unwrap();
        Relation::open(c"tests", name, LockMode::RowExclusive)
    }

    /// Bytes that pglz would compress well.
    fn bytes(seed: i64, length: usize) -> Vec<u8> {
        (0..length)
            .map(|place| (seed as usize + place / 100) as u8)
            .collect()
    }

    fn insert(table: &Relation, rows: &[[Value<'_>; 5]]) {
        let mut insert = BulkInsert::begin(table, Use::Whole);
        insert.insert_rows(rows);
        insert.finish();
        Spi::run("SELECT 1").unwrap();
    }

    fn one<T: FromDatum + IntoDatum>(query: &str) -> Option<T> {
        Spi::get_one(query).unwrap()
    }

    fn row<'v>(id: i64, plain: &'v [u8], outside: Option<&'v [u8]>) -> [Value<'v>; 5] {
        let (small, day) = (Value::Int2(-7), Value::Date(-1));
        [id.into(), small, day, plain.into(), outside.into()]
    }

    static ALL: Statement = Statement::new(
        c"SELECT id, small, day, plain, outside FROM tests.t ORDER BY id",
        &[],
    );

    static BY_IDS: Statement = Statement::new(
        c"SELECT id, outside FROM tests.t WHERE id = ANY ($1) AND id <> $2",
        &[Type::Int8s, Type::Int8],
    );

    #[pg_test]
    fn values_come_back_as_they_were_inserted() {
        let table = table(c"t");
        let (page, large) = (bytes(1, 4000), bytes(2, 100_000));
        let rows = [
            [
                Value::Int8(i64::MIN),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ],
            row(0, b"", Some(b"")),
            row(1, &page, None),
            row(2, &page, Some(&large)),
            row(i64::MAX, b"short", Some(b"short")),
        ];
        insert(&table, &rows);
        let mut read = 0;
        let count = ALL.each(&[], Snapshot::Latest, |row| {
            let found = [
                row.int8(1).into(),
                row.int2(2).into(),
                row.date(3).map_or(Value::Null, Value::Date),
                row.bytes(4).into(),
                row.bytes(5).into(),
            ];
            assert_eq!(found, rows[read]);
            read += 1;
            Ok(())
        });
        assert_eq!((count.unwrap(), read), (5, 5));
    }

    #[pg_test]
    fn what_is_stored_outside_is_whole_and_not_compressed() {
        let table = table(c"t");
        let large = bytes(3, 100_000);
        insert(&table, &[row(1, &bytes(1, 4000), Some(&large))]);
        let stored = "SELECT pg_catalog.format('%s %s %s %s',
                                 pg_column_compression(plain), pg_column_compression(outside),
                                 pg_column_size(plain), pg_column_size(outside)) FROM tests.t";
        assert_eq!(one::<String>(stored).as_deref(), Some("  4004 100000"));
        let toasted = one::<i64>(
            "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'tests.t'::regclass",
        );
        assert!(toasted.unwrap() >= 100_000);
        // SQL sees the same as the wrappers.
        assert_eq!(one::<Vec<u8>>("SELECT outside FROM tests.t"), Some(large));
    }

    #[pg_test]
    fn what_is_compressed_is_read_as_it_was() {
        drop(table(c"t"));
        Spi::run("ALTER TABLE tests.t ALTER outside SET STORAGE EXTENDED").unwrap();
        Spi::run(
            "INSERT INTO tests.t (id, outside) VALUES
                 (1, decode(repeat('ab', 3000), 'hex')), (2, decode(repeat('cd', 4000000), 'hex'))",
        )
        .unwrap();
        let compressed = "SELECT count(pg_column_compression(outside)) FROM tests.t";
        assert_eq!(one::<i64>(compressed), Some(2));
        let mut lengths = Vec::new();
        ALL.each(&[], Snapshot::Latest, |row| {
            let bytes = row.bytes(5).unwrap();
            let first = *bytes.first().unwrap();
            assert!(bytes.iter().all(|byte| *byte == first));
            lengths.push((first, bytes.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(lengths, [(0xab, 3000), (0xcd, 4_000_000)]);
    }

    #[pg_test]
    fn more_rows_than_one_call_takes_arrive_once_each_and_can_be_found() {
        let table = table(c"t");
        let page = bytes(4, 4000);
        let rows: Vec<_> = (0..2501)
            .map(|id| row(id, if id % 3 == 0 { &page } else { b"x" }, None))
            .collect();
        insert(&table, &rows);
        assert_eq!(
            one::<String>(
                "SELECT pg_catalog.format('%s %s', count(DISTINCT id), sum(length(plain))) FROM tests.t"
            ),
            Some(format!("2501 {}", 834 * 4000 + 1667))
        );
        Spi::run("SET enable_seqscan = off; SET enable_bitmapscan = off").unwrap();
        let ids: Vec<i64> = (-5..3000).collect();
        let found = BY_IDS.each(
            &[Value::Int8s(&ids), Value::Int8(17)],
            Snapshot::Latest,
            |_| Ok(()),
        );
        assert_eq!(found.unwrap(), 2500);
    }

    #[pg_test]
    fn indexes_that_images_cut_short_learn_of_every_row() {
        drop(table(c"t"));
        Spi::run("CREATE INDEX ON tests.t USING brin (id); CREATE INDEX ON tests.t (day)").unwrap();
        let table = Relation::open(c"tests", c"t", LockMode::RowExclusive);
        insert(&table, &[row(100, b"", None)]);
        Spi::run("SELECT brin_summarize_new_values('tests.t_id_idx')").unwrap();
        insert(
            &table,
            &[row(300, b"", None), row(1, b"", None), row(200, b"", None)],
        );
        drop(table);
        Spi::run("ALTER TABLE tests.t DROP CONSTRAINT t_pkey; SET enable_seqscan = off").unwrap();
        for id in [1, 100, 200, 300] {
            let found = format!("SELECT count(*) FROM tests.t WHERE id = {id}");
            assert_eq!(one::<i64>(&found), Some(1), "{id}");
        }
    }

    #[pg_test]
    fn several_tables_can_be_written_by_turns() {
        let tables = [table(c"t"), table(c"u"), table(c"v")];
        let mut inserts = tables
            .each_ref()
            .map(|table| BulkInsert::begin(table, Use::Whole));
        let large = bytes(5, 9000);
        for id in 0..300 {
            for insert in &mut inserts {
                insert.insert_rows(&[row(id, b"p", (id % 2 == 0).then_some(&large))]);
            }
        }
        for insert in inserts {
            insert.finish();
        }
        Spi::run("SELECT 1").unwrap();
        for name in ["t", "u", "v"] {
            assert_eq!(
                one::<String>(&format!(
                    "SELECT pg_catalog.format('%s %s', count(*), sum(length(outside))) FROM tests.{name}"
                ))
                .as_deref(),
                Some("300 1350000")
            );
        }
    }

    #[pg_test(error = "duplicate key value violates unique constraint \"t_pkey\"")]
    fn a_key_that_is_there_already_is_refused() {
        let table = table(c"t");
        insert(
            &table,
            &[row(1, b"", None), row(2, b"", None), row(1, b"", None)],
        );
    }

    #[pg_test(error = "null value in column \"id\" of relation \"t\" violates not-null constraint")]
    fn a_null_where_none_may_be_is_refused() {
        let table = table(c"t");
        insert(&table, &[[Value::Null; 5]]);
    }

    #[pg_test(error = "table \"t\" has not the columns that are inserted")]
    fn a_table_with_other_columns_is_refused() {
        let table = table(c"t");
        insert(
            &table,
            &[[
                Value::Int2(1),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ]],
        );
    }

    /// For the tests of errors inside PL/pgSQL: inserts a row twice.
    #[pg_extern]
    fn insert_twice() {
        let table = Relation::open(c"tests", c"t", LockMode::RowExclusive);
        let large = bytes(6, 50_000);
        let row = row(1, b"", Some(&large));
        insert(&table, &[row, row]);
    }

    /// Fails in the midst of reading, in the way that `how` says.
    #[pg_extern]
    fn fail_while_reading(how: &str) -> i64 {
        let result = ALL.each(&[], Snapshot::Latest, |row| match how {
            "error" => Err(Error::Internal {
                what: "as the test wants".to_owned(),
            }),
            "panic" => panic!("as the test wants"),
            "server" => Spi::run("SELECT 1 / 0").map_err(|_| Error::Stopped),
            "type" => {
                row.bytes(1);
                Ok(())
            }
            _ => Ok(()),
        });
        match result {
            Ok(rows) => rows as i64,
            Err(error) => crate::error::raise(&error),
        }
    }

    #[pg_test]
    fn a_failed_insert_leaves_nothing_and_the_session_goes_on() {
        let _table = table(c"t");
        Spi::run(
            "CREATE FUNCTION tests.try() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM tests.insert_twice();
                 RETURN 'nothing';
             EXCEPTION WHEN OTHERS THEN
                 RETURN SQLSTATE;
             END $$",
        )
        .unwrap();
        assert_eq!(
            one::<String>("SELECT tests.try()").as_deref(),
            Some("23505")
        );
        assert_eq!(one::<i64>("SELECT count(*) FROM tests.t"), Some(0));
    }

    #[pg_test]
    fn a_statement_goes_on_after_errors_of_all_kinds() {
        let table = table(c"t");
        insert(&table, &[row(1, b"", None), row(2, b"", None)]);
        Spi::run(
            "CREATE FUNCTION tests.try(how text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 RETURN tests.fail_while_reading(how);
             EXCEPTION WHEN OTHERS THEN
                 RETURN SQLSTATE;
             END $$",
        )
        .unwrap();
        for _ in 0..3 {
            for (how, expected) in [
                ("error", "XX000"),
                ("panic", "XX000"),
                ("server", "22012"),
                ("type", "42804"),
                ("none", "2"),
            ] {
                let got = one::<String>(&format!("SELECT tests.try('{how}')"));
                assert_eq!(got.as_deref(), Some(expected), "{how}");
            }
        }
    }

    #[pg_test]
    fn a_statement_sees_its_tables_as_they_are_now() {
        let table = table(c"t");
        insert(&table, &[row(1, b"", Some(b"old"))]);
        drop(table);
        let read = || {
            let mut found = Vec::new();
            let count = BY_IDS.each(
                &[Value::Int8s(&[1, 2]), Value::Int8(2)],
                Snapshot::Latest,
                |row| {
                    found.push(row.bytes(2).map(<[u8]>::to_vec));
                    Ok(())
                },
            );
            assert_eq!(count.unwrap(), found.len() as u64);
            found
        };
        assert_eq!(read(), [Some(b"old".to_vec())]);
        for change in [
            "ANALYZE tests.t",
            "ALTER TABLE tests.t ALTER outside SET STORAGE EXTENDED",
            "ALTER TABLE tests.t ADD other text; ALTER TABLE tests.t DROP small",
            "DROP TABLE tests.t; CREATE TABLE tests.t AS SELECT 1::bigint AS id, 'old'::bytea AS outside",
        ] {
            Spi::run(change).unwrap();
            assert_eq!(read(), [Some(b"old".to_vec())], "{change}");
        }
    }

    #[pg_test]
    fn a_statement_shows_what_its_snapshot_shows() {
        let table = table(c"t");
        insert(&table, &[row(1, b"", None)]);
        let count = |snapshot| ALL.each(&[], snapshot, |_| Ok(())).unwrap();
        // The calling query is older than the table's rows.
        assert_eq!((count(Snapshot::Caller), count(Snapshot::Latest)), (0, 1));
    }

    #[pg_test]
    fn statements_can_be_run_for_the_rows_of_others() {
        let table = table(c"t");
        let rows: Vec<_> = (0..50).map(|id| row(id, b"", None)).collect();
        insert(&table, &rows);
        let mut pairs = 0;
        ALL.each(&[], Snapshot::Latest, |row| {
            let id = row.int8(1).unwrap();
            pairs += BY_IDS.each(
                &[[id, id + 1].as_slice().into(), Value::Int8(-1)],
                Snapshot::Latest,
                |_| Ok(()),
            )?;
            Spi::run("SELECT 1").unwrap();
            ALL.each(&[], Snapshot::Latest, |_| Ok(()))?;
            assert_eq!(row.int8(1), Some(id));
            Ok(())
        })
        .unwrap();
        assert_eq!(pairs, 99);
    }

    #[pg_test]
    fn arguments_may_be_null_and_must_be_of_their_types() {
        static NULLS: Statement = Statement::new(
            c"SELECT $1::bigint FROM (SELECT 1) x
               WHERE $1 IS NULL AND $2 IS NULL AND $3 = 7::smallint
                 AND $4 = '\\x00ff'::bytea AND $5 = '1999-12-31'::date",
            &[Type::Int8, Type::Int8s, Type::Int2, Type::Bytes, Type::Date],
        );
        let bytes: &[u8] = &[0, 255];
        let right = [
            None::<i64>.into(),
            Value::Null,
            7_i16.into(),
            bytes.into(),
            Value::Date(-1),
        ];
        let mut seen = None;
        NULLS
            .each(&right, Snapshot::Latest, |row| {
                seen = Some(row.int8(1));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, Some(None));
        let mut wrong = right;
        wrong[2] = Value::Int8(7);
        assert!(NULLS.run(&wrong).is_err());
        assert!(NULLS.run(&right[..4]).is_err());
    }

    #[pg_test]
    fn a_statement_counts_the_rows_that_it_changes() {
        static REMOVE: Statement =
            Statement::new(c"DELETE FROM tests.t WHERE id < $1", &[Type::Int8]);
        let table = table(c"t");
        let rows: Vec<_> = (0..50).map(|id| row(id, b"", None)).collect();
        insert(&table, &rows);
        assert_eq!(REMOVE.run(&[Value::Int8(20)]).unwrap(), 20);
        assert_eq!(REMOVE.run(&[Value::Int8(20)]).unwrap(), 0);
        // One that only reads what the caller sees may not write.
        assert_eq!(one::<i64>("SELECT count(*) FROM tests.t"), Some(30));
    }

    #[pg_test(error = "DELETE is not allowed in a non-volatile function")]
    fn a_statement_with_the_callers_snapshot_may_not_write() {
        static REMOVE: Statement = Statement::new(c"DELETE FROM tests.t", &[]);
        let _table = table(c"t");
        let _ = REMOVE.each(&[], Snapshot::Caller, |_| Ok(()));
    }

    /// Memory of the session, in bytes.
    fn memory() -> i64 {
        one("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts").unwrap()
    }

    #[pg_test]
    fn nothing_stays_of_what_is_written_and_read() {
        let table = table(c"t");
        let (page, large) = (bytes(1, 4000), bytes(2, 100_000));
        let mut insert = BulkInsert::begin(&table, Use::Whole);
        let mut work = |ids: std::ops::Range<i64>| {
            for id in ids {
                insert.insert_rows(&[row(id, &page, Some(&large))]);
                ALL.each(&[], Snapshot::Latest, |row| {
                    assert!(row.bytes(5).is_some());
                    Ok(())
                })
                .unwrap();
            }
        };
        work(0..10);
        let before = memory();
        work(10..110);
        assert!(
            memory() - before < 100_000,
            "{} bytes more",
            memory() - before
        );
        insert.finish();
    }

    /// Copies the rows of a cursor over a table like the tests' into table u; gives their number.
    #[pg_extern]
    fn copy_from(rows: &str) -> i64 {
        let table = Relation::open(c"tests", c"u", LockMode::RowExclusive);
        let mut insert = BulkInsert::begin(&table, Use::Whole);
        let copied = query::cursor(rows, |row| {
            let id = row.int8(1).unwrap_or_default();
            let (plain, outside) = (row.bytes(4).unwrap_or_default(), row.bytes(5));
            insert.insert_rows(&[self::row(id, plain, outside)]);
            Ok(())
        });
        insert.finish();
        copied.unwrap() as i64
    }

    #[pg_test]
    fn a_cursor_over_a_transition_table_gives_its_rows() {
        let (_t, _u) = (table(c"t"), table(c"u"));
        Spi::run(
            "CREATE FUNCTION tests.copy() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE
                 added CURSOR FOR SELECT * FROM new_rows;
                 name refcursor;
             BEGIN
                 OPEN added;
                 name := added;
                 IF tests.copy_from(name::text) <> (SELECT count(*) FROM new_rows) THEN
                     RAISE 'some rows are missing';
                 END IF;
                 CLOSE added;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER copy AFTER INSERT ON tests.t REFERENCING NEW TABLE AS new_rows
                 FOR EACH STATEMENT EXECUTE FUNCTION tests.copy();
             INSERT INTO tests.t (id, plain, outside)
             SELECT n, '\\x01', decode(repeat('cd', n::integer * 100), 'hex') FROM generate_series(1, 500) n",
        )
        .unwrap();
        assert_eq!(
            one::<bool>(
                "SELECT count(*) = 500 AND bool_and(t.outside = u.outside) FROM tests.t JOIN tests.u USING (id)"
            ),
            Some(true)
        );
    }

    #[pg_test]
    fn a_cursor_gives_what_is_left_of_it() {
        let _u = table(c"u");
        Spi::run(
            "DECLARE kept CURSOR FOR
             SELECT n::bigint, NULL, NULL, NULL::bytea, NULL::bytea FROM generate_series(1, 10) n;
             MOVE 3 FROM kept",
        )
        .unwrap();
        assert_eq!(one::<i64>("SELECT tests.copy_from('kept')"), Some(7));
        assert_eq!(one::<i64>("SELECT tests.copy_from('kept')"), Some(0));
        assert_eq!(one::<i64>("SELECT min(id) FROM tests.u"), Some(4));
    }

    #[pg_test(error = "cursor \"no such\" does not exist")]
    fn a_cursor_that_is_not_open_is_an_error() {
        let _ = query::cursor("no such", |_| Ok(()));
    }

    #[pg_test]
    fn triggers_of_ones_own_are_told_from_others() {
        let open = || Relation::open(c"tests", c"t", LockMode::RowExclusive);
        drop(table(c"t"));
        assert!(!open().has_foreign_insert_triggers(&[]));
        Spi::run(
            "CREATE FUNCTION tests.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER own AFTER INSERT OR DELETE ON tests.t EXECUTE FUNCTION tests.own()",
        )
        .unwrap();
        let own: pg_sys::Oid = one("SELECT 'tests.own'::regproc::oid").unwrap();
        assert!(open().has_foreign_insert_triggers(&[]));
        assert!(!open().has_foreign_insert_triggers(&[own]));
        Spi::run(
            "CREATE FUNCTION tests.other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER other AFTER DELETE ON tests.t EXECUTE FUNCTION tests.other()",
        )
        .unwrap();
        assert!(!open().has_foreign_insert_triggers(&[own]));
        Spi::run("CREATE TRIGGER also BEFORE INSERT ON tests.t FOR EACH ROW EXECUTE FUNCTION tests.other()")
            .unwrap();
        assert!(open().has_foreign_insert_triggers(&[own]));
    }

    fn role() -> String {
        one::<String>("SELECT current_user::text").unwrap()
    }

    /// Reads as the owner of a table, and fails if told so; in between acts as the owner of another.
    #[pg_extern(stable, parallel_safe)]
    fn read_as_owner(fail: bool) -> String {
        static ROLE: Statement = Statement::new(
            c"SELECT pg_catalog.convert_to(current_user::text || ' ' || count(*)::text, 'UTF8') FROM tests.t",
            &[],
        );
        let table = Relation::open(c"tests", c"t", LockMode::AccessShare);
        let other = Relation::open(c"pg_catalog", c"pg_class", LockMode::AccessShare);
        let _owner = ActingAsOwner::of(&table);
        let superuser = ActingAsOwner::of(&other);
        drop(superuser);
        let mut found = String::new();
        let read = ROLE.each(&[], Snapshot::Caller, |row| {
            found = String::from_utf8_lossy(row.bytes(1).unwrap_or_default()).into_owned();
            match fail {
                true => Err(Error::Stopped),
                false => Ok(()),
            }
        });
        match read {
            Ok(_) => found,
            Err(error) => crate::error::raise(&error),
        }
    }

    #[pg_test]
    fn the_owners_role_is_given_back_after_errors_too() {
        drop(table(c"t"));
        Spi::run(
            "CREATE ROLE trips_test_owner; ALTER TABLE tests.t OWNER TO trips_test_owner;
             GRANT USAGE ON SCHEMA tests TO trips_test_owner;
             CREATE FUNCTION tests.try(fail boolean) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 RETURN tests.read_as_owner(fail);
             EXCEPTION WHEN OTHERS THEN
                 RETURN SQLSTATE;
             END $$",
        )
        .unwrap();
        let before = role();
        for (fail, expected) in [
            ("false", "trips_test_owner 0"),
            ("true", "XX000"),
            ("false", "trips_test_owner 0"),
        ] {
            let got = one::<String>(&format!("SELECT tests.try({fail})"));
            assert_eq!(got.as_deref(), Some(expected));
            assert_eq!(role(), before);
        }
    }

    #[pg_extern(stable, parallel_safe)]
    fn is_parallel_worker() -> bool {
        // SAFETY: reading a global that is set when the process starts.
        unsafe { pg_sys::ParallelWorkerNumber >= 0 }
    }

    #[pg_test]
    fn a_parallel_worker_reads_as_the_owner() {
        drop(table(c"t"));
        Spi::run(
            "CREATE ROLE trips_test_owner; ALTER TABLE tests.t OWNER TO trips_test_owner;
             GRANT USAGE ON SCHEMA tests TO trips_test_owner;
             INSERT INTO tests.t (id) SELECT generate_series(1, 10);
             SELECT set_config(name, 'on', true) FROM pg_settings
              WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
             CREATE TABLE tests.found AS
             SELECT tests.is_parallel_worker() AS worker, tests.read_as_owner(false) AS owner, current_user AS caller",
        )
        .unwrap();
        assert_eq!(
            one::<bool>(
                "SELECT worker AND owner = 'trips_test_owner 10' AND caller = current_user FROM tests.found"
            ),
            Some(true)
        );
    }
}
