//! Coverage of the intervals and type I error of the tests, by simulation:
//!
//! ```text
//! cargo run --release -p lungs-stats --example simulation -- [TABLE …] [REPLICATES]
//! ```
//!
//! Prints the tables `intervals`, `unequal`, `patients`, `paired`, `sites`, `smooth`, `losses` and `survival`, all of
//! them without a name, of 2,000 replicates each (`paired`, `smooth` and `losses` take a share of them where a replicate
//! is slow). The draws are named streams of one seed, so a table is the same on every machine.
//! docs/statistics.md has the tables.

mod data;
mod intervals;
mod losses;
mod paired;
mod patients;
mod sites;
mod smooth;
mod survival;

/// A table by its number of replicates.
type Table = fn(usize);

const TABLES: [(&str, Table); 8] = [
    ("intervals", intervals::print),
    ("unequal", intervals::print_unequal),
    ("patients", patients::print),
    ("paired", paired::print),
    ("sites", sites::print),
    ("smooth", smooth::print),
    ("losses", losses::print),
    ("survival", survival::print),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let replicates = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(2000);
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !TABLES.iter().any(|(name, _)| named(name));
    for (_, print) in TABLES.iter().filter(|(name, _)| all || named(name)) {
        print(replicates);
        println!();
    }
}

/// Share of `hits`.
fn share(hits: impl Iterator<Item = bool>) -> f64 {
    let (count, hits) =
        hits.fold((0usize, 0usize), |(count, sum), hit| (count + 1, sum + usize::from(hit)));
    hits as f64 / count as f64
}
