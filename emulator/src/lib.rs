//! An emulator of Azure Machine Learning.

pub mod access;
pub mod server;
pub mod tls;
pub mod tokens;
pub mod world;
