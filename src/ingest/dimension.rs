//! The dimensions `trips.region` and `trips.datasource`: ids for names, new ones made on the way.
//!
//! Loads take ROW EXCLUSIVE on both tables from their start, so that `trips_forget`, which takes SHARE ROW
//! EXCLUSIVE, never removes a name that a running load uses, or the ingest because of which one is skipped. A load that adds names takes SHARE UPDATE EXCLUSIVE on
//! `trips.region` besides: adders wait for each other's transactions to end, and can not deadlock.

use trips_core::Error;
use trips_core::ingest::batch::Dimension;
use trips_core::ingest::pipeline::KnownNames;

use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::spi;

/// The dimensions during one load.
pub struct Dimensions {
    ingest: i64,
    region: Relation,
    /// Keeps the lock; names are added under the lock of `region` alone.
    _datasource: Relation,
    may_add: bool,
}

impl Dimensions {
    /// Locks the tables against `trips_forget`.
    pub fn open(ingest: i64) -> Dimensions {
        Dimensions {
            ingest,
            region: Relation::open(c"trips", c"region", LockMode::RowExclusive),
            _datasource: Relation::open(c"trips", c"datasource", LockMode::RowExclusive),
            may_add: false,
        }
    }

    /// All names, as they are now.
    ///
    /// # Errors
    /// XX000 where a row is not what the table's constraints say.
    pub fn known(&self) -> Result<KnownNames, Error> {
        let mut known = KnownNames::new();
        for dimension in [Dimension::Region, Dimension::Datasource] {
            let rows = spi::pairs(&format!("SELECT name, id FROM {}", table(dimension)))?;
            known.extend(rows.into_iter().map(|(name, id)| ((dimension, name), id)));
        }
        Ok(known)
    }

    /// The id of a name, which is added if it is new.
    ///
    /// # Errors
    /// 54000 when there are more names than ids.
    pub fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        if !self.may_add {
            self.region.lock(LockMode::ShareUpdateExclusive);
            self.may_add = true;
        }
        if let Some(id) = self.find(dimension, name)? {
            return Ok(id);
        }
        self.add(dimension, name)
    }

    fn find(&self, dimension: Dimension, name: &str) -> Result<Option<i16>, Error> {
        spi::nullable(
            &format!(
                "SELECT (SELECT id FROM {} WHERE name OPERATOR(pg_catalog.=) $1)",
                table(dimension)
            ),
            &[name.into()],
        )
    }

    /// Takes the lowest free id, so that names which came and went do not use ids up.
    fn add(&self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        let table = table(dimension);
        let free: i32 = spi::value(
            &format!(
                "SELECT pg_catalog.min(u.id) + 1 \
                   FROM (SELECT 0 AS id UNION ALL SELECT id FROM {table}) u \
                  WHERE NOT EXISTS (SELECT FROM {table} n WHERE n.id OPERATOR(pg_catalog.=) u.id + 1)"
            ),
            &[],
        )?;
        let id = i16::try_from(free).map_err(|_| Error::TooManyNames { dimension })?;
        spi::run(
            &format!("INSERT INTO {table} (id, name, first_ingest) VALUES ($1, $2, $3)"),
            &[id.into(), name.into(), self.ingest.into()],
        )?;
        Ok(id)
    }
}

fn table(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Region => "trips.region",
        Dimension::Datasource => "trips.datasource",
    }
}
