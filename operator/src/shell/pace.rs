//! When an object is looked at again.

use std::time::Duration;

use azureml_crds::AmlResource;
use jiff::Timestamp;

use super::After;
use crate::context::Context;
use crate::error::Remedy;
use crate::inventory::rest;

/// The shortest wait: long enough for the object's newer version to arrive by the watch.
pub(super) const BLINK: Duration = Duration::from_millis(20);

/// When it is tried again: twice as long each time, from the poll interval to the maximum, and never before Azure says.
pub(super) fn again<K: AmlResource>(context: &Context, object: &K, remedy: Remedy) -> Duration {
    let settings = &context.settings;
    match remedy {
        Remedy::Retry(asked) => {
            let pause = context.tries.pause(object.uid(), settings.poll, settings.max_backoff);
            pause.max(asked.unwrap_or_default())
        }
        // Those who keep watch come back apart from each other.
        Remedy::Turn(after) if object.is_ready() => after.max(rest::spread(settings.poll, object.uid())),
        Remedy::Turn(after) => after.max(BLINK),
        Remedy::Await | Remedy::Person => settings.stalled_retry,
    }
}

/// The time of a wait.
pub(super) fn wait(context: &Context, after: After, now: Timestamp) -> Duration {
    match after {
        After::Poll => context.settings.poll,
        // A service that says "at once" each time is not asked as fast as it answers.
        After::Asked(asked) => asked.max(context.settings.poll / 4),
        After::Until(until) => until.duration_since(now).try_into().unwrap_or(Duration::ZERO),
    }
    .max(BLINK)
}

/// The time to the next look at an object at rest: by its own interval or the operator's.
pub(super) fn resync<K: AmlResource>(context: &Context, object: &K) -> Duration {
    rest::spread(rest::own_interval(object).unwrap_or(context.settings.resync), object.uid())
}
