//! AmlModel.
