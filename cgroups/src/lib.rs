//! Control groups for container runtimes.
