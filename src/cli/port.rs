//! `taremark port`.

use super::containers::open;
use super::json::Json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name or ID
    container: String,
    /// Only this one, as in 80 or 53/udp
    #[arg(value_name = "PORT[/udp]")]
    port: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    let (folder, _) = open()?.find(&a.container)?;
    let all = folder.state()?.ports;
    let Some(wanted) = &a.port else {
        if a.json.json {
            super::json::print(&all)?;
            return Ok(ExitCode::SUCCESS);
        }
        all.iter().for_each(|p| println!("{}/{} -> {}:{}", p.inside, p.protocol.as_str(), p.address, p.host));
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = if wanted.contains('/') { wanted.clone() } else { format!("{wanted}/tcp") };
    let found: Vec<_> =
        all.iter().filter(|p| format!("{}/{}", p.inside, p.protocol.as_str()) == wanted).collect();
    anyhow::ensure!(!found.is_empty(), "no public port {wanted} is published for {}", a.container);
    a.json.or(&found, || found.iter().for_each(|p| println!("{}:{}", p.address, p.host)))?;
    Ok(ExitCode::SUCCESS)
}
