//! Everything that goes over the wire is checked against the schemas of Azure's API: what the operator sends, and what
//! the emulator answers. tests/contract/README.md tells where the schemas are from.

pub mod check;
pub mod closing;
pub mod collector;
pub mod document;
pub mod exchange;
pub mod exemptions;
mod headers;
pub mod ledger;
#[cfg(test)]
mod mutations;
pub mod route;
