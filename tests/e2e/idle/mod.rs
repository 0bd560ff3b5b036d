//! What an estate at rest costs, and how soon what happens to it is seen. Intervals are scaled down together: an hour
//! is a few seconds, a day 24 of them, and everything is counted by hour and day, never by the clock on the wall.

mod changes;
mod day;
mod estate;
mod routes;

use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add_alone("idle::a_day_at_rest_costs_lists_and_one_look_at_each_version", day::at_rest);
    suite.add("idle::what_is_deleted_by_hand_is_seen_within_the_hour", changes::deleted);
    suite.add("idle::a_tag_of_a_version_changed_by_hand_is_put_right_within_the_day", changes::tagged);
    suite.add("idle::a_persons_change_does_not_wait_for_lists", changes::asked);
}
