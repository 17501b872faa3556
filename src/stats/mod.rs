//! Pure numbers: no I/O, no clock.
