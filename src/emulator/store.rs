//! Tables in memory: names compared without case, as the service does, and kept as they were first written. Knows nothing of what a row is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even if a panicking thread held the lock: a row is replaced as a whole, so there is nothing half done to protect against.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows of one resource by name.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Mutex<BTreeMap<String, (String, T)>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Mutex::default(),
        }
    }
}

impl<T: Clone> Table<T> {
    pub(crate) fn get(&self, name: &str) -> Option<T> {
        lock(&self.rows)
            .get(&name.to_lowercase())
            .map(|(_, row)| row.clone())
    }

    /// Puts a row and hands back the one it replaces.
    pub(crate) fn put(&self, name: &str, row: T) -> Option<T> {
        lock(&self.rows)
            .insert(name.to_lowercase(), (name.to_owned(), row))
            .map(|(_, old)| old)
    }

    pub(crate) fn remove(&self, name: &str) -> Option<T> {
        lock(&self.rows)
            .remove(&name.to_lowercase())
            .map(|(_, old)| old)
    }

    /// Reads or changes one row under the lock.
    pub(crate) fn update<R>(&self, name: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        lock(&self.rows)
            .get_mut(&name.to_lowercase())
            .map(|(_, row)| change(row))
    }

    /// Reads or changes one row under the lock, which is made first when it is not there.
    pub(crate) fn update_or<R>(
        &self,
        name: &str,
        make: impl FnOnce() -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut rows = lock(&self.rows);
        let (_, row) = rows
            .entry(name.to_lowercase())
            .or_insert_with(|| (name.to_owned(), make()));
        change(row)
    }

    /// All rows with their names as written, by name.
    pub(crate) fn list(&self) -> Vec<(String, T)> {
        lock(&self.rows).values().cloned().collect()
    }
}
