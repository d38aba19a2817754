//! The threads of an ingest: one reads blocks, some parse them; the caller takes the batches in the
//! order of the file.
//!
//! Block `i` goes to parser `i % n` and its batch is taken from there, so the order needs no buffer
//! and every queue is bounded. The threads never call the server: what only the server knows, the id of
//! a name it has not seen, they ask of the caller ([`Step::Name`]) and wait for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::batch::{Batch, Dimension, Names, Parser};
use super::header::Header;
use super::source::{Block, Blocks, Digest, Source};
use crate::Error;
use crate::fault::{self, Point};
use crate::threads::{self, Control, lock};

/// How much a pipeline takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Threads that parse, at least 1; one more reads.
    pub parser_threads: usize,
    /// Bytes of the file that a block holds.
    pub block_bytes: usize,
}

/// Blocks that wait before a parser, and batches that wait behind it: enough to go on while the caller waits for a disk.
const QUEUE: usize = 8;

/// Bytes in flight for each byte of a block and each parser: the blocks that wait, the one that is parsed
/// and the one that is read; and the same number of batches, up to three times as large as their text.
const BYTES_PER_BLOCK_BYTE: usize = (QUEUE + 2) * 4 + 1;

/// Smallest and largest block: below, the hand-over costs more than the work; above, nothing is won.
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 64 * 1024..=256 * 1024;

impl Settings {
    /// What keeps within `memory` bytes with so many parser threads. The bound holds for `memory` of
    /// 1 MiB a thread and more; no row is larger than a block of its own.
    pub fn within(memory: usize, parser_threads: usize) -> Settings {
        let parser_threads = parser_threads.max(1);
        let share = memory / (parser_threads * BYTES_PER_BLOCK_BYTE);
        Settings {
            parser_threads,
            block_bytes: share.clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end()),
        }
    }
}

/// The names that are known when a load begins, and their ids.
pub type KnownNames = HashMap<(Dimension, String), i16>;

/// What the caller has to deal with next.
#[derive(Debug)]
pub enum Step {
    /// The next batch of the file.
    Batch(Batch),
    /// A parser waits for the id of a name.
    Name(NameRequest),
    /// Nothing yet: look after other things and call again.
    Waiting,
}

/// A question of a parser thread. Dropping it unanswered stops that thread.
#[derive(Debug)]
pub struct NameRequest {
    /// Whether a region or a datasource is meant.
    pub dimension: Dimension,
    /// The name as it is to be stored.
    pub name: String,
    answer: Sender<i16>,
}

impl NameRequest {
    /// Lets the parser go on with `id`.
    pub fn answer(self, id: i16) {
        // A thread that has been stopped meanwhile no longer listens, and need not.
        let _ = self.answer.send(id);
    }
}

enum Message {
    Batch(Batch),
    Name(NameRequest),
    Failed(Error),
}

/// A running pipeline. Dropping it stops and joins its threads.
#[derive(Debug)]
pub struct Pipeline {
    control: Arc<Control>,
    batches: Vec<Receiver<Message>>,
    next: usize,
    reader: Option<JoinHandle<Result<Digest, Error>>>,
    parsers: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Reads the header of `source` and starts the threads on what follows it. The caller blocks all
    /// signals around this call, so that none is ever delivered to one of them.
    ///
    /// # Errors
    /// What [`Source::into_blocks`] gives, and 53000 where the system has no thread left.
    pub fn start(
        source: Source,
        settings: Settings,
        ingest: i64,
        known: KnownNames,
    ) -> Result<(Header, Pipeline), Error> {
        let (header, blocks) = source.into_blocks(settings.block_bytes)?;
        let (control, stopped) = Control::new();
        let mut pipeline = Pipeline {
            control: Arc::clone(&control),
            batches: Vec::new(),
            next: 0,
            reader: None,
            parsers: Vec::new(),
        };
        let known = Arc::new(Mutex::new(known));
        let mut queues = Vec::new();
        for number in 0..settings.parser_threads {
            let (queue, blocks) = bounded(QUEUE);
            let (out, batches) = bounded(QUEUE);
            let names = AskingNames {
                known: Arc::clone(&known),
                out: out.clone(),
                stopped: stopped.clone(),
            };
            let parser = Parser::new(&header, ingest, names);
            let stopped = stopped.clone();
            let handle = control.spawn(format!("trips parser {number}"), move || {
                parse(parser, &blocks, &out, &stopped);
            })?;
            pipeline.parsers.push(handle);
            pipeline.batches.push(batches);
            queues.push(queue);
        }
        pipeline.reader = Some(control.spawn("trips reader".to_owned(), move || {
            read(blocks, &queues, &stopped)
        })?);
        Ok((header, pipeline))
    }

