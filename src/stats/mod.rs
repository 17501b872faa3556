//! Pure numbers: no I/O, no clock, no global state. Each function names its formula and its source.

mod bootstrap;
mod describe;
mod verdict;

pub use bootstrap::{Interval, RESAMPLES, bca};
pub use describe::{Outliers, mad, median, outliers, quantile};
pub use verdict::{Comparison, Verdict, compare};
