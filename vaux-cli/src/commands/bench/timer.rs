//! Waking up when the next message is due, to the microsecond.
//!
//! The runtime's timers are good to a millisecond, which is more than the latency of a local broker.

use std::time::Duration;

use super::clock::Clock;

/// Wakes its task at a time.
#[derive(Debug)]
pub(super) struct Timer {
    clock: Clock,
    #[cfg(target_os = "linux")]
    precise: Option<precise::Precise>,
}

impl Timer {
    pub(super) fn new(clock: Clock) -> Timer {
        Timer {
            clock,
            #[cfg(target_os = "linux")]
            precise: precise::Precise::new(),
        }
    }

    /// Waits until it is `at`, in nanoseconds of the clock. May be late, but is never early.
    pub(super) async fn wait_until(&mut self, at: u64) {
        #[cfg(target_os = "linux")]
        if let Some(precise) = &mut self.precise {
            loop {
                let left = at.saturating_sub(self.clock.now());
                if left == 0 {
                    return;
                }
                if precise.wait(at, Duration::from_nanos(left)).await.is_err() {
                    break;
                }
            }
        }
        let left = Duration::from_nanos(at.saturating_sub(self.clock.now()));
        tokio::time::sleep(left).await;
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

    /// A timer of the kernel that the runtime waits for like for a socket.
    #[derive(Debug)]
    pub(super) struct Precise {
        descriptor: AsyncFd<OwnedFd>,
        /// What it was set for last.
        set_for: Option<u64>,
    }

    impl Precise {
        /// `None` where the system has no such timers left.
        #[expect(
            deprecated,
            reason = "instead there is an unsafe function, for descriptors that do not stay open; this one owns its own"
        )]
        pub(super) fn new() -> Option<Precise> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE).ok()?;
            Some(Precise { descriptor, set_for: None })
        }

        /// Waits until the timer goes off that is set for `at`, which is `left` from now.
        pub(super) async fn wait(&mut self, at: u64, left: Duration) -> io::Result<()> {
            if self.set_for != Some(at) {
                let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
                let it_value = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
                let time = Itimerspec { it_interval: zero, it_value };
                timerfd_settime(self.descriptor.get_ref(), TimerfdTimerFlags::empty(), &time)?;
                self.set_for = Some(at);
            }
            let mut guard = self.descriptor.readable().await?;
            guard.clear_ready();
            self.set_for = None;
            Ok(())
        }
    }
}
