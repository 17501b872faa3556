//! `ps`: what there is.

use super::error::LifeError;
use super::folder::{Folder, Root};
use super::health::{self, Health};
use super::pause::is_paused;
use super::spec::Spec;
use super::state::{State, Status, now_ms};

/// One container.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What was asked.
    pub spec: Spec,
    /// What is.
    pub state: State,
    /// It stands still.
    pub paused: bool,
    /// How it is, where that is checked.
    pub health: Option<Health>,
}

impl Listed {
    fn of(folder: &Folder, spec: Spec) -> Option<Self> {
        let state = folder.state().ok()?;
        let paused = is_paused(&spec, &state);
        let runs = state.status == Status::Running;
        let health = health::of(folder, spec.health.as_ref()).filter(|_| runs).map(|h| h.status);
        Some(Self { spec, state, paused, health })
    }

    /// As podman spells it.
    pub fn state_name(&self) -> &'static str {
        if self.paused { "paused" } else { self.state.status.as_str() }
    }

    /// `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`, `Created`.
    pub fn status(&self) -> String {
        let mut text = status(&self.state);
        if self.paused {
            text += " (Paused)";
        }
        if let Some(health) = self.health {
            text += &format!(" ({})", health.as_str());
        }
        text
    }
}

/// The newest first; without `all` those that run.
pub fn list(root: &Root, all: bool) -> Result<Vec<Listed>, LifeError> {
    let mut found: Vec<Listed> = root
        .all()?
        .into_iter()
        .filter_map(|(folder, spec)| Listed::of(&folder, spec))
        .filter(|l| all || l.state.status == Status::Running)
        .collect();
    found.reverse();
    Ok(found)
}

fn status(state: &State) -> String {
    match state.status {
        Status::Created => "Created".into(),
        Status::Running => format!("Up {}", lasting(now_ms().saturating_sub(state.started_ms))),
        Status::Exited => {
            let ago = lasting(now_ms().saturating_sub(state.finished_ms));
            format!("Exited ({}) {ago} ago", state.exit_code.unwrap_or(-1))
        }
    }
}

/// As podman and Docker say it: the largest unit that fits.
pub fn lasting(ms: u64) -> String {
    let seconds = ms / 1000;
    let said = |n: u64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    match seconds {
        0 => "Less than a second".into(),
        1..60 => said(seconds, "second"),
        60..3600 => said(seconds / 60, "minute"),
        3600..172_800 => said(seconds / 3600, "hour"),
        _ => said(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_do() {
        let said: Vec<String> =
            [10, 1_000, 59_999, 60_000, 3_600_000, 86_400_000, 200_000_000].map(lasting).into();
        let wanted =
            ["Less than a second", "1 second", "59 seconds", "1 minute", "1 hour", "24 hours", "2 days"];
        assert_eq!(said, wanted);
        let state =
            State { status: Status::Exited, exit_code: Some(3), finished_ms: now_ms(), ..State::default() };
        assert_eq!(status(&state), "Exited (3) Less than a second ago");
    }
}
