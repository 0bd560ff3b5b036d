//! The client against an HTTPS server in the same process.

mod bodies;
mod operations;
mod services;
mod support;
mod transport;
