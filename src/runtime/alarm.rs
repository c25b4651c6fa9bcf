//! When the I/O thread wakes by itself: to the microsecond where the system can.
//!
//! **Why not the runtime's timers alone.** They count in milliseconds and round up, twice: a wait of one millisecond takes two,
//! and a batch that lingers five leaves after six or seven. On Linux a timer of the kernel's is one more descriptor in the same
//! poll. It is set only if it would ring too late, so a busy producer sets it about once per millisecond.
//!
//! Neighbours: `driver` waits here, `environment` has the clock. Not here: who waits for what, which is `timers`.

use crate::runtime::environment::Environment;
use crate::time::Instant;

/// One alarm.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    precise: Option<precise::Timer>,
}

impl Alarm {
    /// Inside a runtime that polls sockets.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            precise: precise::Timer::new(),
        }
    }

    /// Done at `at`, or a little earlier; never for [`Instant::NEVER`].
    ///
    /// Cancel safety: dropping it loses nothing.
    pub(crate) async fn ring(&mut self, environment: &Environment, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(timer) = &mut self.precise
            && !environment.is_paused()
        {
            let now = environment.now();
            if at.since(now) <= precise::NEAR && timer.set(now, at).is_ok() {
                return timer.rings().await;
            }
        }
        match environment.to_timer(at) {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(target_os = "linux")]
mod precise {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::time::Instant;

    /// Farther away a millisecond does not matter, and the runtime's timer costs no system call.
    pub(super) const NEAR: Duration = Duration::from_millis(100);

    #[derive(Debug)]
    pub(super) struct Timer {
        descriptor: AsyncFd<OwnedFd>,
        /// When it rings.
        set_to: Instant,
    }

    impl Timer {
        /// None where the system has no such timer, or no descriptor for it: the runtime's timer does.
        #[allow(
            deprecated,
            reason = "it does not ask its argument to keep its descriptor, which an `OwnedFd` does; what replaces it is unsafe"
        )]
        pub(super) fn new() -> Option<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE).ok()?;
            Some(Self { descriptor, set_to: Instant::ZERO })
        }

        /// To ring at `at`; if it rings earlier anyway, that is left so.
        pub(super) fn set(&mut self, now: Instant, at: Instant) -> io::Result<()> {
            if self.set_to > now && self.set_to <= at {
                return Ok(());
            }
            // Zero would switch it off.
            let left = at.since(now).max(Duration::from_nanos(1));
            let it_value = Timespec::try_from(left).map_err(io::Error::other)?;
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
            self.set_to = at;
            Ok(())
        }

        /// What it counts is not read: setting it again forgets that, and each ringing is told anew.
        pub(super) async fn rings(&self) {
            match self.descriptor.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                // The runtime is about to end.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // A batch that lingers must not wait a millisecond longer because of the timer's grain. Of thirty waits of 1.3 ms most must
    // end within half a millisecond: the runtime's own timer, which rounds up twice, ends none of them so early. Fails if it is
    // not used, or not set again.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_rings_between_the_runtimes_ticks() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let late: Vec<Duration> = runtime.block_on(async {
            let (environment, mut alarm) = (Environment::new(), Alarm::new());
            let mut late = Vec::new();
            for _ in 0..30 {
                let at = environment.now() + Duration::from_micros(1_300);
                while environment.now() < at {
                    alarm.ring(&environment, at).await;
                }
                late.push(environment.now().since(at));
            }
            late
        });

        let quick = late.iter().filter(|late| **late < Duration::from_micros(500)).count();
        assert!(quick > 0, "{late:?}");
    }

    // The alarm is dropped and set again whenever something else comes first. Fails if an earlier setting is forgotten, or rings
    // for ever.
    #[test]
    fn a_wait_that_was_given_up_disturbs_no_later_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (environment, mut alarm) = (Environment::new(), Alarm::new());
            let begun = environment.now();
            let soon = begun + Duration::from_millis(5);
            {
                let given_up = std::pin::pin!(alarm.ring(&environment, soon));
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(given_up.poll(&mut cx).is_pending());
            }
            let late = begun + Duration::from_millis(40);
            let mut turns = 0;
            while environment.now() < late {
                alarm.ring(&environment, late).await;
                turns += 1;
            }
            assert!(turns <= 4, "it rang {turns} times");
        });
    }
}
