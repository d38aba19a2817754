//! Counting the trips of an area: the descent of the trees.
//!
//! A child that lies outside the area or the period is skipped, one that lies inside both is counted whole. One that
//! lies inside the area and partly in the period is counted by its days. What the area's edge cuts is opened; at a
//! leaf the cells of its points are compared, and only points whose cell holds the edge are asked for their exact
//! coordinates.
//!
//! Of leaves that lie inside the area and partly in the period, each would have to be read. Where fewer of the same node
//! lie outside, these are read instead: the node's days less theirs are the days of what lies inside or is cut.
//!
//! Nodes are opened a level at a time over all runs, so that a store can fetch many at once.

use std::collections::BTreeMap;
use std::ops::Range;

use super::days::{each_encoded, week_of};
use super::leaf::{Exact, LeafRow, Others, Points, Regions};
use super::node::{self, Summary};
use super::{Area, Corrupt, End, FANOUT, Relation, id, sieve};
use crate::Error;

/// What is asked of the trees of one end.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The end that lies in the area.
    pub end: End,
    /// Where that end lies.
    pub area: &'a Area,
    /// Whether the other end must lie there, too. Asked of [`End::Origin`] only: the other tree does not know.
    pub both: bool,
    /// The days of departure.
    pub days: Range<i32>,
    /// The region, if only one counts.
    pub region: Option<i16>,
    /// Whether the trips of each week are wanted, or only their sum.
    pub by_week: bool,
}

/// A run to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// 1 for a run that adds, -1 for one that takes away.
    pub sign: i64,
    /// The height of the tree that is asked.
    pub height: u8,
    /// The trips in that tree, where that is known: its root must have so many.
    pub trips: Option<u64>,
}

/// What the trees answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Trips in all.
    pub trips: i64,
    /// Trips of each week, by its Monday (days since 2000-01-01), where weeks were asked for. A week may have none.
    pub weeks: BTreeMap<i32, i64>,
    /// What was done for it.
    pub effort: Effort,
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Runs searched.
    pub runs: u64,
    /// Inner nodes read.
    pub nodes_opened: u64,
    /// Leaves read.
    pub leaves_read: u64,
    /// Points whose cells were compared.
    pub points_tested: u64,
    /// Points whose exact coordinates were asked for.
    pub points_fetched: u64,
}

/// A node as it is stored.
pub trait NodeRow {
    /// The children's summaries.
    fn children(&self) -> &[u8];
    /// The trips of each day. Fetched when asked for.
    fn days(&self) -> std::borrow::Cow<'_, [u8]>;
}

