//! AmlPipelineRun.
