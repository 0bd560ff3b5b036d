//! The emulator's binary over HTTPS, as any client of Azure sees it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it has to be")]

mod blobs;
mod client;
mod controls;
mod estate;
mod faults;
mod flow;
mod manners;
mod page;
mod readme;
mod restart;
