//! AmlWorkspace.
