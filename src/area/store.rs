//! Reading trees: nodes and leaves by their ids, and the leaves of a run one after the other.

use std::borrow::Cow;
use std::ffi::CStr;

use trips_core::Error;
use trips_core::area::leaf::{LeafColumns, LeafRow};
use trips_core::area::search::{NodeRow, Store};
use trips_core::area::{Corrupt, End, id};

use super::writer::FIRST_PARTS;
use crate::postgres::key_scan::KeyScan;
use crate::postgres::planner::KeyLookups;
use crate::postgres::query::{Snapshot, Statement};
use crate::postgres::receiver::Row;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::storage::Storage;
use crate::postgres::value::{Type, Value};

static NODES: Statement = Statement::new(
    c"SELECT id, children, days FROM trips.area_node WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
    &[Type::Int8s],
);

static LEAVES: Statement = Statement::new(
    c"SELECT id, points FROM trips.area_leaf WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
    &[Type::Int8s],
);

static PARTS: Statement = Statement::new(
    c"SELECT content FROM trips.area_part \
       WHERE leaf_id OPERATOR(pg_catalog.=) $1 AND part OPERATOR(pg_catalog.>=) $2 AND part OPERATOR(pg_catalog.<) $3 \
       ORDER BY leaf_id, part",
    &[Type::Int8, Type::Int2, Type::Int2],
);

static LEAVES_FROM: Statement = Statement::new(
    c"SELECT id, points FROM trips.area_leaf \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2 ORDER BY id LIMIT $3",
    &[Type::Int8, Type::Int8, Type::Int8],
);

static PARTS_BETWEEN: Statement = Statement::new(
    c"SELECT leaf_id, part, content FROM trips.area_part \
       WHERE leaf_id OPERATOR(pg_catalog.>=) $1 AND leaf_id OPERATOR(pg_catalog.<=) $2 ORDER BY leaf_id, part",
    &[Type::Int8, Type::Int8],
);

/// The tables of the trees, as their owner reads them.
pub struct Trees {
    snapshot: Snapshot,
    node: Table,
    leaf: Table,
    _lookups: KeyLookups,
}

/// A table whose rows are looked up by their ids.
enum Table {
    /// An ordinary one, as the caller's statement sees it.
    Scanned(KeyScan),
    /// Any other.
    Asked(Relation),
}

impl Table {
    fn open(name: &CStr, snapshot: Snapshot) -> Result<Table, Error> {
        let relation = Relation::open(c"trips", name, LockMode::AccessShare);
        Ok(match (snapshot, Storage::of(&relation)?) {
            (Snapshot::Caller, Storage::Heap) => {
                KeyScan::open(relation).map_or_else(Table::Asked, Table::Scanned)
            }
            _ => Table::Asked(relation),
        })
    }

    fn relation(&self) -> &Relation {
        match self {
            Table::Scanned(scan) => scan.relation(),
            Table::Asked(relation) => relation,
        }
    }

    /// Shows the rows with these ids, which ascend, to `take`; `statement` asks for them where they are not scanned.
    fn each(
        &mut self,
        ids: &[i64],
        statement: &Statement,
        snapshot: Snapshot,
        take: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let _owner = ActingAsOwner::of(self.relation());
        match self {
            Table::Scanned(scan) => scan.each(ids, take).map(drop),
            Table::Asked(_) => statement
                .each(&[Value::Int8s(ids)], snapshot, take)
                .map(drop),
        }
    }
}

impl Trees {
    /// Opens them.
    ///
    /// # Errors
    /// As [`Storage::of`].
    pub fn open(snapshot: Snapshot) -> Result<Trees, Error> {
        Ok(Trees {
            snapshot,
            node: Table::open(c"area_node", snapshot)?,
            leaf: Table::open(c"area_leaf", snapshot)?,
            _lookups: KeyLookups::begin(),
        })
    }

