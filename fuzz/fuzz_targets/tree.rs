//! Trees of any trips answer as looking at each trip does, and merge into trees of the same trips. With whatever is then
//! written into their rows, they are refused, or give some answer.

#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use trips_core::Error;
use trips_core::area::build::{Row, TreeWriter};
use trips_core::area::days::DayCounts;
use trips_core::area::leaf::{self, LeafColumns, LeafRow};
use trips_core::area::merge::{Leaves, merge};
use trips_core::area::node::{self, Summary};
use trips_core::area::search::{NodeRow, Question, Run, Store, count};
use trips_core::area::{Area, End, Entry, FANOUT, Rect, id, morton};
use trips_core::ingest::parse::point::Point;

/// Both ends in tenths of a degree, day and region of a trip.
type Trip = ([i8; 4], i8, bool);

/// A row and its column, a place in it, and what is written there; without that, the column ends there.
type Damage = (u8, u8, u16, Option<u8>);

/// Corners and days of what is asked about, and whether both ends must lie there, one region counts, weeks are wanted.
type Asked = ([i8; 4], [i8; 2], bool, bool, bool);

const RUN: i64 = 1;

fn entry((ends, day, region): Trip, end: End) -> Entry {
    let [a, b, c, d] = ends.map(|tenths| f64::from(tenths) / 10.0);
    let point = |lon, lat| Point { lon, lat };
    Entry::new(
        point(a, b),
        point(c, d),
        i32::from(day),
        1 + i16::from(region),
    )
    .in_tree(end)
}

/// A tree of small leaves, as its rows.
#[derive(Clone)]
struct Tree {
    leaves: BTreeMap<i64, LeafColumns>,
    nodes: BTreeMap<i64, (Vec<u8>, Vec<u8>)>,
    height: u8,
}

impl Tree {
    fn of(entries: &[Entry], end: End, leaf_trips: usize) -> Tree {
        let mut tree = Tree {
            leaves: BTreeMap::new(),
            nodes: BTreeMap::new(),
            height: 0,
        };
        let mut children = Vec::new();
        for (number, trips) in (0..).zip(entries.chunks(leaf_trips)) {
            let mut trips = trips.to_vec();
            let mut days = DayCounts::new();
            trips.iter().for_each(|trip| days.add(trip.day, 1));
            tree.leaves
                .insert(id::leaf(RUN, end, number), leaf::encode(&mut trips, end));
            children.push((Summary::of(&trips, end), days));
        }
        while tree.height == 0 || children.len() > 1 {
            tree.height += 1;
            let level: Vec<_> = children.chunks(FANOUT).map(<[_]>::to_vec).collect();
            children.clear();
            for (number, below) in (0..).zip(level) {
                let (summaries, counts): (Vec<_>, Vec<_>) = below.into_iter().unzip();
                let mut days = DayCounts::new();
                counts.iter().for_each(|counts| days.add_all(counts, 1));
                let row = (node::encode(&summaries), days.encode());
                tree.nodes
                    .insert(id::node(RUN, end, tree.height, number), row);
                children.push((Summary::join(&summaries).expect("children"), days));
            }
        }
        tree
    }

    fn damage(&mut self, (row, column, place, byte): Damage) {
        let row = usize::from(row) % (self.leaves.len() + self.nodes.len());
        let column = match self.leaves.values_mut().nth(row) {
            Some(leaf) => match column % 4 {
                0 => Some(&mut leaf.points),
                1 => leaf.exact.as_mut(),
                2 => leaf.other.as_mut(),
                _ => leaf.regions.as_mut(),
            },
            None => {
                let node = self.nodes.values_mut().nth(row - self.leaves.len());
                node.map(|(children, days)| if column % 2 == 0 { children } else { days })
            }
        };
        let Some(column) = column.filter(|column| !column.is_empty()) else {
            return;
        };
        let place = usize::from(place) % column.len();
        match byte {
            Some(byte) => column[place] = byte,
            None => column.truncate(place),
        }
    }

    fn ask(&mut self, question: &Question<'_>, trips: Option<u64>) -> Result<i64, Error> {
        let run = Run {
            id: RUN,
            sign: 1,
            height: self.height,
            trips,
        };
        Ok(count(question, &[run], self)?.trips)
    }
}

struct Node<'t>(&'t (Vec<u8>, Vec<u8>));

