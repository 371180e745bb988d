//! What workers share is locked with these: the standard library's, except in tests, where every use of one is a point
//! at which another thread may go on, if the test runs its threads by a scheduler of its own.

#[cfg(not(test))]
pub(crate) use std::sync::RwLock;
#[cfg(not(test))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(test)]
pub(crate) use racing::{AtomicU64, RwLock, race};

#[cfg(test)]
mod racing {
    use std::cell::Cell;
    use std::sync::atomic::Ordering;
    use std::sync::{LockResult, RwLockReadGuard, RwLockWriteGuard};

    thread_local! {
        static IS_RACING: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a test many times, each time with its threads in another order.
    pub(crate) fn race(test: impl Fn() + Send + Sync + 'static) {
        const SCHEDULES: usize = 2_000;
        let racing = move || {
            IS_RACING.set(true);
            test();
            IS_RACING.set(false);
        };
        shuttle::check_random(racing, SCHEDULES);
    }

    /// Another thread may go on here. No lock is held: all threads of a race share one of the system.
    fn step() {
        if IS_RACING.get() {
            shuttle::thread::yield_now();
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(std::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
            step();
            self.0.read()
        }

        pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
            step();
            self.0.write()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicU64(std::sync::atomic::AtomicU64);

    impl AtomicU64 {
        pub(crate) fn load(&self, ordering: Ordering) -> u64 {
            step();
            self.0.load(ordering)
        }

        pub(crate) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
            step();
            self.0.fetch_add(value, ordering)
        }
    }
}
