//! The numbers of the format: what stands on disk and is never renumbered.