    /// At most `limit` leaves of a run's tree from leaf `number` on.
    ///
    /// # Errors
    /// XX002 where one is missing before another, or a row is not what was written.
    pub fn leaves_from(
        &self,
        run: i64,
        end: End,
        number: u32,
        limit: usize,
    ) -> Result<Vec<LeafColumns>, Error> {
        let _owner = ActingAsOwner::of(self.leaf.relation());
        let mut leaves: Vec<(i64, LeafColumns)> = Vec::new();
        let first = id::leaf(run, end, number);
        let arguments = [
            Value::Int8(first),
            Value::Int8(id::leaf(run, end, u32::MAX)),
            Value::Int8(limit as i64),
        ];
        LEAVES_FROM.each(&arguments, self.snapshot, |row| {
            let (id, points) = id_and_bytes(row)?;
            if id != first + leaves.len() as i64 {
                return Err(Corrupt("a leaf is missing").into());
            }
            let columns = LeafColumns {
                points: points.to_vec(),
                ..LeafColumns::default()
            };
            leaves.push((id, columns));
            Ok(())
        })?;
        if let (Some((first, _)), Some((last, _))) = (leaves.first(), leaves.last()) {
            let arguments = [Value::Int8(*first), Value::Int8(*last)];
            let mut places = leaves.iter_mut().peekable();
            PARTS_BETWEEN.each(&arguments, self.snapshot, |row| {
                let (leaf, part, content) = (row.int8(1), row.int2(2), row.bytes(3));
                while places.next_if(|(id, _)| Some(*id) < leaf).is_some() {}
                match (places.peek_mut(), part, content) {
                    (Some((id, columns)), Some(part), Some(content)) if Some(*id) == leaf => {
                        column(columns, part)
                            .get_or_insert_default()
                            .extend_from_slice(content);
                        Ok(())
                    }
                    _ => Err(Corrupt("a part of no leaf").into()),
                }
            })?;
        }
        Ok(leaves.into_iter().map(|(_, columns)| columns).collect())
    }
}

/// The column of a leaf that a part belongs to.
fn column(columns: &mut LeafColumns, part: i16) -> &mut Option<Vec<u8>> {
    let [_, other, regions] = FIRST_PARTS;
    match part {
        part if part >= regions => &mut columns.regions,
        part if part >= other => &mut columns.other,
        _ => &mut columns.exact,
    }
}

impl Store for Trees {
    fn nodes(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn NodeRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.node.each(ids, &NODES, self.snapshot, |row| {
            let (id, children) = id_and_bytes(row)?;
            each(id, &Node { children, row })
        })
    }

    fn leaves(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn LeafRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot;
        self.leaf.each(ids, &LEAVES, snapshot, |row| {
            let (id, points) = id_and_bytes(row)?;
            let leaf = Leaf {
                id,
                points,
                snapshot,
            };
            each(id, &leaf)
        })
    }
}

/// A row of `trips.area_node`.
struct Node<'r> {
    children: &'r [u8],
    row: &'r Row<'r>,
}

impl NodeRow for Node<'_> {
    fn children(&self) -> &[u8] {
        self.children
    }

    fn days(&self) -> Cow<'_, [u8]> {
        self.row.bytes(3).unwrap_or_default().into()
    }
}

/// A row of `trips.area_leaf`; its parts are fetched when asked for.
struct Leaf<'r> {
    id: i64,
    points: &'r [u8],
    snapshot: Snapshot,
}

impl Leaf<'_> {
    /// What has these parts; none where there is not one.
    fn parts(&self, first: i16) -> Option<Cow<'_, [u8]>> {
        let mut content = Vec::new();
        let arguments = [
            Value::Int8(self.id),
            Value::Int2(first),
            Value::Int2(first + 100),
        ];
        let read = PARTS.each(&arguments, self.snapshot, |row| {
            content.extend_from_slice(row.bytes(1).unwrap_or_default());
            Ok(())
        });
        // What has not been read is missing, and whoever needs it says so.
        (read.is_ok() && !content.is_empty()).then_some(Cow::Owned(content))
    }
}

impl LeafRow for Leaf<'_> {
    fn points(&self) -> &[u8] {
        self.points
    }

    fn exact(&self) -> Option<Cow<'_, [u8]>> {
        self.parts(FIRST_PARTS[0])
    }

    fn other(&self) -> Option<Cow<'_, [u8]>> {
        self.parts(FIRST_PARTS[1])
    }

    fn regions(&self) -> Option<Cow<'_, [u8]>> {
        self.parts(FIRST_PARTS[2])
    }
}

/// The first two columns of a node or a leaf.
fn id_and_bytes<'r>(row: &'r Row<'_>) -> Result<(i64, &'r [u8]), Corrupt> {
    row.int8(1)
        .zip(row.bytes(2))
        .ok_or(Corrupt("a node or leaf lacks a value"))
}
