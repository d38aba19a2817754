//! Writing runs: rows of trees as they come, and the run's own rows when its trees are complete.

use trips_core::Error;
use trips_core::area::build::Row;
use trips_core::area::days::DayCounts;
use trips_core::area::indexer::Trees;
use trips_core::area::leaf::LeafColumns;

use crate::fault::{self, Point};
use crate::postgres::disk::Use;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::spi;
use crate::postgres::table_insert::TableInsert;
use crate::postgres::value::Value;

/// Bytes of rows that are inserted in one go.
const BYTES_AT_A_TIME: usize = 256 * 1024;

/// Numbers of the first parts of what a leaf has apart from its points: exact coordinates, other ends, regions.
pub const FIRST_PARTS: [i16; 3] = [0, 100, 200];

/// The tables that hold runs, locked as INSERT locks.
pub struct Tables {
    run: Relation,
    node: Relation,
    leaf: Relation,
    part: Relation,
    region_day: Relation,
}

impl Tables {
    /// Opens them.
    pub fn open() -> Tables {
        let open = |name| Relation::open(c"trips", name, LockMode::RowExclusive);
        Tables {
            run: open(c"area_run"),
            node: open(c"area_node"),
            leaf: open(c"area_leaf"),
            part: open(c"area_part"),
            region_day: open(c"region_day"),
        }
    }

    /// The number of a new run.
    ///
    /// # Errors
    /// None of its own; what the server raises leaves as a panic.
    pub fn next_run(&self) -> Result<i64, Error> {
        let _owner = ActingAsOwner::of(&self.run);
        spi::value("SELECT pg_catalog.nextval('trips.area_run_id')", &[])
    }
}

/// What is kept of a run beside its trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// 1 for a run that adds, -1 for one that takes away.
    pub sign: i16,
    /// The ingest whose trips it has, where they are of one and it is known.
    pub ingest: Option<i64>,
}

/// Writes the rows of runs. Without `finish` the transaction must abort.
pub struct Writer<'t> {
    run: TableInsert<'t>,
    node: TableInsert<'t>,
    leaf: TableInsert<'t>,
    part: TableInsert<'t>,
    cutter: Cutter,
    region_day: TableInsert<'t>,
    nodes: Vec<(i64, Vec<u8>, Vec<u8>)>,
    leaves: Vec<(i64, LeafColumns)>,
    /// Bytes of the rows that wait.
    bytes: usize,
}

