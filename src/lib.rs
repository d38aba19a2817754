//! trips_ext: vehicle trips in PostgreSQL.
//!
//! Files of trips are loaded in bulk (`ingest`, on the pipeline of `trips_core`), their status is pushed
//! while that runs (`status`), background workers run some of them (`jobs`), among them those of a watched folder (`inbox`), and trips are answered about by the functions in `sql/`. `api` is what SQL sees of
//! the Rust code, and `postgres` all of it that is unsafe.

use pgrx::prelude::*;

mod api;
mod area;
mod error;
mod fault;
mod inbox;
mod ingest;
mod jobs;
mod postgres;
mod settings;
mod similar;
mod status;
mod threads;

::pgrx::pg_module_magic!(name, version = c"0.1.0");

// Each requires the one before it, needed or not: where pgrx may choose, two builds differ.
pgrx::extension_sql_file!("../sql/tables.sql", name = "tables", bootstrap);
pgrx::extension_sql_file!("../sql/views.sql", name = "views", requires = ["tables"]);
pgrx::extension_sql_file!(
    "../sql/ingest.sql",
    name = "ingest",
    requires = ["views", api::ingest::trips_ingest]
);
pgrx::extension_sql_file!(
    "../sql/upload.sql",
    name = "upload",
    requires = [
        "ingest",
        api::ingest::trips_upload,
        api::ingest::trips_ingest_upload
    ]
);
pgrx::extension_sql_file!("../sql/status.sql", name = "status", requires = ["upload"]);
pgrx::extension_sql_file!(
    "../sql/jobs.sql",
    name = "jobs",
    requires = [
        "status",
        api::jobs::trips_ingest_async,
        api::jobs::trips_cancel
    ]
);
pgrx::extension_sql_file!("../sql/inbox.sql", name = "inbox", requires = ["jobs"]);
pgrx::extension_sql_file!("../sql/forget.sql", name = "forget", requires = ["inbox"]);
pgrx::extension_sql_file!("../sql/area.sql", name = "area", requires = ["forget"]);
pgrx::extension_sql_file!(
    "../sql/area_triggers.sql",
    name = "area_triggers",
    requires = ["area"]
);
pgrx::extension_sql_file!(
    "../sql/area_check.sql",
    name = "area_check",
    requires = ["area_triggers"]
);
pgrx::extension_sql_file!(
    "../sql/distribute.sql",
    name = "distribute",
    requires = ["area_check"]
);
pgrx::extension_sql_file!(
    "../sql/weekly.sql",
    name = "weekly",
    requires = ["distribute"]
);
pgrx::extension_sql_file!("../sql/groups.sql", name = "groups", requires = ["weekly"]);
pgrx::extension_sql_file!(
    "../sql/group_table.sql",
    name = "group_table",
    requires = ["groups"]
);
pgrx::extension_sql_file!("../sql/search_path.sql", name = "search_path", finalize);

/// Called when a session loads the library, or the server as a preloaded one.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    fault::register();
    inbox::register();
}

#[cfg(any(test, feature = "pg_test"))]
mod tests;
#[cfg(test)]
pub use tests::pg_test;
