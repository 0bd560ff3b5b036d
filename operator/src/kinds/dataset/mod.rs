//! AmlDataset.
