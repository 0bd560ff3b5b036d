//! The emulator's binary over HTTPS, as any client of Azure sees it.

mod client;
mod controls;
mod flow;
