//! Writes records of hosts that never were: `simulate_fleet DIR HOSTS BLOCKS SEED`. See scripts/simulate-fleet.
#![allow(missing_docs, clippy::print_stdout)]

mod generate;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse().ok());
    let (Some(dir), Some(hosts), Some(blocks), Some(seed)) =
        (arguments.first(), number(1), number(2), number(3))
    else {
        return Err(std::io::Error::other("usage: simulate_fleet DIR HOSTS BLOCKS SEED"));
    };
    let size = generate::Size { hosts, blocks, seed: u64::from(seed) };
    for host in 0..size.hosts {
        generate::host(&std::path::Path::new(dir).join(generate::name(host)), size, host)?;
    }
    let names = |odd: fn(u32) -> bool| (0..hosts).filter(|h| odd(*h)).map(generate::name).collect::<Vec<_>>();
    println!("{}", names(generate::is_slow).join(" "));
    println!("{}", names(generate::is_restless).join(" "));
    let effects = [
        generate::BETWEEN,
        generate::WITHIN,
        generate::NET_MS,
        generate::RATIO,
        generate::NEWER,
        generate::SLOW,
    ];
    println!("{}", effects.map(|e| e.to_string()).join(" "));
    Ok(())
}
