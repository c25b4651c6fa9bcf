//! What a process has cost, as Linux counts it.

use std::fs;
use std::io;

/// `USER_HZ`: 100 on every architecture that Linux is used on today.
const NS_PER_TICK: u64 = 10_000_000;

/// CPU time of all threads of a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime {
    pub user_ns: u64,
    pub system_ns: u64,
}

impl CpuTime {
    /// # Errors
    /// The process is gone, or there is no `/proc`.
    pub fn of(process: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The second field is the name in parentheses and may hold anything; the rest is numbers.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
        let mut ticks = || fields.next().and_then(Result::ok).ok_or_else(|| io::Error::other(text.clone()));
        Ok(Self { user_ns: ticks()? * NS_PER_TICK, system_ns: ticks()? * NS_PER_TICK })
    }

    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { user_ns: self.user_ns - earlier.user_ns, system_ns: self.system_ns - earlier.system_ns }
    }
}

/// Forgets the peak of a process's resident set.
///
/// # Errors
/// The kernel does not let us.
pub fn forget_peak_memory(process: u32) -> io::Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5")
}

/// The largest resident set since, in bytes.
///
/// # Errors
/// The process is gone, or there is no `/proc`.
pub fn peak_memory_bytes(process: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| io::Error::other(text))
}
