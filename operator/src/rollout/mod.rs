//! The pure state machine of an endpoint's progress from one revision to the next.
