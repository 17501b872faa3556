//! The schedule, the clock and the probes.
