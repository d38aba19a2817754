//! The memory of another process, sampled while it works.
//!
//! What counts is `RssAnon` of `/proc/PID/status`: the pages that the process itself allocated and touched.
//! `VmHWM`, the kernel's own high-water mark, would not do: it holds the shared buffers that a backend has
//! touched, which are the server's and there already.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Time between two samples.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// A thread that samples the private memory of a process.
pub struct Sampler {
    baseline: u64,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Sampler {
    /// Starts to sample the process `pid`; its memory now is what growth is counted from.
    ///
    /// # Errors
    /// When `/proc` does not show the process.
    pub fn start(pid: u32) -> io::Result<Self> {
        let baseline = private_bytes(pid)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peak = baseline;
            while !stopped.load(Ordering::Relaxed) {
                // A process that has ended holds no more than before.
                peak = peak.max(private_bytes(pid).unwrap_or(0));
                thread::sleep(INTERVAL);
            }
            peak
        });
        Ok(Self {
            baseline,
            stop,
            thread,
        })
    }

    /// Ends the sampling and gives the growth from the start to the highest sample, in bytes.
    #[must_use]
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let peak = self.thread.join().unwrap_or(self.baseline);
        peak - self.baseline
    }
}

/// The private memory of a process, in bytes.
fn private_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    rss_anon(&status).ok_or_else(|| io::Error::other(format!("no RssAnon in the status of {pid}")))
}

fn rss_anon(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_read_from_the_line_rss_anon() {
        let status = "VmHWM:\t  900 kB\nRssAnon:\t    2048 kB\nRssFile:\t 10 kB\n";
        assert_eq!(rss_anon(status), Some(2 << 20));
        assert_eq!(rss_anon("VmHWM:\t 900 kB\n"), None);
    }

    #[test]
    fn what_a_process_allocates_while_it_is_sampled_is_its_growth() {
        let sampler = Sampler::start(std::process::id()).expect("this process is in /proc");
        let block = vec![1u8; 64 << 20];
        thread::sleep(INTERVAL * 10);
        let growth = sampler.stop();
        assert!(growth >= block.len() as u64 * 9 / 10, "{growth}");
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(Sampler::start(u32::MAX).is_err());
    }
}
