//! A plan divided by whole blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `I/N`: the I-th of N parts, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// From 1.
    pub index: u32,
    /// Number of shards.
    pub of: u32,
}

impl Shard {
    /// Whether the shard has the measured block `measured`, counted from 1 without the warm-up. Every N-th, so that shards
    /// differ by one block at most and drift over the plan hits all alike.
    pub fn has(self, measured: u32) -> bool {
        measured > 0 && (measured - 1) % self.of == self.index - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err("a shard is I/N with I from 1 to N, like 2/4".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "3", "0/4", "5/4", "1/0", "a/b", "1/-2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("2/4".parse::<Shard>().map(|s| s.to_string()), Ok("2/4".into()));
    }

    proptest! {
        #[test]
        fn every_block_is_in_one_shard_and_shards_are_alike(of in 1u32..40, blocks in 1u32..200) {
            let mut sizes = vec![0; of as usize];
            for measured in 1..=blocks {
                let holders: Vec<u32> = (1..=of).filter(|i| Shard { index: *i, of }.has(measured)).collect();
                prop_assert_eq!(holders.len(), 1);
                sizes[holders[0] as usize - 1] += 1;
            }
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            prop_assert!(!(Shard { index: 1, of }).has(0), "warm-up is no measured block");
        }
    }
}
