//! Whether the caches have been filled once. Until then an object that another one names may merely not have been seen.
//!
//! A store's own `wait_until_ready` wakes only one of those who wait, and the controller is that one.

use std::collections::HashSet;

use tokio::sync::watch;

/// The kinds whose caches are yet to be filled.
#[derive(Debug)]
pub struct Filled(watch::Sender<HashSet<&'static str>>);

impl Filled {
    /// None of these is filled.
    pub fn awaiting(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        Self(watch::Sender::new(kinds.into_iter().collect()))
    }

    /// The cache of a kind has been filled.
    pub fn done(&self, kind: &'static str) {
        self.0.send_if_modified(|left| left.remove(kind));
    }

    /// Waits until every cache has been filled.
    pub async fn wait(&self) {
        // An error can't be: the sender is here.
        let _ = self.0.subscribe().wait_for(HashSet::is_empty).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_woken_by_the_last_kind() {
        let filled = std::sync::Arc::new(Filled::awaiting(["A", "B"]));
        let wait = || {
            let filled = filled.clone();
            tokio::spawn(async move { filled.wait().await })
        };
        let waiting = [wait(), wait(), wait()];
        tokio::task::yield_now().await;
        filled.done("A");
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|one| !one.is_finished()));
        filled.done("B");
        for one in waiting {
            one.await.unwrap();
        }
        filled.wait().await;
    }
}
