//! Threads that share a list of work.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The result of `work` for each item, in their order. Items are begun in their order too, each by the next free
/// thread.
pub(crate) fn map<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return done };
            done.push((place, work(place, item)));
        }
    };
    let others = threads.min(items.len()).saturating_sub(1);
    let mut done = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..others).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for handle in handles {
            done.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items_whatever_the_threads() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [0, 1, 2, 7] {
            let found = map(threads, &items, |place, item| (place, item * item));
            assert_eq!(found, items.iter().map(|i| (*i, i * i)).collect::<Vec<_>>());
        }
    }
}
