//! AmlCompute.
