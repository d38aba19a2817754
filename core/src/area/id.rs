//! The ids of leaves and nodes: they say where in which run's tree a row belongs.
//!
//! | bits | leaf | node |
//! |---|---|---|
//! | 63..32 | run | run |
//! | 31 | end: 0 origin, 1 destination | the same |
//! | 30..27 | number | level, 1 to 15 |
//! | 26..0 | number | number |
//!
//! Leaves and nodes are numbered from 0 in Morton order, each level by itself; child `i` of node `n` has the number
//! `n * FANOUT + i` one level below.

use super::End;

/// The greatest number of a run.
pub const MAX_RUN: i64 = i32::MAX as i64;

const END_SHIFT: u32 = 31;
const LEVEL_SHIFT: u32 = 27;
const LEVEL_MASK: i64 = 0xf;
const NODE_MASK: i64 = (1 << LEVEL_SHIFT) - 1;
const LEAF_MASK: i64 = (1 << END_SHIFT) - 1;

/// The id of leaf `number`, below 2^31.
pub const fn leaf(run: i64, end: End, number: u32) -> i64 {
    tree(run, end) | (number as i64 & LEAF_MASK)
}

/// The id of node `number`, below 2^27, on `level`, 1 to 15.
pub const fn node(run: i64, end: End, level: u8, number: u32) -> i64 {
    tree(run, end) | (level as i64 & LEVEL_MASK) << LEVEL_SHIFT | (number as i64 & NODE_MASK)
}

/// The ids of all leaves, or of all nodes, of a run: first and last.
pub const fn of_run(run: i64) -> (i64, i64) {
    (run << 32, run << 32 | 0xffff_ffff)
}

/// The run of a leaf or node.
pub const fn run(id: i64) -> i64 {
    id >> 32
}

/// The level of a node.
pub const fn level(id: i64) -> u8 {
    (id >> LEVEL_SHIFT & LEVEL_MASK) as u8
}

/// The number of a node on its level.
pub const fn node_number(id: i64) -> u32 {
    (id & NODE_MASK) as u32
}

/// The tree that a leaf or node belongs to.
pub const fn end(id: i64) -> End {
    match id >> END_SHIFT & 1 {
        0 => End::Origin,
        _ => End::Destination,
    }
}

const fn tree(run: i64, end: End) -> i64 {
    run << 32
        | match end {
            End::Origin => 0,
            End::Destination => 1 << END_SHIFT,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_gives_back_what_it_was_made_of() {
        for end_ in End::BOTH {
            let node = node(MAX_RUN, end_, 15, NODE_MASK as u32);
            assert_eq!(
                (run(node), end(node), level(node), node_number(node)),
                (MAX_RUN, end_, 15, NODE_MASK as u32)
            );
            let leaf = leaf(7, end_, LEAF_MASK as u32);
            assert_eq!((run(leaf), end(leaf)), (7, end_));
        }
    }

    #[test]
    fn the_ids_of_a_run_lie_between_its_first_and_its_last() {
        let (first, last) = of_run(7);
        assert_eq!(first, leaf(7, End::Origin, 0));
        assert_eq!(last, leaf(7, End::Destination, LEAF_MASK as u32));
        assert!(last < leaf(8, End::Origin, 0));
    }
}