impl NodeRow for Node<'_> {
    fn children(&self) -> &[u8] {
        &self.0.0
    }

    fn days(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0.1)
    }
}

impl Store for Tree {
    fn nodes(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn NodeRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut found = ids.iter().filter_map(|id| Some((*id, self.nodes.get(id)?)));
        found.try_for_each(|(id, row)| each(id, &Node(row)))
    }

    fn leaves(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn LeafRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut found = ids
            .iter()
            .filter_map(|id| Some((*id, self.leaves.get(id)?)));
        found.try_for_each(|(id, row)| each(id, row))
    }
}

/// The leaves of several trees, one after the other.
struct Reading<'t>(End, Vec<Box<dyn Iterator<Item = &'t LeafColumns> + 't>>);

impl Leaves for Reading<'_> {
    fn next(&mut self, input: usize, entries: &mut Vec<Entry>) -> Result<bool, Error> {
        let Some(leaf) = self.1[input].next() else {
            return Ok(false);
        };
        leaf::decode(leaf, self.0, entries)?;
        Ok(true)
    }
}

/// Merges trees with their signs: the trips of what adds and of what takes away.
fn merged(trees: &[(i8, &Tree)], end: End) -> Result<(u64, u64), Error> {
    let signs: Vec<i8> = trees.iter().map(|(sign, _)| *sign).collect();
    let inputs = trees
        .iter()
        .map(|(_, tree)| Box::new(tree.leaves.values()) as Box<_>);
    let writer = |run| TreeWriter::new(run, end, |_: Row| Ok(()));
    let (plus, minus) = merge(
        &signs,
        &mut Reading(end, inputs.collect()),
        writer(2),
        writer(3),
    )?;
    Ok((plus.trips, minus.trips))
}

fn is_within(
    entry: &Entry,
    area: &Area,
    days: &Range<i32>,
    both: bool,
    region: Option<i16>,
) -> bool {
    area.contains(entry.point)
        && (!both || area.contains(entry.other))
        && days.contains(&entry.day)
        && region.is_none_or(|region| region == entry.region_id)
}

fuzz_target!(|input: (bool, u8, Vec<Trip>, Asked, Vec<Damage>)| {
    let (is_origin, leaf_trips, trips, asked, damages) = input;
    let end = if is_origin {
        End::Origin
    } else {
        End::Destination
    };
    let mut entries: Vec<Entry> = trips
        .into_iter()
        .take(128)
        .map(|trip| entry(trip, end))
        .collect();
    if entries.is_empty() {
        return;
    }
    entries.sort_by_key(|entry| morton::code(entry.point));
    let mut tree = Tree::of(&entries, end, 1 + usize::from(leaf_trips % 8));

    let ([a, b, c, d], [from, to], both, has_region, by_week) = asked;
    let [a, b, c, d] = [a, b, c, d].map(|tenths| f64::from(tenths) / 10.0);
    let box_ = Rect {
        min_x: a.min(c),
        min_y: b.min(d),
        max_x: a.max(c),
        max_y: b.max(d),
    };
    let area = if leaf_trips < 128 {
        Area::boxes(&[box_])
    } else {
        Area::polygons(vec![vec![vec![[a, b], [c, b], [c, d]]]]).expect("an area")
    };
    let question = Question {
        end,
        area: &area,
        both: both && is_origin,
        days: from.min(to).into()..to.max(from).into(),
        region: has_region.then_some(1),
        by_week,
    };
    let (days, region) = (&question.days, question.region);
    let expected = entries
        .iter()
        .filter(|trip| is_within(trip, &area, days, question.both, region))
        .count();
    let all = entries.len() as u64;
    assert_eq!(
        tree.ask(&question, Some(all)).expect("a whole tree"),
        expected as i64
    );
    // What adds and what takes away the same leaves nothing.
    let (sign, left) = if has_region { (1, 2 * all) } else { (-1, 0) };
    if damages.is_empty() {
        let trees = [(1, &tree), (sign, &tree)];
        assert_eq!(merged(&trees, end).expect("whole trees"), (left, 0));
        return;
    }
    let whole = tree.clone();
    damages.into_iter().for_each(|damage| tree.damage(damage));
    let _ = tree.ask(&question, Some(all).filter(|_| by_week));
    let trees = if both {
        [(1, &whole), (sign, &tree)]
    } else {
        [(1, &tree), (sign, &whole)]
    };
    let _ = merged(&trees, end);
});