    /// What a guard against sudden exits needs.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// The next step, none after the last batch; waits at most `timeout`.
    ///
    /// # Errors
    /// What the reader or a parser met, at its place in the file.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Step>, Error> {
        let number = self.next % self.batches.len().max(1);
        let Some(batches) = self.batches.get(number) else {
            return Ok(None);
        };
        match batches.recv_timeout(timeout) {
            Ok(Message::Batch(batch)) => {
                self.next += 1;
                Ok(Some(Step::Batch(batch)))
            }
            Ok(Message::Name(request)) => Ok(Some(Step::Name(request))),
            Ok(Message::Failed(error)) => Err(error),
            Err(RecvTimeoutError::Timeout) => Ok(Some(Step::Waiting)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Joins the threads after the last batch; gives the digest of all that was read.
    ///
    /// # Errors
    /// A file that changed while it was read, and XX000 for a thread that panicked.
    pub fn finish(mut self) -> Result<Digest, Error> {
        // All is done unless a thread panicked; then the others may wait for it.
        self.control.stop();
        for parser in self.parsers.drain(..) {
            parser.join().map_err(|_| threads::panicked("parser"))?;
        }
        match self.reader.take() {
            Some(reader) => reader.join().map_err(|_| threads::panicked("reader"))?,
            None => Err(Error::Stopped),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.control.stop();
        self.batches.clear();
        // What a thread that was stopped has to say is of no interest, nor what one that panicked has.
        for parser in self.parsers.drain(..) {
            let _ = parser.join();
        }
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// The reader thread: deals the blocks out in turn.
fn read(
    mut blocks: Blocks,
    queues: &[Sender<Result<Block, Error>>],
    stopped: &Receiver<()>,
) -> Result<Digest, Error> {
    for queue in queues.iter().cycle() {
        let next = fault::reach(Point::Read).and_then(|()| blocks.next());
        let block = match next {
            Ok(Some(block)) => Ok(block),
            Ok(None) => break,
            Err(error) => Err(error),
        };
        let failed = block.is_err();
        select! {
            send(queue, block) -> sent => if sent.is_err() || failed { return Err(Error::Stopped) },
            recv(stopped) -> _ => return Err(Error::Stopped),
        }
    }
    blocks.finish()
}

/// A parser thread: each block becomes a batch.
fn parse(
    mut parser: Parser<AskingNames>,
    blocks: &Receiver<Result<Block, Error>>,
    out: &Sender<Message>,
    stopped: &Receiver<()>,
) {
    loop {
        let block = select! {
            recv(blocks) -> block => match block { Ok(block) => block, Err(_) => return },
            recv(stopped) -> _ => return,
        };
        let batch = block.and_then(|block| {
            fault::reach(Point::Parse)?;
            parser.parse(&block)
        });
        let (message, last) = match batch {
            Ok(batch) => (Message::Batch(batch), false),
            Err(error) => (Message::Failed(error), true),
        };
        select! {
            send(out, message) -> sent => if sent.is_err() || last { return },
            recv(stopped) -> _ => return,
        }
    }
}

/// Names as a parser thread sees them: those that are known, and a question for each other.
struct AskingNames {
    known: Arc<Mutex<KnownNames>>,
    out: Sender<Message>,
    stopped: Receiver<()>,
}

impl AskingNames {
    fn ask(&self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        let (answer, answered) = bounded(1);
        let request = Message::Name(NameRequest {
            dimension,
            name: name.to_owned(),
            answer,
        });
        select! {
            send(self.out, request) -> sent => sent.map_err(|_| Error::Stopped)?,
            recv(self.stopped) -> _ => return Err(Error::Stopped),
        }
        select! {
            recv(answered) -> id => id.map_err(|_| Error::Stopped),
            recv(self.stopped) -> _ => Err(Error::Stopped),
        }
    }
}

impl Names for AskingNames {
    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        let key = (dimension, name.to_owned());
        if let Some(id) = lock(&self.known).get(&key) {
            return Ok(*id);
        }
        let id = self.ask(dimension, name)?;
        lock(&self.known).insert(key, id);
        Ok(id)
    }
}
