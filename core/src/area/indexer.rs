//! The threads that make runs: of trips, or of other runs; the caller stores what they give.
//!
//! Each of a run's two trees has a thread of its own. The threads never call the server: leaves that a merge needs they
//! ask of the caller ([`Step::Leaves`]) and wait for. The queue of finished rows is bounded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use super::build::{self, Row, Tree, TreeWriter};
use super::leaf::{self, LeafColumns};
use super::merge::{self, Leaves};
use super::{End, Entry};
use crate::Error;
use crate::fault::{self, Point};
use crate::threads::{self, Control};

/// Rows that wait for the caller; each has up to 20 KB.
const QUEUE: usize = 128;

/// Memory for each entry of a run that is built: the entry, and its place in the order of both trees.
pub const BYTES_PER_ENTRY: usize = size_of::<Entry>() + 2 * size_of::<u64>();

/// What the caller has to deal with next.
#[derive(Debug)]
pub enum Step {
    /// A row to store.
    Row(Row),
    /// A thread waits for leaves.
    Leaves(LeavesRequest),
    /// Nothing yet: look after other things and call again.
    Waiting,
}

/// The trees of a run: of origins and of destinations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trees {
    /// The tree of origins; it alone knows the regions.
    pub origin: Tree,
    /// The tree of destinations.
    pub destination: Tree,
}

/// A question of a thread that merges. Dropping it unanswered stops that thread.
#[derive(Debug)]
pub struct LeavesRequest {
    /// Which trees are merged.
    pub end: End,
    /// Which of the inputs is meant.
    pub input: usize,
    answer: Sender<Vec<LeafColumns>>,
}

impl LeavesRequest {
    /// Lets the thread go on with the next leaves of the input; none means that there are no more.
    pub fn answer(self, leaves: Vec<LeafColumns>) {
        // A thread that has been stopped meanwhile no longer listens, and need not.
        let _ = self.answer.send(leaves);
    }
}

enum Message {
    Row(Row),
    Done(End, Tree, Tree),
    Failed(Error),
}

/// Threads that make a run, or two. Dropping it stops and joins them.
#[derive(Debug)]
pub struct Indexer {
    control: Arc<Control>,
    messages: Receiver<Message>,
    /// What threads wait for; looked at first.
    requests: Receiver<LeavesRequest>,
    threads: Vec<JoinHandle<()>>,
    plus: Trees,
    minus: Trees,
}

impl Indexer {
    /// Builds the run `run` of entries, which are those of a tree of origins. The caller blocks all signals around this
    /// call, so that none is ever delivered to the threads. After [`Indexer::finish`] nothing here holds the entries.
    ///
    /// # Errors
    /// 53000 where the system has no thread left; here and in [`Indexer::merge`].
    pub fn build(run: i64, entries: &Arc<Vec<Entry>>) -> Result<Indexer, Error> {
        Indexer::start(|end, link| {
            let entries = Arc::clone(entries);
            move || {
                let tree = build::build(&entries, run, end, |row| link.row(row))?;
                drop(entries);
                link.send(Message::Done(end, tree, Tree::default()))
            }
        })
    }

    /// Merges runs with these signs into the run `plus`, which adds, and `minus`, which takes away. Signals as in
    /// [`Indexer::build`].
    ///
    /// # Errors
    /// As [`Indexer::build`].
    pub fn merge(signs: &[i8], plus: i64, minus: i64) -> Result<Indexer, Error> {
        let signs: Arc<[i8]> = signs.into();
        Indexer::start(|end, link| {
            let signs = Arc::clone(&signs);
            move || {
                let mut leaves = AskedLeaves {
                    end,
                    link: link.clone(),
                    inputs: signs.iter().map(|_| AskedInput::default()).collect(),
                };
                let emit = |row| link.row(row);
                let (plus, minus) = merge::merge(
                    &signs,
                    &mut leaves,
                    TreeWriter::new(plus, end, emit),
                    TreeWriter::new(minus, end, emit),
                )?;
                link.send(Message::Done(end, plus, minus))
            }
        })
    }

    /// Starts a thread for each end, with the work that `work` gives it.
    fn start<W>(mut work: impl FnMut(End, Link) -> W) -> Result<Indexer, Error>
    where
        W: FnOnce() -> Result<(), Error> + Send + 'static,
    {
        let (control, stopped) = Control::new();
        let (out, messages) = bounded(QUEUE);
        let (ask, requests) = unbounded();
        let mut indexer = Indexer {
            control: Arc::clone(&control),
            messages,
            requests,
            threads: Vec::new(),
            plus: Trees::default(),
            minus: Trees::default(),
        };
        for end in End::BOTH {
            let link = Link {
                out: out.clone(),
                ask: ask.clone(),
                stopped: stopped.clone(),
            };
            let work = work(end, link.clone());
            let name = format!("trips {} tree", end.as_str());
            indexer.threads.push(control.spawn(name, move || {
                if let Err(error) = work() {
                    // Who has been told to stop has nobody to tell.
                    let _ = link.send(Message::Failed(error));
                }
            })?);
        }
        Ok(indexer)
    }

