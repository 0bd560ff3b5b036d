//! Work that takes longer than a reconcile may: started by one pass, its result taken by a later one. It is lost with
//! the process, and then started again.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// How a piece of work stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// Not started, or its result was taken.
    None,
    /// Under way.
    Running,
    /// Ended; the result is handed out once.
    Done(T),
}

enum Slot {
    Running,
    Done(Box<dyn Any + Send>),
}

/// Pieces of work by name, and what is remembered between passes.
#[derive(Default)]
pub struct Work {
    slots: Arc<Mutex<HashMap<String, Slot>>>,
    kept: Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>,
    checked: Mutex<HashMap<String, (Timestamp, String)>>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Work").finish_non_exhaustive()
    }
}

impl Work {
    /// Starts a piece of work unless it is under way; `then` is called when it has ended.
    pub fn start<T: Send + 'static>(
        &self,
        name: &str,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) {
        let slots = self.slots.clone();
        if let Ok(mut all) = slots.lock() {
            if all.contains_key(name) {
                return;
            }
            all.insert(name.to_owned(), Slot::Running);
        }
        let name = name.to_owned();
        tokio::spawn(async move {
            let result = work.await;
            if let Ok(mut all) = slots.lock() {
                all.insert(name, Slot::Done(Box::new(result)));
            }
            then();
        });
    }

    /// How a piece of work stands; a result is taken out.
    pub fn progress<T: 'static>(&self, name: &str) -> Progress<T> {
        let Ok(mut all) = self.slots.lock() else { return Progress::None };
        match all.get(name) {
            None => Progress::None,
            Some(Slot::Running) => Progress::Running,
            Some(Slot::Done(_)) => match all.remove(name) {
                Some(Slot::Done(result)) => result.downcast().map_or(Progress::None, |result| Progress::Done(*result)),
                _ => Progress::None,
            },
        }
    }

    /// Keeps something for later passes.
    pub fn keep<T: Send + Sync + 'static>(&self, name: &str, value: Arc<T>) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.insert(name.to_owned(), value);
        }
    }

    /// What was kept.
    pub fn kept<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.kept.lock().ok()?.get(name).cloned()?.downcast().ok()
    }

    /// Drops what was kept.
    pub fn drop_kept(&self, name: &str) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.remove(name);
        }
    }

    /// Drops all that was kept under names that begin so.
    pub fn drop_kept_below(&self, prefix: &str) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.retain(|name, _| !name.starts_with(prefix));
        }
    }

    /// Remembers when a source was last looked at, and as what.
    pub fn check(&self, name: &str, now: Timestamp, what: String) {
        if let Ok(mut checked) = self.checked.lock() {
            checked.insert(name.to_owned(), (now, what));
        }
    }

    /// When a source was last looked at, and as what.
    pub fn checked(&self, name: &str) -> Option<(Timestamp, String)> {
        self.checked.lock().ok()?.get(name).cloned()
    }

    /// Drops all that is known of an object.
    pub fn forget(&self, name: &str) {
        self.drop_kept(name);
        if let Ok(mut checked) = self.checked.lock() {
            checked.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_is_handed_out_once() {
        let work = Work::default();
        assert_eq!(work.progress::<u8>("a"), Progress::None);
        let (done, ended) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        work.start(
            "a",
            async move {
                let _ = gone.await;
                7_u8
            },
            move || {
                let _ = done.send(());
            },
        );
        work.start("a", async { 9_u8 }, || {});
        assert_eq!(work.progress::<u8>("a"), Progress::Running);
        go.send(()).unwrap();
        ended.await.unwrap();
        assert_eq!(work.progress::<u8>("a"), Progress::Done(7));
        assert_eq!(work.progress::<u8>("a"), Progress::None);
    }
}
