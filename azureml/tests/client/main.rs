//! The client against an HTTPS server in the same process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
mod credentials;
mod operations;
mod services;
mod support;
mod transport;
