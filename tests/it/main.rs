//! The one integration binary: each module is a suite.

mod azure;
mod data_plane;
