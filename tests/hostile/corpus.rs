//! Every stored input through its target, without libFuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::targets;

/// The stored inputs of a target in `fuzz/seeds` or `fuzz/regressions`, by name.
pub fn stored(folder: &str, target: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let Ok(entries) = fs::read_dir(&root) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(folder: &str) -> usize {
    let mut count = 0;
    for (target, run) in targets::ALL {
        for path in stored(folder, target) {
            let data = fs::read(&path).unwrap();
            // The name of what fails must be readable above the panic's own words.
            println!("{target} {}", path.file_name().unwrap().to_string_lossy());
            run(&data);
            count += 1;
        }
    }
    count
}

// What real clients and brokers say is understood, and each target has something to begin with. Fails if a target
// panics on ordinary traffic, or was added without seeds.
#[test]
fn every_target_accepts_its_seeds() {
    let empty: Vec<&str> =
        targets::ALL.iter().map(|(name, _)| *name).filter(|name| stored("seeds", name).is_empty()).collect();
    assert!(empty.is_empty(), "without seeds: {empty:?}");
    assert!(replay("seeds") >= targets::ALL.len());
}

// Each input that once broke something stays harmless. Fails when an old defect comes back.
#[test]
fn what_a_fuzzer_once_found_stays_fixed() {
    replay("regressions");
}

// A target that no binary runs would never be searched, and a binary without a line in the table never replayed.
#[test]
fn the_binaries_are_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut named: Vec<&str> =
        manifest.split("[[bin]]").skip(1).filter_map(|part| part.split('"').nth(1)).collect();
    named.sort_unstable();
    let mut known: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(named, known);
    for name in known {
        let binary = fs::read_to_string(root.join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(binary.contains(&format!("targets::{name}::run(data)")), "{name} runs another target");
    }
}

// Stored inputs are for people with slow lines too.
#[test]
fn the_stored_inputs_stay_small() {
    let files = targets::ALL
        .iter()
        .flat_map(|(name, _)| [stored("seeds", name), stored("regressions", name)].concat());
    let sizes: Vec<u64> = files.map(|path| fs::metadata(path).unwrap().len()).collect();
    let total: u64 = sizes.iter().sum();
    assert!(total < 2 << 20, "{total} bytes in {} files", sizes.len());
}