/// Where trees are stored.
pub trait Store {
    /// Calls `each` with the nodes that have these ids, which ascend.
    ///
    /// # Errors
    /// What reading or `each` gives, here and below.
    fn nodes(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn NodeRow) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Calls `each` with the leaves that have these ids, which ascend.
    ///
    /// # Errors
    /// As [`Store::nodes`].
    fn leaves(
        &mut self,
        ids: &[i64],
        each: &mut dyn FnMut(i64, &dyn LeafRow) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// Rows that are fetched at a time: what they take is memory.
const ROWS_AT_A_TIME: usize = 256;

/// Reading so many leaves takes as long as counting a node's days.
const DAYS_AS_LEAVES: usize = 2;

/// Counts the trips that `question` asks for.
///
/// # Errors
/// What the store gives, and [`Error::CorruptTree`] where a tree is not whole.
pub fn count(
    question: &Question<'_>,
    runs: &[Run],
    store: &mut dyn Store,
) -> Result<Answer, Error> {
    let mut search = Search::new(question);
    for run in runs.iter().filter(|run| run.height > 0) {
        search.answer.effort.runs += 1;
        search.nodes.push(Wanted {
            id: id::node(run.id, question.end, run.height, 0),
            sign: run.sign,
            known: search.nothing_known(),
            trips: run.trips,
            is_counted: false,
        });
    }
    while !search.nodes.is_empty() || !search.leaves.is_empty() {
        let nodes = take_some(&mut search.nodes);
        let mut found = 0;
        store.nodes(&ids(&nodes), &mut |id, row| {
            found += 1;
            search.node(wanted(&nodes, id)?, row)
        })?;
        all_found(found, &nodes)?;
        if search.leaves.len() < ROWS_AT_A_TIME && !search.nodes.is_empty() {
            continue;
        }
        let leaves = take_some(&mut search.leaves);
        let mut found = 0;
        store.leaves(&ids(&leaves), &mut |id, row| {
            found += 1;
            search.leaf(wanted(&leaves, id)?, row)
        })?;
        all_found(found, &leaves)?;
    }
    search.answer.weeks.retain(|_, trips| *trips != 0);
    Ok(search.answer)
}

/// A node or leaf to fetch, and what is known of it already.
#[derive(Clone, Copy)]
struct Wanted {
    id: i64,
    sign: i64,
    known: Known,
    /// The trips below it: those that its parent, or its run, says it has. A row that has others is damaged.
    trips: Option<u64>,
    /// Of a leaf: whether its trips in the period have been counted with its node's, and only those in the area are to
    /// stay.
    is_counted: bool,
}

/// What need not be asked of the trips below a node any more.
#[derive(Clone, Copy)]
struct Known {
    /// Their end lies in the area, or none of them does.
    point: bool,
    /// Their other end does, or need not.
    other: bool,
    /// They have the region.
    region: bool,
    /// Their days lie in the period.
    days: bool,
}

/// What the summary of a node's child tells.
#[derive(Clone, Copy)]
enum Look {
    /// None of its trips can count.
    Skip,
    /// None has its end in the area; what is known of them otherwise.
    Outside(Known),
    /// Some may count.
    Open(Known),
}

impl Known {
    /// Whether all that counts is the day.
    fn place(self) -> bool {
        self.point && self.other && self.region
    }
}

/// At most [`ROWS_AT_A_TIME`] of what is wanted, in the order of their ids.
fn take_some(wanted: &mut Vec<Wanted>) -> Vec<Wanted> {
    let mut some = wanted.split_off(wanted.len().saturating_sub(ROWS_AT_A_TIME));
    some.sort_unstable_by_key(|wanted| wanted.id);
    some
}

fn ids(wanted: &[Wanted]) -> Vec<i64> {
    wanted.iter().map(|wanted| wanted.id).collect()
}

fn wanted(all: &[Wanted], id: i64) -> Result<Wanted, Corrupt> {
    let place = all.binary_search_by_key(&id, |wanted| wanted.id);
    let found = place.ok().and_then(|place| all.get(place));
    found.copied().ok_or(Corrupt("a row that nobody asked for"))
}

fn all_found(found: usize, wanted: &[Wanted]) -> Result<(), Corrupt> {
    match found == wanted.len() {
        true => Ok(()),
        false => Err(Corrupt("a node or leaf is missing")),
    }
}

/// A search under way.
struct Search<'q> {
    question: &'q Question<'q>,
    nodes: Vec<Wanted>,
    leaves: Vec<Wanted>,
    /// One byte for each point of the leaf in hand: see [`sieve::sort`].
    codes: Vec<u8>,
    answer: Answer,
}

impl<'q> Search<'q> {
    fn new(question: &'q Question<'q>) -> Search<'q> {
        Search {
            question,
            nodes: Vec::new(),
            leaves: Vec::new(),
            codes: Vec::new(),
            answer: Answer::default(),
        }
    }

    fn nothing_known(&self) -> Known {
        Known {
            point: false,
            other: !self.question.both,
            region: self.question.region.is_none(),
            days: false,
        }
    }

    /// Looks at a node: by its days if that is all that is left to ask, or else at its children.
    fn node(&mut self, wanted: Wanted, row: &dyn NodeRow) -> Result<(), Error> {
        self.answer.effort.nodes_opened += 1;
        if wanted.known.place() {
            return Ok(self.add_days(&row.days(), wanted.sign, wanted.trips)?);
        }
        let children = node::parse(row.children())?;
        let (level, number) = (id::level(wanted.id), id::node_number(wanted.id));
        if children.len() > FANOUT || level == 0 {
            return Err(Corrupt("a node with too many children, or below the leaves").into());
        }
        let trips = children.iter().map(|child| child.trips);
        let trips = trips.fold(0, u64::saturating_add);
        if wanted.trips.is_some_and(|known| known != trips) {
            return Err(Corrupt("a node with other trips than it should have").into());
        }
        let mut looks = [Look::Skip; FANOUT];
        let (mut inside, mut outside) = (0, 0);
        for (look, child) in looks.iter_mut().zip(children.iter()) {
            *look = self.look(&child, wanted.known);
            match *look {
                Look::Open(known) if known.place() && !self.is_told(&child, known) => inside += 1,
                Look::Outside(known) if !self.is_told(&child, known) => outside += 1,
                _ => {}
            }
        }
        let by_place = wanted.known.other && wanted.known.region;
        let by_days = level == 1 && by_place && outside + DAYS_AS_LEAVES < inside;
        if by_days {
            self.add_days(&row.days(), wanted.sign, Some(trips))?;
        }
        let first = number * FANOUT as u32;
        for ((number, child), look) in (first..).zip(children.iter()).zip(looks) {
            self.follow(look, number, &child, wanted, by_days);
        }
        Ok(())
    }

