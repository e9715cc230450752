//! Runs OCI containers on Linux.
