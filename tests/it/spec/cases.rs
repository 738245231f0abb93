//! Spec cases as folders. Placeholder until the first folder is there.