    /// Counts a child of `parent` or puts it down to be opened; `by_days` says that the parent's days have been counted.
    fn follow(&mut self, look: Look, number: u32, child: &Summary, parent: Wanted, by_days: bool) {
        let (known, sign) = match (look, by_days) {
            (Look::Skip, _) | (Look::Outside(_), false) => return,
            (Look::Open(known), true) if known.place() => return,
            (Look::Open(known), _) => (known, parent.sign),
            (Look::Outside(known), true) => (known, -parent.sign),
        };
        if self.is_told(child, known) {
            return self.add(week_of(child.first_day), sign, child.trips as i64);
        }
        let (run, end) = (id::run(parent.id), id::end(parent.id));
        let (list, id) = match id::level(parent.id) {
            1 => (&mut self.leaves, id::leaf(run, end, number)),
            level => (&mut self.nodes, id::node(run, end, level - 1, number)),
        };
        list.push(Wanted {
            id,
            sign,
            known,
            trips: Some(child.trips),
            is_counted: by_days && !known.place(),
        });
    }

    /// What a child's summary tells.
    fn look(&self, child: &Summary, known: Known) -> Look {
        let question = self.question;
        let days = &question.days;
        if child.last_day < days.start || child.first_day >= days.end {
            return Look::Skip;
        }
        let region = known.region
            || match (child.region, question.region) {
                (Some(its), Some(wanted)) if its != wanted => return Look::Skip,
                (its, wanted) => its == wanted,
            };
        let relation = |known: bool, relation: &dyn Fn() -> Relation| match known {
            true => Relation::Inside,
            false => relation(),
        };
        let known_with = |point, other| Known {
            point,
            other,
            region,
            days: child.first_day >= days.start && child.last_day < days.end,
        };
        let point = relation(known.point, &|| question.area.relation(&child.bounds));
        if point == Relation::Outside {
            return Look::Outside(known_with(true, known.other));
        }
        let other = relation(known.other, &|| match &child.other {
            Some(bounds) => question.area.relation(bounds),
            None => Relation::Border,
        });
        match other {
            Relation::Outside => Look::Skip,
            other => Look::Open(known_with(
                point == Relation::Inside,
                other == Relation::Inside,
            )),
        }
    }

    /// Whether a child's summary tells how many of its trips to count: all, in one week.
    fn is_told(&self, child: &Summary, known: Known) -> bool {
        known.place() && known.days && !self.spans_weeks(child)
    }

    fn spans_weeks(&self, child: &Summary) -> bool {
        self.question.by_week && week_of(child.first_day) != week_of(child.last_day)
    }

    /// Counts trips that depart in one week.
    fn add(&mut self, week: i32, sign: i64, trips: i64) {
        self.add_trips(sign, trips);
        if self.question.by_week {
            let week = self.answer.weeks.entry(week).or_default();
            *week = week.saturating_add(trips.saturating_mul(sign));
        }
    }

    /// Counts trips. Bytes that are no tree may promise any number of them.
    fn add_trips(&mut self, sign: i64, trips: i64) {
        let trips = trips.saturating_mul(sign);
        self.answer.trips = self.answer.trips.saturating_add(trips);
    }

    /// Counts trips by their days, as a node has them; `known` is how many these must be, where that is known.
    fn add_days(&mut self, days: &[u8], sign: i64, known: Option<u64>) -> Result<(), Corrupt> {
        let period = self.question.days.clone();
        let (mut trips, mut counted) = (0i64, 0i64);
        each_encoded(days, |day, count| {
            trips = trips.saturating_add(count);
            if period.contains(&day) {
                match self.question.by_week {
                    true => self.add(week_of(day), sign, count),
                    false => counted = counted.saturating_add(count),
                }
            }
        })?;
        self.add_trips(sign, counted);
        match known {
            Some(known) if known as i64 != trips => {
                Err(Corrupt("a node with other days than it should have"))
            }
            _ => Ok(()),
        }
    }

