//! Compiles OCI seccomp profiles to classic BPF and installs them.
