//! Prints the simulations of docs/statistics.md as Markdown. Run by scripts/simulate-statistics.
#![allow(clippy::print_stdout)]

use taremark::stats::simulate::{
    SHAPES, Shape, coverage_of_median, coverage_of_ratio, coverage_of_unpaired, detected, false_alarms,
    false_alarms_unpaired,
};

fn main() {
    let rounds = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    println!("{rounds} rounds each; a share of 95 % has a standard error of {:.1} %.\n", error(rounds));
    println!("Intervals of a median that hold the truth, per cent, by number of runs:\n");
    table(&SHAPES, &[14, 16, 20, 40, 100], |shape, n| coverage_of_median(shape, n, rounds, 2000, 1));
    println!(
        "\nIntervals of a ratio (paired, drifting host) that hold the truth, per cent, by number of blocks:\n"
    );
    table(&SHAPES, &[6, 7, 8, 12, 20, 40], |shape, n| coverage_of_ratio(shape, n, rounds, 2));
    println!(
        "\nA/A sessions of ten comparisons with a false alarm or more, per cent, by number of blocks:\n"
    );
    table(&SHAPES, &[9, 12, 20], |shape, n| false_alarms(shape, 10, n, rounds.min(1000), 3));
    println!(
        "\nIntervals of a ratio of two sessions, one after the other, that hold the truth, per cent, by number of runs:\n"
    );
    table(&SHAPES, &[14, 20, 40, 100], |shape, n| coverage_of_unpaired(shape, n, rounds, 5));
    println!(
        "\nPairs of A/A sessions of ten targets, one after the other, with a false alarm or more, per cent, by number of runs:\n"
    );
    table(&SHAPES, &[14, 20, 40], |shape, n| false_alarms_unpaired(shape, 10, n, rounds.min(1000), 6));
    println!(
        "\nSlow-downs that are found, per cent of sessions (400 at most), normal runs of 10 % spread, by number of blocks:\n"
    );
    print!("| slower by |");
    [12, 20, 40, 100].iter().for_each(|n| print!(" {n} |"));
    println!("\n| --- |{}", " --- |".repeat(4));
    for ratio in [1.0, 1.02, 1.05, 1.10, 1.20] {
        print!("| {:.0} % |", (ratio - 1.0) * 100.0);
        for n in [12, 20, 40, 100] {
            print!(" {:.1} |", detected(Shape::Normal, ratio, n, rounds.min(400), 4) * 100.0);
        }
        println!();
    }
}

fn error(rounds: usize) -> f64 {
    (0.95 * 0.05 / rounds as f64).sqrt() * 100.0
}

fn table(shapes: &[Shape], sizes: &[usize], figure: impl Fn(Shape, usize) -> f64) {
    print!("| values |");
    sizes.iter().for_each(|n| print!(" {n} |"));
    println!("\n| --- |{}", " --- |".repeat(sizes.len()));
    for shape in shapes {
        print!("| {} |", name(*shape));
        sizes.iter().for_each(|n| print!(" {:.1} |", figure(*shape, *n) * 100.0));
        println!();
    }
}

fn name(shape: Shape) -> String {
    match shape {
        Shape::Normal => "normal".into(),
        Shape::LogNormal => "log-normal".into(),
        Shape::Bimodal => "bimodal".into(),
        Shape::Autocorrelated(r) => format!("autocorrelated, {r}"),
    }
}
