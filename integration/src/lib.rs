//! Harness for cases that run real containers.
