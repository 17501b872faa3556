//! `update`.

use super::Verb;
use crate::args::{Args, Item};
use crate::failure::Failure;
use crate::globals::Globals;
use serde_json::{Value, json};
use std::io::Read;
use taremark::container::update;

pub const VERB: Verb = Verb {
    name: "update",
    arguments: "[OPTIONS] ID",
    about: "Change the limits of a container",
    options: "  \
  -r, --resources FILE        linux.resources as JSON, - for standard input; the options below come on top
      --memory BYTES          Limit, also as 512m or 2g; -1: none
      --memory-reservation B  Soft limit
      --memory-swap BYTES     Limit of memory and swap together; -1: none
      --cpu-share N           Weight; also --cpu-shares
      --cpu-quota US          Time in each period; -1: no limit
      --cpu-period US         Length of a period
      --cpu-burst US          Time that may be saved up
      --cpu-rt-period US      Length of a period of realtime processes
      --cpu-rt-runtime US     Their time in each
      --cpu-idle N            1: only where nobody else wants the CPU
      --cpuset-cpus LIST      CPUs, as 0-3,7
      --cpuset-mems LIST      Memory nodes
      --pids-limit N          Number of tasks; -1: no limit
      --blkio-weight N        Weight, 10 to 1000",
    run,
};

/// Option and its place in `linux.resources`; those with a list of CPUs or nodes are text.
const PLACES: [(&str, &str, &str); 17] = [
    ("memory", "memory", "limit"),
    ("memory-reservation", "memory", "reservation"),
    ("memory-swap", "memory", "swap"),
    // Kernels count it no more; engines still name it.
    ("kernel-memory", "memory", "kernel"),
    ("kernel-memory-tcp", "memory", "kernelTCP"),
    ("cpu-shares", "cpu", "shares"),
    ("cpu-share", "cpu", "shares"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-period", "cpu", "period"),
    ("cpu-burst", "cpu", "burst"),
    ("cpu-idle", "cpu", "idle"),
    ("cpuset-cpus", "cpu", "cpus"),
    ("cpuset-mems", "cpu", "mems"),
    ("pids-limit", "pids", "limit"),
    ("blkio-weight", "blockIO", "weight"),
];

fn run(globals: &mut Globals, mut args: Args) -> Result<u8, Failure> {
    let (mut ids, mut resources, mut changes) = (Vec::new(), json!({}), Vec::new());
    while let Some(item) = args.next(&[('r', "resources")])? {
        match item {
            Item::Plain(id) => ids.push(id),
            Item::Option(name) if name == "resources" => resources = read(&args.text()?, &args)?,
            Item::Option(name) => match PLACES.iter().find(|(option, ..)| *option == name) {
                Some((_, part, field)) => {
                    let value = match (*part, *field) {
                        (_, "cpus" | "mems") => json!(args.text()?),
                        ("memory", _) => {
                            let text = args.text()?;
                            let wrong = || args.usage(&format!("--{name}: {text:?} is no size like 512m"));
                            json!(size(&text).ok_or_else(wrong)?)
                        }
                        _ => json!(args.parsed::<i64>(&name)?),
                    };
                    changes.push((*part, *field, value));
                }
                None => args.global(globals, name)?,
            },
        }
    }
    for (part, field, value) in changes {
        resources[part][field] = value;
    }
    update::update(&globals.root, &args.id(ids)?, resources)?;
    Ok(0)
}

/// Bytes, with the suffixes that other runtimes take: of 1024, in either case, with or without `b` or `ib`.
fn size(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let plain = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let shift = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let unit = shift.iter().find_map(|(unit, bits)| Some((plain.strip_suffix(*unit)?, *bits)));
    let (number, bits) = unit.unwrap_or((plain, 0));
    let number: i64 = number.parse().ok()?;
    number.checked_mul(1 << bits)
}

fn read(from: &str, args: &Args) -> Result<Value, Failure> {
    let mut text = String::new();
    let result = match from {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        path => std::fs::read_to_string(path).map(|t| text = t),
    };
    result.map_err(|e| args.usage(&format!("--resources {from}: {e}")))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|e| args.usage(&format!("--resources {from}: {e}")))?;
    if value.is_object() { Ok(value) } else { Err(args.usage("--resources has to be a JSON object")) }
}
