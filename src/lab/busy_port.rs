//! Who has a port that is taken (D-65).
//!
//! **Why.** "Address in use" sends a student searching; the name and number of the program end the search. Linux tells
//! through `/proc`, elsewhere nothing is said. Neighbours: whoever listens. Not here: taking ports.

use std::fs;
use std::path::Path;

/// In words: `process 1234 (java) has it`, or that another program has.
pub fn owner(port: u16) -> String {
    match holder(port) {
        Some((pid, name)) if pid == std::process::id() => {
            format!("this process ({name}, {pid}) has it already")
        }
        Some((pid, name)) => format!("process {pid} ({name}) has it"),
        None => "another program has it".to_owned(),
    }
}

/// Number and name of the process that listens on a port; `None` if nobody does, or it cannot be told.
pub fn holder(port: u16) -> Option<(u32, String)> {
    listening_inodes(port).iter().find_map(|inode| process_with(inode))
}

/// The inodes of the sockets that listen on a port.
fn listening_inodes(port: u16) -> Vec<String> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = fs::read_to_string(table) else { continue };
        inodes.extend(text.lines().skip(1).filter_map(|line| inode_of_listener(line, port)));
    }
    inodes
}

/// A line has: number, local address, remote address, state, and the inode as the tenth field.
fn inode_of_listener(line: &str, port: u16) -> Option<String> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (_, local_port) = local.rsplit_once(':')?;
    (state == "0A" && u16::from_str_radix(local_port, 16) == Ok(port)).then(|| inode.to_owned())
}

/// The process that holds a socket, if this user may see it.
fn process_with(inode: &str) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if holds(&process.path(), &wanted) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

fn holds(process: &Path, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| target.as_os_str() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A line of /proc/net/tcp as Linux writes it; a wrong column would name a wrong process.
    #[test]
    fn the_inode_of_a_listener_is_found_in_its_column() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 61024 1 0";
        assert_eq!(inode_of_listener(line, 8080), Some("61024".to_owned()));
        assert_eq!(inode_of_listener(line, 8081), None);
        assert_eq!(inode_of_listener(&line.replace(" 0A ", " 01 "), 8080), None);
    }

    // The whole way through /proc: this very process must be named.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_of_this_process_is_told_as_such() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let said = owner(listener.local_addr().unwrap().port());
        assert!(said.contains("this process") && said.contains(&std::process::id().to_string()), "{said}");
    }
}
