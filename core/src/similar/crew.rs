//! Threads that do pieces of work, whose results come back in order: so what is made of them does not depend on how many
//! threads there are.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, select, unbounded};

use crate::Error;
use crate::threads::{Control, panicked};

/// How long the caller waits for a piece before it looks after other things.
const POLL: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce() + Send>;

/// Some threads. Dropping it stops and joins them.
#[derive(Debug)]
pub struct Crew {
    control: Arc<Control>,
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts so many threads, at least one. The caller blocks all signals around this call, so that none is ever
    /// delivered to the threads.
    ///
    /// # Errors
    /// 53000 where the system has no thread left.
    pub fn new(threads: usize) -> Result<Crew, Error> {
        let (control, stopped) = Control::new();
        let (jobs, todo) = unbounded::<Job>();
        let mut crew = Crew {
            control,
            jobs,
            threads: Vec::new(),
        };
        for number in 0..threads.max(1) {
            let (todo, stopped) = (todo.clone(), stopped.clone());
            let work = move || {
                loop {
                    select! {
                        recv(stopped) -> _ => break,
                        recv(todo) -> job => match job {
                            Ok(job) => job(),
                            Err(_) => break,
                        },
                    }
                }
            };
            let thread = crew.control.spawn(format!("trips group {number}"), work)?;
            crew.threads.push(thread);
        }
        Ok(crew)
    }

    /// What a guard against sudden exits needs.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Has `work` done for the numbers from 0 to `count`, and hands the results to `take` in order. Calls `tick` every
    /// now and then. Memory holds the results of a few pieces.
    ///
    /// # Errors
    /// The first that `take` or `tick` gives; XX000 for work that panicked.
    pub(super) fn in_order<T: Send + 'static>(
        &self,
        count: usize,
        work: impl Fn(usize) -> T + Send + Sync + 'static,
        tick: &mut dyn FnMut() -> Result<(), Error>,
        mut take: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let work = Arc::new(work);
        let ahead = 2 * self.threads.len() + 2;
        let (done, results) = unbounded();
        let mut waiting = BTreeMap::new();
        let (mut sent, mut taken) = (0, 0);
        while taken < count {
            while sent < count.min(taken + ahead) {
                let (work, done, number) = (Arc::clone(&work), done.clone(), sent);
                let job = move || {
                    let result = catch_unwind(AssertUnwindSafe(|| work(number)));
                    // Who no longer listens needs no result.
                    let _ = done.send((number, result));
                };
                self.jobs
                    .send(Box::new(job))
                    .map_err(|_| panicked("grouping"))?;
                sent += 1;
            }
            match results.recv_timeout(POLL) {
                Ok((number, result)) => {
                    waiting.insert(number, result.map_err(|_| panicked("grouping"))?);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            while let Some(result) = waiting.remove(&taken) {
                take(result)?;
                taken += 1;
            }
            tick()?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.control.stop();
        for thread in self.threads.drain(..) {
            // It has no result.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_many_threads_there_are() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(threads).unwrap();
            let mut taken = Vec::new();
            let slow_first = |number: usize| {
                if number.is_multiple_of(7) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                number * 2
            };
            let take = |result| {
                taken.push(result);
                Ok(())
            };
            crew.in_order(100, slow_first, &mut || Ok(()), take)
                .unwrap();
            assert_eq!(taken, (0..100).map(|number| number * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_is_told_to_stop_stops_and_a_panic_is_an_error() {
        let crew = Crew::new(2).unwrap();
        let mut ticks = 0;
        let mut tick = || {
            ticks += 1;
            match ticks {
                3 => Err(Error::Internal {
                    what: "enough".to_owned(),
                }),
                _ => Ok(()),
            }
        };
        let ended = crew.in_order(1_000_000, |number| number, &mut tick, |_| Ok(()));
        assert_eq!(ended.unwrap_err().to_string(), "internal error: enough");
        let ended = crew.in_order(
            9,
            |number| assert_ne!(number, 4),
            &mut || Ok(()),
            |()| Ok(()),
        );
        assert!(ended.is_err());
    }
}
