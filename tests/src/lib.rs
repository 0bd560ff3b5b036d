//! What the end-to-end tests and the demo stand on: a real Kubernetes control plane, the operator and the emulator as
//! processes, a web site with data, and ways to look at all of them.

pub mod api;
pub mod audit;
pub mod azure;
pub mod azure_client;
pub mod cluster;
pub mod contract;
pub mod diagnosis;
pub mod door;
pub mod emulator;
pub mod examples;
pub mod failure;
pub mod kubectl;
pub mod operator;
pub mod places;
pub mod process;
pub mod programs;
pub mod record;
pub mod scenario;
pub mod scoring;
pub mod secrets;
pub mod site;
pub mod tls;
pub mod world;
