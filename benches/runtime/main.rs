//! `scripts/bench-runtime`: `tarec` beside other OCI runtimes, in one run, interleaved in random order.
//!
//! Every block runs every task of every peer once. Samples are flushed to `samples.csv` as they come; the table at the
//! end has medians and paired ratios with their intervals. A task that fails is a row with its exit code.
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod peers;
mod table;
mod tasks;

use std::io::Write;
use std::path::PathBuf;
use taremark::measure::schedule::block_order;

/// One value.
pub struct Sample {
    pub block: u32,
    pub peer: String,
    pub task: &'static str,
    /// Milliseconds, or bytes where the task's name says so.
    pub value: f64,
    pub exit: i32,
}

pub struct Options {
    pub tarec: PathBuf,
    pub blocks: u32,
    pub seed: u64,
    pub out: PathBuf,
    pub gap_ms: u64,
    /// Runtimes besides those that are found: name and program.
    pub more: Vec<(String, PathBuf)>,
}

fn options() -> Result<Options, String> {
    let mut o = Options {
        tarec: PathBuf::new(),
        blocks: 40,
        seed: 1,
        out: "results/runtime".into(),
        gap_ms: 0,
        more: Vec::new(),
    };
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(name) = args.next() {
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name}: {value:?} is no number"));
        match name.as_str() {
            "--tarec" => o.tarec = value.into(),
            "--blocks" => o.blocks = number()? as u32,
            "--seed" => o.seed = number()?,
            "--gap-ms" => o.gap_ms = number()?,
            "--out" => o.out = value.into(),
            "--peer" => {
                let (peer, program) = value.split_once('=').ok_or("--peer needs NAME=PROGRAM")?;
                o.more.push((peer.to_owned(), program.into()));
            }
            _ => {
                return Err(format!(
                    "{name} is not known: --tarec, --peer, --blocks, --seed, --gap-ms, --out"
                ));
            }
        }
    }
    if o.tarec.is_file() { Ok(o) } else { Err("--tarec FILE: the runtime to be measured".into()) }
}

fn main() {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("bench-runtime: {why}");
            std::process::exit(2);
        }
    };
    if let Err(why) = bench(&options) {
        eprintln!("bench-runtime: {why}");
        std::process::exit(3);
    }
}

fn bench(options: &Options) -> Result<(), String> {
    let ground = tasks::Ground::new()?;
    let peers = peers::found(&options.tarec, &options.more, &ground);
    std::fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    let file = options.out.join("samples.csv");
    let mut csv = std::fs::File::create(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let io = |e: std::io::Error| format!("{}: {e}", file.display());
    writeln!(csv, "block,peer,task,value,exit").map_err(io)?;
    let tasks = tasks::ALL;
    let mut samples = Vec::new();
    // Block 0 warms up: recorded, not in the table.
    for block in 0..=options.blocks {
        for slot in block_order(options.seed, block, peers.len(), tasks.len()) {
            std::thread::sleep(std::time::Duration::from_millis(options.gap_ms));
            for sample in tasks[slot.workload].run(&peers[slot.target], &ground, block) {
                let Sample { block, peer, task, value, exit } = &sample;
                writeln!(csv, "{block},{peer},{task},{value:.4},{exit}").map_err(io)?;
                samples.push(sample);
            }
        }
    }
    let versions: Vec<String> = peers.iter().map(|p| format!("{}: {}", p.name, p.version)).collect();
    let text = table::render(&samples, &peers, options);
    let verdicts = table::verdicts(&samples, options);
    let summary = format!("{}\n\n{text}\nwanted of tarec:\n{verdicts}", versions.join("\n"));
    println!("{summary}");
    let path = options.out.join("summary.txt");
    std::fs::write(&path, format!("{summary}\n")).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("samples: {}", file.display());
    Ok(())
}