    /// Looks at the points of a leaf.
    fn leaf(&mut self, wanted: Wanted, row: &dyn LeafRow) -> Result<(), Error> {
        self.answer.effort.leaves_read += 1;
        let points = Points::parse(row.points())?;
        if wanted
            .trips
            .is_some_and(|known| known != points.len() as u64)
        {
            return Err(Corrupt("a leaf with other trips than it should have").into());
        }
        let slice = points.slice(self.question.days.clone());
        let known = wanted.known;
        let all = |places: Range<usize>| places.len() as i64;
        if wanted.is_counted {
            self.count_places(&points, slice.clone(), -wanted.sign, all);
        }
        if known.place() {
            self.count_places(&points, slice, wanted.sign, all);
            return Ok(());
        }
        if !known.point {
            self.answer.effort.points_tested += slice.len() as u64;
        }
        if known.other
            && known.region
            && !self.question.by_week
            && let Some(trips) = sieve::count(self.question.area, &points, slice.clone())
        {
            self.add_trips(wanted.sign, trips as i64);
            return Ok(());
        }
        self.decide(known, &points, slice.clone(), row)?;
        let codes = std::mem::take(&mut self.codes);
        self.count_places(&points, slice, wanted.sign, |places| {
            let codes = codes.get(places).unwrap_or_default();
            codes.iter().map(|code| i64::from(*code)).sum()
        });
        self.codes = codes;
        Ok(())
    }

    /// Makes each code of the slice 1 where the trip counts, and 0 where not.
    fn decide(
        &mut self,
        known: Known,
        points: &Points<'_>,
        slice: Range<usize>,
        row: &dyn LeafRow,
    ) -> Result<(), Error> {
        let area = self.question.area;
        if known.point {
            self.codes.clear();
            self.codes.resize(slice.len(), sieve::INSIDE);
        } else {
            sieve::sort(area, points, slice.clone(), &mut self.codes);
            self.decide_edge(points, slice.start, row)?;
        }
        let counted = |codes: &[u8]| codes.contains(&sieve::INSIDE);
        if !known.other && counted(&self.codes) {
            let bytes = row.other().ok_or(Corrupt("a leaf without other ends"))?;
            let others = Others::parse(points.len(), &bytes)?;
            self.keep(slice.start, |place| area.contains(others.point(place)));
        }
        if let Some(wanted) = self.question.region.filter(|_| !known.region) {
            if let Some(region) = points.region() {
                self.keep(slice.start, |_| region == wanted);
            } else {
                let bytes = row.regions().ok_or(Corrupt("a leaf without regions"))?;
                let regions = Regions::parse(points.len(), &bytes)?;
                self.keep(slice.start, |place| regions.region(place) == wanted);
            }
        }
        Ok(())
    }

    /// Decides by their exact coordinates the points whose cell does not tell.
    fn decide_edge(
        &mut self,
        points: &Points<'_>,
        start: usize,
        row: &dyn LeafRow,
    ) -> Result<(), Error> {
        if !self.codes.contains(&sieve::EDGE) {
            return Ok(());
        }
        let bytes = row.exact();
        let exact = match &bytes {
            Some(bytes) => Exact::parse(points, bytes)?,
            None => Exact::none(points)?,
        };
        for (place, code) in (start..).zip(&mut self.codes) {
            if *code == sieve::EDGE {
                self.answer.effort.points_fetched += 1;
                *code = match self.question.area.contains(exact.point(place)) {
                    true => sieve::INSIDE,
                    false => sieve::OUTSIDE,
                };
            }
        }
        Ok(())
    }

    /// Of the trips that count, keeps those of which `condition` holds; it is asked with places in the leaf.
    fn keep(&mut self, start: usize, condition: impl Fn(usize) -> bool) {
        for (place, code) in (start..).zip(&mut self.codes) {
            if *code == sieve::INSIDE && !condition(place) {
                *code = sieve::OUTSIDE;
            }
        }
    }

    /// Counts trips of a slice of a leaf: `trips` says how many of them there are in places of the slice.
    fn count_places(
        &mut self,
        points: &Points<'_>,
        slice: Range<usize>,
        sign: i64,
        trips: impl Fn(Range<usize>) -> i64,
    ) {
        if !self.question.by_week {
            self.add_trips(sign, trips(0..slice.len()));
            return;
        }
        // Days ascend, so the trips of a week lie together: it is looked up once.
        let mut last: Option<(i32, Range<usize>)> = None;
        points.each_day(|day, places| {
            let (from, to) = (places.start.max(slice.start), places.end.min(slice.end));
            if from >= to {
                return;
            }
            let places = from - slice.start..to - slice.start;
            match &mut last {
                Some((week, before)) if *week == week_of(day) => before.end = places.end,
                _ => {
                    if let Some((week, before)) = last.replace((week_of(day), places)) {
                        self.add(week, sign, trips(before));
                    }
                }
            }
        });
        if let Some((week, places)) = last {
            self.add(week, sign, trips(places));
        }
    }
}
