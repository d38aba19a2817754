//! Files that may still be written to: each is waited for until it has stayed as it is for some time.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use super::State;

#[derive(Debug)]
struct One {
    state: State,
    /// Since when it is known to be like that.
    since: Instant,
    how_long: Duration,
}

impl One {
    fn due(&self) -> Instant {
        self.since + self.how_long
    }
}

/// The files, by name.
#[derive(Debug)]
pub(super) struct Waiting {
    files: HashMap<OsString, One>,
    most: usize,
}

impl Waiting {
    /// None yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Waiting {
            files: HashMap::new(),
            most,
        }
    }

    /// Whether there is no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= self.most
    }

    /// Waits for a file from `now` on, also if it was waited for before; false where there is no room.
    #[must_use]
    pub(super) fn add(
        &mut self,
        name: &OsStr,
        state: State,
        now: Instant,
        how_long: Duration,
    ) -> bool {
        if self.is_full() && !self.files.contains_key(name) {
            return false;
        }
        let one = One {
            state,
            since: now,
            how_long,
        };
        self.files.insert(name.to_owned(), one);
        true
    }

    /// Waits for it no longer.
    pub(super) fn forget(&mut self, name: &OsStr) {
        self.files.remove(name);
    }

    /// Those that have stayed as they are for long enough; `look` gives what a file is now. They are not waited for any more, nor
    /// are those that are gone. One that has changed is waited for anew.
    pub(super) fn due(
        &mut self,
        now: Instant,
        look: impl Fn(&OsStr) -> Option<State>,
    ) -> Vec<(OsString, State)> {
        let mut due = Vec::new();
        self.files.retain(|name, one| {
            if one.due() > now {
                return true;
            }
            match look(name) {
                None => false,
                Some(state) if state == one.state => {
                    due.push((name.clone(), state));
                    false
                }
                Some(state) => {
                    one.state = state;
                    one.since = now;
                    true
                }
            }
        });
        due
    }

    /// How long to wait until one may be due; none where none is waited for.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let first = self.files.values().map(One::due).min()?;
        Some(first.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SECOND: Duration = Duration::from_secs(1);

    fn state(size: u64) -> State {
        State { size, modified: 7 }
    }

    fn add(waiting: &mut Waiting, name: &str, now: Instant) -> bool {
        waiting.add(OsStr::new(name), state(1), now, SECOND)
    }

    #[test]
    fn a_file_is_due_once_it_has_stayed_as_it_is() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(10);
        assert!(add(&mut waiting, "a", begin));
        let size = Cell::new(1);
        let look = |_: &OsStr| Some(state(size.get()));
        assert_eq!(waiting.next(begin), Some(SECOND));
        assert!(waiting.due(begin + SECOND / 2, look).is_empty());
        // It grows: the second begins anew when that is seen.
        size.set(2);
        assert!(waiting.due(begin + SECOND, look).is_empty());
        assert_eq!(waiting.next(begin + SECOND), Some(SECOND));
        assert!(waiting.due(begin + SECOND * 3 / 2, look).is_empty());
        let due = waiting.due(begin + SECOND * 2, look);
        assert_eq!(due, [("a".into(), state(2))]);
        assert_eq!(waiting.next(begin + SECOND * 2), None);
    }

    #[test]
    fn a_file_that_is_gone_or_forgotten_is_not_due() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(10);
        assert!(add(&mut waiting, "gone", begin));
        assert!(add(&mut waiting, "forgotten", begin));
        waiting.forget(OsStr::new("forgotten"));
        assert!(waiting.due(begin + SECOND, |_| None).is_empty());
        assert_eq!(waiting.next(begin), None);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(1);
        assert!(add(&mut waiting, "a", begin));
        assert!(!add(&mut waiting, "b", begin));
        assert!(add(&mut waiting, "a", begin + SECOND));
        assert_eq!(waiting.next(begin + SECOND), Some(SECOND));
    }
}
