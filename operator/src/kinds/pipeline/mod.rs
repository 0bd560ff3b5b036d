//! AmlPipeline.
