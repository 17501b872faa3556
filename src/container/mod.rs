//! Our container runtime: namespaces, mounts, cgroups, capabilities, seccomp, state; a verb a file.
