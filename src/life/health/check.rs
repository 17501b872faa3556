//! One check.

use super::{Checked, FILE, Health, Plan, State};
use crate::life::error::{LifeError, system};
use crate::life::exec::TIMED_OUT;
use crate::life::folder::Folder;
use crate::life::spec::Spec;
use crate::life::state::now_ms;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Of what a check said, bytes are kept; as podman.
pub const LONGEST: u64 = 500;
/// So many checks are kept.
const KEPT: usize = 5;

/// Runs the command and writes down what came of it: how it is now, and whether this check was good.
pub fn check(folder: &Folder, spec: &Spec, plan: &Plan) -> Result<(State, Checked), LifeError> {
    let checked = run(spec, plan)?;
    let _held = folder.lock_file("health.lock")?;
    let before = super::of(folder, Some(plan)).unwrap_or_default();
    let age_ms = checked.start_ms.saturating_sub(folder.state()?.started_ms);
    let state = after(before, &checked, plan, age_ms);
    folder.write_json(FILE, &state)?;
    Ok((state, checked))
}

fn after(mut state: State, checked: &Checked, plan: &Plan, age_ms: u64) -> State {
    if checked.exit_code == 0 {
        state.status = Health::Healthy;
        state.failing_streak = 0;
    } else if age_ms >= plan.start_period_ms || state.status == Health::Healthy {
        state.failing_streak += 1;
        if state.failing_streak >= plan.retries {
            state.status = Health::Unhealthy;
        }
    }
    state.log.push(checked.clone());
    let surplus = state.log.len().saturating_sub(KEPT);
    state.log.drain(..surplus);
    state
}

/// By `exec`, in a process of its own: it enters namespaces that this one has to stay out of.
fn run(spec: &Spec, plan: &Plan) -> Result<Checked, LifeError> {
    let start_ms = now_ms();
    let program = std::env::current_exe().map_err(system("find our own program"))?;
    let timeout = Duration::from_millis(plan.timeout_ms);
    let mut command = Command::new(program);
    command.args(["exec", "--timeout", &timeout.as_secs_f64().to_string(), &spec.id]).args(plan.argv());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(system("start a check"))?;
    let (mut out, mut err) = (String::new(), String::new());
    std::thread::scope(|scope| {
        let err_pipe = child.stderr.take();
        scope.spawn(|| err = said(err_pipe));
        out = said(child.stdout.take());
    });
    let code = child.wait().map_err(system("wait for a check"))?.code().unwrap_or(125);
    let mut output = out + &err;
    let exit_code = if code == i32::from(TIMED_OUT) {
        output = format!("the check took longer than {} s", timeout.as_secs_f64());
        -1
    } else {
        code
    };
    Ok(Checked { start_ms, end_ms: now_ms(), exit_code, output: output.trim_end().to_owned() })
}

/// The beginning of it; the rest is read and dropped, so that nobody waits for a reader.
fn said(pipe: Option<impl Read>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut first = Vec::new();
    let _ = pipe.by_ref().take(LONGEST).read_to_end(&mut first);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&first).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_unhealthy_after_so_many_bad_ones_in_a_row_and_not_before_the_start_period_is_over() {
        let plan = Plan { test: Vec::new(), interval_ms: 1, timeout_ms: 1, start_period_ms: 100, retries: 2 };
        let checked = |exit_code| Checked { start_ms: 0, end_ms: 0, exit_code, output: String::new() };
        let mut state = State::default();
        let mut seen = Vec::new();
        // Exit code of the check, age of the container.
        for (code, age_ms) in
            [(1, 10), (1, 50), (1, 100), (1, 101), (0, 102), (1, 103), (0, 104), (1, 5), (1, 6)]
        {
            state = after(state, &checked(code), &plan, age_ms);
            seen.push((state.status.as_str(), state.failing_streak));
        }
        let wanted = [
            ("starting", 0),
            ("starting", 0),
            ("starting", 1),
            ("unhealthy", 2),
            ("healthy", 0),
            ("healthy", 1),
            ("healthy", 0),
            ("healthy", 1),
            ("unhealthy", 2),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(state.log.len(), KEPT);
    }
}
