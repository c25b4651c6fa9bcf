//! What the image's build sees: `.dockerignore` lets in what cargo needs, and nothing that changes for other reasons.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The patterns that `.dockerignore` lets in; everything else is kept out by its first line.
fn let_in() -> Vec<String> {
    let text = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(lines[0], "*", "the first line keeps everything out");
    lines[1..].iter().map(|line| line.strip_prefix('!').expect(line).to_owned()).collect()
}

fn is_let_in(path: &str) -> bool {
    let_in().iter().any(|pattern| match pattern.strip_suffix("/*.rs") {
        Some(folder) => path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.ends_with(".rs") && rest.matches('/').count() == 1),
        None => path == pattern || path.starts_with(&format!("{pattern}/")),
    })
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

// A manifest names benches and a readme; if one of them is missing in the context, `docker build` fails after minutes.
// cargo itself reads the manifest in a copy of the context.
#[test]
fn cargo_reads_the_manifest_in_the_build_context() {
    let context = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("context-{}", std::process::id()));
    let mut all = Vec::new();
    for folder in ["src", "benches"] {
        files(&root().join(folder), &mut all);
    }
    all.extend(["Cargo.toml", "Cargo.lock", "README.md"].map(|name| root().join(name)));
    for file in &all {
        let name = file.strip_prefix(root()).unwrap();
        if is_let_in(name.to_str().unwrap()) {
            std::fs::create_dir_all(context.join(name).parent().unwrap()).unwrap();
            std::fs::copy(file, context.join(name)).unwrap();
        }
    }

    let arguments =
        ["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1", "--manifest-path"];
    let read = Command::new(env!("CARGO")).args(arguments).arg(context.join("Cargo.toml")).output().unwrap();

    drop(std::fs::remove_dir_all(&context));
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(String::from_utf8_lossy(&read.stdout).contains(r#""name":"facteur""#));
}

// A file that the code includes at compile time must be in the context, wherever it lies.
#[test]
fn every_included_file_is_in_the_build_context() {
    let mut sources = Vec::new();
    files(&root().join("src"), &mut sources);
    let mut seen = 0;
    for source in sources.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(source).unwrap();
        for part in text.split("include_").skip(1) {
            let Some((_, rest)) = part.split_once("!(\"") else { continue };
            if !(part.starts_with("str!(\"") || part.starts_with("bytes!(\"")) {
                continue;
            }
            let included =
                source.parent().unwrap().join(rest.split('"').next().unwrap()).canonicalize().unwrap();
            let name =
                included.strip_prefix(root().canonicalize().unwrap()).unwrap().to_str().unwrap().to_owned();
            assert!(is_let_in(&name), "{} includes {name}, which .dockerignore keeps out", source.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "src/lib.rs includes README.md; this test does not see it");
}

// The image's promises, as far as a text shows them: static base, a number for a user, its own health check, no shell.
#[test]
fn the_dockerfile_keeps_its_promises() {
    let text = std::fs::read_to_string(root().join("docker/Dockerfile")).unwrap();
    for line in [
        "FROM scratch AS base",
        "USER 65532:65532",
        "    CMD [\"/usr/local/bin/facteur\", \"healthcheck\"]",
        "ENTRYPOINT [\"/usr/local/bin/facteur\"]",
        "FROM base AS m02-java-api",
        "FROM base AS m02-dotnet-api",
        "FROM base AS toxiproxy",
        "ENV FACTEUR_ONLY=java SERVER_PORT=8080",
        "ENV FACTEUR_ONLY=librdkafka ASPNETCORE_URLS=http://+:8080",
    ] {
        assert!(text.lines().any(|found| found == line), "docker/Dockerfile has no line {line:?}");
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .unwrap()
        .trim_end_matches('"');
    assert!(
        text.contains(&format!("FROM rust:{version}-alpine AS build")),
        "the image must build with rust {version}"
    );
}
