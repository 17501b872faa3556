//! `taremark image diff`.

use crate::cli::bytes::decimal;
use crate::image::compare::{Change, Difference, images};
use crate::image::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The first image
    #[arg(value_name = "REF")]
    first: String,
    /// The second image
    #[arg(value_name = "REF")]
    second: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints paths that differ: `+` only the second has it, `-` only the first, `~` changed.
pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<()> {
    let all = images(store, &store.resolve(&a.first)?, &store.resolve(&a.second)?)?;
    if a.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for d in &all {
        match d.change {
            Change::Added => println!("+ {} {}", d.path, decimal(d.after_bytes)),
            Change::Removed => println!("- {} {}", d.path, decimal(d.before_bytes)),
            Change::Changed => {
                let (before, after) = (decimal(d.before_bytes), decimal(d.after_bytes));
                println!("~ {} {before} -> {after} ({})", d.path, d.what.join(", "));
            }
        }
    }
    let of = |change| all.iter().filter(move |d| d.change == change);
    let sum = |change, bytes: fn(&Difference) -> u64| decimal(of(change).map(bytes).sum());
    println!(
        "{} added ({}), {} removed ({}), {} changed",
        of(Change::Added).count(),
        sum(Change::Added, |d| d.after_bytes),
        of(Change::Removed).count(),
        sum(Change::Removed, |d| d.before_bytes),
        of(Change::Changed).count()
    );
    Ok(())
}
