//! Runs in memory: what the server's tables are to the extension.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use trips_core::Error;
use trips_core::area::build::Row;
use trips_core::area::indexer::{Indexer, Step, Trees};
use trips_core::area::leaf::{LeafColumns, LeafRow};
use trips_core::area::search::{NodeRow, Run, Store};
use trips_core::area::{End, Entry, id};

/// Runs and their rows.
#[derive(Default)]
pub struct Forest {
    leaves: BTreeMap<i64, LeafColumns>,
    nodes: BTreeMap<i64, (Vec<u8>, Vec<u8>)>,
    runs: Vec<(i64, i8, Trees)>,
    last: i64,
}

impl Forest {
    /// Adds a run of entries.
    pub fn plant(&mut self, sign: i8, entries: &[Entry]) {
        let run = self.next();
        let indexer = Indexer::build(run, &Arc::new(entries.to_vec())).expect("threads");
        let (trees, _) = self.grow(indexer, &[]);
        self.keep(run, sign, trees);
    }

    /// Merges all runs.
    pub fn merge_all(&mut self) {
        let before = std::mem::take(&mut self.runs);
        let signs: Vec<i8> = before.iter().map(|(_, sign, _)| *sign).collect();
        let (plus, minus) = (self.next(), self.next());
        let indexer = Indexer::merge(&signs, plus, minus).expect("threads");
        let (added, taken) = self.grow(indexer, &before);
        self.keep(plus, 1, added);
        self.keep(minus, -1, taken);
        for (run, _, _) in before {
            let (first, last) = id::of_run(run);
            self.leaves.retain(|id, _| !(first..=last).contains(id));
            self.nodes.retain(|id, _| !(first..=last).contains(id));
        }
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// The trees of one end, as a search takes them.
    pub fn runs(&self, end: End) -> Vec<Run> {
        let runs = self.runs.iter();
        runs.map(|(id, sign, trees)| Run {
            id: *id,
            sign: i64::from(*sign),
            height: match end {
                End::Origin => trees.origin.height,
                End::Destination => trees.destination.height,
            },
            trips: (end == End::Origin).then_some(trees.origin.trips),
        })
        .collect()
    }

    fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    fn keep(&mut self, run: i64, sign: i8, trees: Trees) {
        if trees.days().is_some() {
            self.runs.push((run, sign, trees));
        }
    }

    fn grow(&mut self, mut indexer: Indexer, inputs: &[(i64, i8, Trees)]) -> (Trees, Trees) {
        let mut read: BTreeMap<(bool, usize), u32> = BTreeMap::new();
        while let Some(step) = indexer.next(Duration::from_secs(60)).expect("no failure") {
            match step {
                Step::Row(Row::Leaf { id, columns }) => {
                    assert!(self.leaves.insert(id, columns).is_none());
                }
                Step::Row(Row::Node { id, children, days }) => {
                    assert!(self.nodes.insert(id, (children, days)).is_none());
                }
                Step::Leaves(request) => {
                    let from = read
                        .entry((request.end == End::Origin, request.input))
                        .or_default();
                    let run = inputs[request.input].0;
                    let range =
                        id::leaf(run, request.end, *from)..=id::leaf(run, request.end, u32::MAX);
                    let leaves: Vec<_> = self
                        .leaves
                        .range(range)
                        .take(2)
                        .map(|(_, leaf)| leaf.clone())
                        .collect();
                    *from += leaves.len() as u32;
                    request.answer(leaves);
                }
                Step::Waiting => panic!("threads that do nothing"),
            }
        }
        indexer.finish().expect("no panic")
    }
}

struct Node<'f>(&'f (Vec<u8>, Vec<u8>));

impl NodeRow for Node<'_> {
    fn children(&self) -> &[u8] {
        &self.0.0
    }

    fn days(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0.1)
    }
}

impl Store for Forest {
    fn nodes(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn NodeRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        ids.iter()
            .filter_map(|id| self.nodes.get(id).map(|node| (*id, node)))
            .try_for_each(|(id, node)| each(id, &Node(node)))
    }

    fn leaves(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn LeafRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        ids.iter()
            .filter_map(|id| self.leaves.get(id).map(|leaf| (*id, leaf)))
            .try_for_each(|(id, leaf)| each(id, leaf))
    }
}
