//! A lock whose data is never used after a panic has left a change incomplete.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A reader-writer lock.
///
/// # Guarantees
/// When a thread panics while it changes the data, the process ends at the next use. A cache with an
/// incomplete change could make the operator lose an object, while a restart costs one list.
#[derive(Debug, Default)]
pub struct Lock<T>(RwLock<T>);

impl<T> Lock<T> {
    /// A lock around `data`.
    pub fn new(data: T) -> Self {
        Self(RwLock::new(data))
    }

    /// Locks the data for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(|error| end(&error))
    }

    /// Locks the data for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(|error| end(&error))
    }
}

fn end<G>(_: &PoisonError<G>) -> ! {
    tracing::error!(
        "a panic interrupted a change of data in memory: the process ends, so that a new one starts with consistent data"
    );
    std::process::abort()
}
