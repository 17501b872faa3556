//! What is checked, and how often: the image's HEALTHCHECK, and what the command line says instead.

use crate::image::Image;
use crate::life::error::LifeError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Part of the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `CMD` and arguments, or `CMD-SHELL` and a line for the shell, as in an image's config.
    pub test: Vec<String>,
    /// Between checks.
    pub interval_ms: u64,
    /// A check that takes longer is a bad one.
    pub timeout_ms: u64,
    /// As long as it is this young, bad ones do not count.
    pub start_period_ms: u64,
    /// Bad ones in a row that make it unhealthy.
    pub retries: u32,
}

/// What the command line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// A line for the shell, a JSON array, or `none`.
    pub command: Option<String>,
    /// See [`Plan`].
    pub interval: Option<Duration>,
    /// See [`Plan`].
    pub timeout: Option<Duration>,
    /// See [`Plan`].
    pub start_period: Option<Duration>,
    /// See [`Plan`].
    pub retries: Option<u32>,
    /// No check, whatever the image says.
    pub none: bool,
}

impl Plan {
    /// What is executed.
    pub fn argv(&self) -> Vec<String> {
        match self.test.split_first() {
            Some((kind, rest)) if kind == "CMD-SHELL" => {
                [&["/bin/sh".to_owned(), "-c".to_owned()][..], rest].concat()
            }
            Some((_, rest)) => rest.to_vec(),
            None => Vec::new(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// Both together; none where there is nothing to check. The defaults are Docker's.
pub fn settle(image: &Image, request: &Request) -> Result<Option<Plan>, LifeError> {
    let said = image.config_json().pointer("/config/Healthcheck");
    let field = |name: &str| said.and_then(|h| h.get(name));
    let of_image = |name: &str| field(name).and_then(|v| v.as_u64()).filter(|n| *n > 0);
    let words = |v: &serde_json::Value| -> Option<Vec<String>> {
        v.as_array()?.iter().map(|w| w.as_str().map(str::to_owned)).collect()
    };
    let test = match &request.command {
        _ if request.none => return Ok(None),
        Some(command) if command == "none" => return Ok(None),
        Some(json) if json.starts_with('[') => {
            let words: Vec<String> = serde_json::from_str(json).map_err(|e| {
                LifeError::Argument(format!("--health-cmd {json}: no JSON array of words: {e}"))
            })?;
            // podman takes both: ["CMD", "x"] and ["x"].
            let has_kind = words.first().is_some_and(|w| w == "CMD" || w == "CMD-SHELL");
            if has_kind { words } else { [vec!["CMD".to_owned()], words].concat() }
        }
        Some(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        None => field("Test").and_then(words).unwrap_or_default(),
    };
    if test.len() < 2 || test[0] == "NONE" {
        return Ok(None);
    }
    let or = |asked: Option<Duration>, name: &str, default: u64| {
        asked.map(ms).or_else(|| of_image(name).map(|ns| ns / 1_000_000)).unwrap_or(default)
    };
    Ok(Some(Plan {
        test,
        interval_ms: or(request.interval, "Interval", 30_000).max(1),
        timeout_ms: or(request.timeout, "Timeout", 30_000).max(1),
        start_period_ms: or(request.start_period, "StartPeriod", 0),
        retries: request.retries.or_else(|| of_image("Retries").map(|n| n as u32)).unwrap_or(3).max(1),
    }))
}