impl<'t> Writer<'t> {
    /// Prepares to write.
    ///
    /// # Errors
    /// As [`TableInsert::begin`].
    pub fn begin(tables: &'t Tables, disk: Use) -> Result<Writer<'t>, Error> {
        Ok(Writer {
            run: TableInsert::begin(&tables.run, disk)?,
            node: TableInsert::begin(&tables.node, disk)?,
            leaf: TableInsert::begin(&tables.leaf, disk)?,
            part: TableInsert::begin(&tables.part, disk)?,
            cutter: Cutter::default(),
            region_day: TableInsert::begin(&tables.region_day, disk)?,
            nodes: Vec::new(),
            leaves: Vec::new(),
            bytes: 0,
        })
    }

    /// Writes a row of a tree, with others later.
    pub fn add(&mut self, row: Row) {
        match row {
            Row::Leaf { id, columns } => {
                let optional = [&columns.exact, &columns.other, &columns.regions];
                let sizes = optional.map(|column| column.as_ref().map_or(0, Vec::len));
                self.bytes += columns.points.len() + sizes.iter().sum::<usize>();
                self.leaves.push((id, columns));
            }
            Row::Node { id, children, days } => {
                self.bytes += children.len() + days.len();
                self.nodes.push((id, children, days));
            }
        }
        if self.bytes >= BYTES_AT_A_TIME {
            self.flush();
        }
    }

    fn flush(&mut self) {
        fault::reach(Point::Run);
        let leaves = self.leaves.iter();
        let points: Vec<_> = leaves
            .map(|(id, columns)| [Value::Int8(*id), Value::Bytes(&columns.points)])
            .collect();
        self.leaf.insert_rows(&points);
        let mut parts = Vec::new();
        for (id, columns) in &self.leaves {
            let contents = [&columns.exact, &columns.other, &columns.regions];
            for (first, content) in FIRST_PARTS.into_iter().zip(contents) {
                let pieces = self.cutter.cut(content.as_deref().unwrap_or_default());
                parts.extend((first..).zip(pieces).map(|(part, piece)| {
                    [Value::Int8(*id), Value::Int2(part), Value::Bytes(piece)]
                }));
            }
        }
        self.part.insert_rows(&parts);
        let nodes = self.nodes.iter();
        let nodes: Vec<_> = nodes
            .map(|(id, children, days)| {
                [Value::Int8(*id), Value::Bytes(children), Value::Bytes(days)]
            })
            .collect();
        self.node.insert_rows(&nodes);
        self.leaves.clear();
        self.nodes.clear();
        self.bytes = 0;
    }

    /// Writes the run itself, whose rows have all been added. One without trips is none.
    pub fn complete(&mut self, run: Run, trees: &Trees) {
        let Some((first_day, last_day)) = trees.days() else {
            return;
        };
        let mut days = DayCounts::default();
        let mut regions = Vec::new();
        for (region, counts) in &trees.origin.regions {
            days.add_all(counts, 1);
            regions.push((*region, counts.encode()));
        }
        let rows: Vec<_> = regions
            .iter()
            .map(|(region, days)| {
                [
                    Value::Int2(*region),
                    Value::Int8(run.id),
                    Value::Bytes(days),
                ]
            })
            .collect();
        self.region_day.insert_rows(&rows);
        self.run.insert_rows(&[[
            Value::Int8(run.id),
            Value::Int2(run.sign),
            run.ingest.into(),
            Value::Int8(trees.origin.trips as i64),
            Value::Date(first_day),
            Value::Date(last_day),
            Value::Bytes(&days.encode()),
            Value::Int2(i16::from(trees.origin.height)),
            Value::Int2(i16::from(trees.destination.height)),
        ]]);
    }

    /// Notes that an ingest's trips are in no tree.
    pub fn pending(&mut self, id: i64, ingest: i64, trips: u64) {
        self.run.insert_rows(&[[
            Value::Int8(id),
            Value::Int2(0),
            Value::Int8(ingest),
            Value::Int8(trips as i64),
            Value::Date(0),
            Value::Date(0),
            Value::Bytes(&DayCounts::default().encode()),
            Value::Int2(0),
            Value::Int2(0),
        ]]);
    }

    /// Ends the writing; the runs can be seen by the next command of the transaction.
    pub fn finish(mut self) {
        self.flush();
        self.leaf.finish();
        self.part.finish();
        self.node.finish();
        self.region_day.finish();
        self.run.finish();
    }
}

/// Cuts contents into pieces that fill the pages of trips.area_part.
#[derive(Default)]
struct Cutter {
    /// Bytes that are free in the page in hand, as far as that is known here; a wrong guess costs some room.
    free: usize,
}

/// What a page has room for (PageHeaderData is 24 bytes).
const PAGE: usize = pgrx::pg_sys::BLCKSZ as usize - 24;

/// Beside its content a row has a line pointer, a header, leaf_id, part and the length of the content.
const ROW: usize = 4 + 24 + 8 + 4 + 4;

/// A piece is no smaller, unless it is the last.
const SMALLEST: usize = 512;

impl Cutter {
    fn cut<'c>(&mut self, mut content: &'c [u8]) -> Vec<&'c [u8]> {
        let mut pieces = Vec::new();
        while !content.is_empty() {
            if self.free < ROW + content.len().min(SMALLEST) {
                self.free = PAGE;
            }
            // Rows are aligned to eight bytes.
            let room = (self.free - ROW) & !7;
            let (piece, rest) = content.split_at(room.min(content.len()));
            self.free = self
                .free
                .saturating_sub((ROW + piece.len()).next_multiple_of(8));
            pieces.push(piece);
            content = rest;
        }
        pieces
    }
}
