//! What processes use: processor time and memory, read from the system while they work.

use std::fs;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often memory is looked at: each look costs the process a part of a millisecond.
const EVERY: Duration = Duration::from_millis(40);

/// A process, and what it is in what is measured.
#[derive(Clone, Debug)]
pub struct Process {
    /// Such as `worker`.
    pub role: &'static str,
    /// Its id.
    pub pid: i32,
}

impl Process {
    /// A process in a role.
    pub fn new(role: &'static str, pid: i32) -> Self {
        Process { role, pid }
    }

    /// The processor time that it has used so far.
    pub fn cpu(&self) -> Duration {
        let mut clock = 0;
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: both write to what is ours, and the time is read only where it was written.
        let time = unsafe {
            let found = libc::clock_getcpuclockid(self.pid, &mut clock) == 0;
            let read = found && libc::clock_gettime(clock, time.as_mut_ptr()) == 0;
            assert!(read, "the {} (process {}) has ended", self.role, self.pid);
            time.assume_init()
        };
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }

    /// Bytes of memory of its own. (`Private_*` of smaps counts pages of shared memory, too, that no other process has touched yet,
    /// and takes long to read.)
    pub fn private_memory(&self) -> u64 {
        self.kilobytes("status", |name| name == "RssAnon")
    }

    /// The most bytes that it ever had in memory, shared ones included.
    pub fn peak_resident(&self) -> u64 {
        self.kilobytes("status", |name| name == "VmHWM")
    }

    /// The sum of the lines of a file in `/proc` whose names are wanted, in bytes.
    fn kilobytes(&self, file: &str, is_wanted: impl Fn(&str) -> bool) -> u64 {
        let path = format!("/proc/{}/{file}", self.pid);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{path} of the {}: {error}", self.role));
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let wanted = lines.filter(|(name, _)| is_wanted(name));
        let kilobytes = wanted.filter_map(|(_, value)| value.split_whitespace().next());
        kilobytes.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() * 1024
    }
}

/// What a process used while it was watched.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its role.
    pub role: &'static str,
    /// Processor time.
    pub cpu: Duration,
    /// The most private memory seen, in bytes.
    pub peak_private: u64,
    /// The most memory of its whole life, shared memory included, in bytes.
    pub peak_resident: u64,
}

/// A process, and the processor time that it had used when the watch began.
type Subject = (Process, Duration);

/// Watches processes from its start to its end.
pub struct Watch {
    subjects: Vec<Subject>,
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<Vec<u64>>,
}

impl Watch {
    /// Starts.
    pub fn over(processes: &[Process]) -> Self {
        let subjects: Vec<_> = processes.iter().map(|p| (p.clone(), p.cpu())).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let (looked_at, flag) = (processes.to_vec(), Arc::clone(&is_over));
        let looking = thread::spawn(move || peaks(&looked_at, &flag));
        Watch {
            subjects,
            is_over,
            looking,
        }
    }

    /// Ends, and says what each used.
    pub fn end(self) -> Vec<Usage> {
        let spent: Vec<_> = self
            .subjects
            .iter()
            .map(|(p, cpu)| p.cpu() - *cpu)
            .collect();
        self.is_over.store(true, Ordering::Relaxed);
        self.looking.thread().unpark();
        let peaks = self.looking.join().expect("the memory can be read");
        let found = self.subjects.into_iter().zip(spent).zip(peaks);
        let usage = |(((process, _), cpu), peak_private): ((Subject, Duration), u64)| Usage {
            role: process.role,
            cpu,
            peak_private,
            peak_resident: process.peak_resident(),
        };
        found.map(usage).collect()
    }
}

/// The most private memory of each, until it is over.
fn peaks(processes: &[Process], is_over: &AtomicBool) -> Vec<u64> {
    let mut peaks = vec![0; processes.len()];
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        for (peak, process) in peaks.iter_mut().zip(processes) {
            *peak = process.private_memory().max(*peak);
        }
        if is_last {
            return peaks;
        }
        thread::park_timeout(EVERY);
    }
}

/// Runs something while its processes are watched: how many seconds it took, and what they used.
pub fn watched(processes: &[Process], work: impl FnOnce()) -> (f64, Vec<Usage>) {
    let watch = Watch::over(processes);
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    (seconds, watch.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_process_is_seen_to_work_and_to_hold_memory() {
        const SIZE: usize = 32 << 20;
        let this = Process::new("test", std::process::id().cast_signed());
        let (seconds, usages) = watched(&[this], || {
            let memory = vec![1_u8; SIZE];
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(200) {
                std::hint::black_box(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            }
        });
        let [usage] = &usages[..] else {
            panic!("one process was watched");
        };
        assert!(seconds >= 0.2 && usage.cpu > Duration::from_millis(1));
        assert!(usage.peak_private >= SIZE as u64 && usage.peak_resident >= SIZE as u64);
    }
}
