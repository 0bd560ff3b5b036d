//! Fetches web datasets within the bounds of the configuration.

/// What fetches web datasets.
#[derive(Debug)]
pub struct Fetcher;
