//! Every stored input through its target, without libFuzzer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

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

/// Damage as a fuzzer does it, without its knowledge of coverage: bits, edges, pieces left out, doubled or of another.
fn mutated(random: &mut StdRng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut data = inputs[random.random_range(0..inputs.len())].clone();
    for _ in 0..random.random_range(1..6) {
        let place = random.random_range(0..=data.len());
        let length = random.random_range(0..=16.min(data.len() - place));
        match random.random_range(0..7) {
            0 if place < data.len() => data[place] ^= 1 << random.random_range(0..8),
            1 if place < data.len() => data[place] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            2 => drop(data.drain(place..place + length)),
            3 => {
                let piece = data[place..place + length].to_vec();
                drop(data.splice(place..place, piece));
            }
            4 => {
                let other = &inputs[random.random_range(0..inputs.len())];
                let from = random.random_range(0..=other.len());
                data.truncate(place);
                data.extend_from_slice(&other[from..]);
            }
            5 => {
                let noise: Vec<u8> = (0..random.random_range(1..9)).map(|_| random.random()).collect();
                drop(data.splice(place..place + length, noise));
            }
            _ => data.truncate(place),
        }
    }
    data.truncate(8192);
    data
}

// Damaged traffic, another each time that the generator is told so: `FACTEUR_MUTATE_SECONDS=60` and `FACTEUR_SEED=1` search
// longer and elsewhere, on stable and without C++. Fails with the input that broke something, stored for its repair.
#[test]
fn damaged_inputs_do_no_harm() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("FACTEUR_MUTATE_SECONDS");
    let only = std::env::var("FACTEUR_TARGET").ok();
    let mut broken = Vec::new();
    for (target, run) in
        targets::ALL.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        let mut random = StdRng::seed_from_u64(number("FACTEUR_SEED").unwrap_or(5));
        let files = [stored("seeds", target), stored("regressions", target)].concat();
        let inputs: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        let (began, mut count) = (Instant::now(), 0_u64);
        while seconds.map_or(count < 40, |seconds| began.elapsed().as_secs() < seconds) {
            let data = mutated(&mut random, &inputs);
            count += 1;
            if std::panic::catch_unwind(|| run(&data)).is_err() {
                let name = facteur::wire::record_batch::body_crc(&[bytes::Bytes::copy_from_slice(&data)]);
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/artifacts").join(target);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("damaged-{name:08x}")), &data).unwrap();
                broken.push(format!("{target}/damaged-{name:08x}"));
                break;
            }
        }
        println!("{target}: {count} damaged inputs in {:.1} s", began.elapsed().as_secs_f64());
    }
    assert!(broken.is_empty(), "in fuzz/artifacts: {broken:?}");
}
