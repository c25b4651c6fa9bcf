//! Sets `cfg(loom)` for the library alone.

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-check-cfg=cfg(facteur_mutants)");
    println!("cargo::rerun-if-changed=build.rs");
}
