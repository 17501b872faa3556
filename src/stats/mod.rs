//! Pure numbers: no I/O, no clock, no global state. Each function names its formula and its source; docs/statistics.md
//! says what was checked and how.

mod bootstrap;
mod change;
mod cluster;
mod components;
mod describe;
mod few;
mod fieller;
#[cfg(test)]
mod fixtures;
mod fleets;
mod hierarchy;
mod permutation;
mod power;
mod random;
mod ranks;
mod regression;
mod serial;
pub mod simulate;
mod unpaired;
mod verdict;

pub use bootstrap::{Interval, LEVEL, RESAMPLES, bca, bca_of};
pub use change::{Change, changes};
pub use cluster::{Block, Contrast, cluster_bootstrap};
pub use components::{Components, blocks_for_width, components};
pub use describe::{Class, Fences, Outliers, Step, ecdf, mad, median, outliers, quantile};
pub use few::independent_interval;
pub use fieller::fieller;
pub use fleets::{compare_blocks_of_hosts, compare_fleets, compare_hosts};
pub use hierarchy::{
    FEWEST_HOSTS, FLEET_RESAMPLES, Fleet, HostValues, Odd, Oddity, SessionValues, fleet, odd_hosts,
};
pub use permutation::{holm, paired_permutation};
pub use power::{FEWEST, pairs_needed, power_of};
pub use random::Random;
pub use ranks::{rank_sum, signed_rank};
pub use regression::{Line, siegel, theil_sen};
pub use serial::{FEWEST_IN_SERIES, dependence, median_interval, serial_correlation};
pub use verdict::{Comparison, Verdict, compare, compare_blocks, compare_unpaired, judge, noise_floor};