    /// What a guard against sudden exits needs.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// The next step, none when the trees are complete; waits at most `timeout`.
    ///
    /// # Errors
    /// What a thread met.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Step>, Error> {
        loop {
            if let Ok(request) = self.requests.try_recv() {
                return Ok(Some(Step::Leaves(request)));
            }
            let message = select! {
                recv(self.messages) -> message => message,
                recv(self.requests) -> request => match request {
                    Ok(request) => return Ok(Some(Step::Leaves(request))),
                    // All threads have ended: what is left are messages.
                    Err(_) => self.messages.recv(),
                },
                default(timeout) => return Ok(Some(Step::Waiting)),
            };
            match message {
                Ok(Message::Row(row)) => return Ok(Some(Step::Row(row))),
                Ok(Message::Failed(error)) => return Err(error),
                Ok(Message::Done(end, plus, minus)) => {
                    self.plus.set(end, plus);
                    self.minus.set(end, minus);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Joins the threads after the last step; gives the trees of the run that adds and of the one that takes away.
    ///
    /// # Errors
    /// XX000 for a thread that panicked.
    pub fn finish(mut self) -> Result<(Trees, Trees), Error> {
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| threads::panicked("tree"))?;
        }
        Ok((
            std::mem::take(&mut self.plus),
            std::mem::take(&mut self.minus),
        ))
    }
}

impl Trees {
    /// The first and the last day of both; none where there is no trip in either. Of trips that are taken away more may
    /// cancel in one tree than in the other, since trips that differ in one end only are the same to the other.
    pub fn days(&self) -> Option<(i32, i32)> {
        build::join(self.origin.days, self.destination.days)
    }

    fn set(&mut self, end: End, tree: Tree) {
        match end {
            End::Origin => self.origin = tree,
            End::Destination => self.destination = tree,
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.control.stop();
        // What a thread that was stopped has to say is of no interest, nor what one that panicked has.
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A thread's way to the caller.
#[derive(Clone)]
struct Link {
    out: Sender<Message>,
    /// Holds no more than one question for each input.
    ask: Sender<LeavesRequest>,
    stopped: Receiver<()>,
}

impl Link {
    fn row(&self, row: Row) -> Result<(), Error> {
        fault::reach(Point::Tree)?;
        self.send(Message::Row(row))
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        select! {
            send(self.out, message) -> sent => sent.map_err(|_| Error::Stopped),
            recv(self.stopped) -> _ => Err(Error::Stopped),
        }
    }
}

/// Leaves as a thread that merges sees them: those that the caller has given, and a question for more.
struct AskedLeaves {
    end: End,
    link: Link,
    inputs: Vec<AskedInput>,
}

/// What has been read of an input, and what has been asked for meanwhile.
#[derive(Default)]
struct AskedInput {
    read: VecDeque<LeafColumns>,
    asked: Option<Receiver<Vec<LeafColumns>>>,
    ended: bool,
}

impl AskedLeaves {
    fn ask(&self, input: usize) -> Result<Receiver<Vec<LeafColumns>>, Error> {
        let (answer, answered) = bounded(1);
        let request = LeavesRequest {
            end: self.end,
            input,
            answer,
        };
        self.link.ask.send(request).map_err(|_| Error::Stopped)?;
        Ok(answered)
    }

    /// The next leaves of an input, none at its end. Those after them are asked for already.
    fn read(&mut self, input: usize) -> Result<Vec<LeafColumns>, Error> {
        let asked = self.inputs.get_mut(input).and_then(|of| of.asked.take());
        let asked = match asked {
            Some(asked) => asked,
            None => self.ask(input)?,
        };
        let leaves = select! {
            recv(asked) -> leaves => leaves.map_err(|_| Error::Stopped)?,
            recv(self.link.stopped) -> _ => return Err(Error::Stopped),
        };
        let next = match leaves.is_empty() {
            true => None,
            false => Some(self.ask(input)?),
        };
        if let Some(of) = self.inputs.get_mut(input) {
            of.ended = next.is_none();
            of.asked = next;
        }
        Ok(leaves)
    }
}

impl Leaves for AskedLeaves {
    fn next(&mut self, input: usize, entries: &mut Vec<Entry>) -> Result<bool, Error> {
        let is_waiting = |of: &AskedInput| of.read.is_empty() && !of.ended;
        if self.inputs.get(input).is_some_and(is_waiting) {
            let more = self.read(input)?;
            if let Some(of) = self.inputs.get_mut(input) {
                of.read.extend(more);
            }
        }
        let leaf = self
            .inputs
            .get_mut(input)
            .and_then(|of| of.read.pop_front());
        let Some(leaf) = leaf else {
            return Ok(false);
        };
        leaf::decode(&leaf, self.end, entries)?;
        Ok(true)
    }
}
