//! How long a bench is, by profile.

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Start-up, size and memory; about two minutes
    Quick,
    /// Every workload; about a quarter of an hour
    Standard,
    /// Every workload and an A/A pair; about an hour
    Full,
}

/// What a profile stands for.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// In the record.
    pub name: &'static str,
    /// Blocks.
    pub min_blocks: u32,
    /// Blocks.
    pub max_blocks: u32,
    /// For all blocks together, warm-up included.
    pub budget: Duration,
    /// Width wanted of the interval of a start-up's ratio to the net; the pilot says how many blocks it takes.
    pub width: Option<f64>,
    /// Workloads of the default selection.
    pub workloads: &'static [&'static str],
    /// With a second container target, whose difference from the first is the noise floor.
    pub same_twice: bool,
}

const SERVICES: [&str; 5] = ["hello", "http", "redis", "nginx", "python"];
const ALL: [&str; 9] = ["hello", "cpu", "memory", "syscall", "disk", "http", "redis", "nginx", "python"];

impl Profile {
    /// Its length.
    pub fn length(self) -> Length {
        let length = |name, blocks: (u32, u32), minutes: f64, width, workloads, same_twice| Length {
            name,
            min_blocks: blocks.0,
            max_blocks: blocks.1,
            budget: Duration::from_secs_f64(minutes * 60.0),
            width: Some(width),
            workloads,
            same_twice,
        };
        match self {
            Profile::Quick => length("quick", (14, 14), 3.0, 0.10, &SERVICES[..], false),
            Profile::Standard => length("standard", (10, 60), 15.0, 0.05, &ALL[..], false),
            Profile::Full => length("full", (20, 300), 60.0, 0.02, &ALL[..], true),
        }
    }
}
