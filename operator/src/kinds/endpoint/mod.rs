//! AmlEndpoint.
