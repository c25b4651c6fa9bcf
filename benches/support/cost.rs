//! What the process has cost so far: CPU time and memory, as Linux counts them.
//!
//! **Why `/proc`.** It needs no C and counts every thread, the I/O thread included. CPU time comes in ticks of 10 ms, so
//! a measurement must last seconds; the sum of the two is exact, the split into user and system is the kernel's estimate.

use std::fs;
use std::io;

/// `USER_HZ`: 100 on every architecture that Linux is used on today.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of the process, all threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime {
    /// In user space.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

impl CpuTime {
    /// Up to now.
    ///
    /// # Errors
    ///
    /// There is no `/proc`, or it looks different.
    pub fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/self/stat")?;
        // The second field is the name in parentheses and may hold anything; the rest is numbers.
        let rest = text.rsplit_once(')').map(|(_, rest)| rest).ok_or_else(|| unreadable(&text))?;
        let mut fields = rest.split_ascii_whitespace().skip(11);
        let mut ticks =
            || fields.next().and_then(|field| field.parse::<u64>().ok()).ok_or_else(|| unreadable(&text));
        let ns_per_tick = 1_000_000_000 / TICKS_PER_SECOND;
        Ok(Self { user_ns: ticks()? * ns_per_tick, system_ns: ticks()? * ns_per_tick })
    }

    /// What has been used since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { user_ns: self.user_ns - earlier.user_ns, system_ns: self.system_ns - earlier.system_ns }
    }
}

/// Forgets the peak of the resident set, so that the next reading is of what comes after.
///
/// # Errors
///
/// The kernel does not let us.
pub fn forget_peak_memory() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The largest resident set so far, in bytes.
///
/// # Errors
///
/// There is no `/proc`, or it looks different.
pub fn peak_memory_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| unreadable(&text))
}

fn unreadable(text: &str) -> io::Error {
    io::Error::other(format!("unexpected text in /proc: {text}"))
}
