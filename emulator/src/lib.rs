//! An emulator of Azure Machine Learning.

pub mod access;
mod arm;
mod automl;
mod blob;
pub mod client_settings;
mod clock;
mod control;
pub mod data_dir;
mod entra;
mod estate;
pub mod estate_file;
mod jobs;
mod manners;
mod mltable;
mod online;
mod operations;
mod quota;
mod run_history;
mod schedules;
pub mod serve;
pub mod server;
mod surface;
mod tags;
mod telemetry;
pub mod tls;
pub mod tokens;
pub mod world;
