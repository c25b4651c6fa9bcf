//! Which process listens on a port of this machine, by what Linux tells in `/proc`.
//!
//! **Why.** "Port 18080 is taken" sends a student searching; "taken by java (process 4711)" does not. Neighbours:
//! [`super::listeners`] asks. Not here: other systems, where the answer is "unknown", and other users' processes, whose
//! files only the administrator may read.

use std::fs;
use std::path::Path;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) process_id: u32,
    pub(super) name: String,
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.name, self.process_id)
    }
}

/// Who listens on this TCP port; `None` if nobody does or it cannot be told.
pub(super) fn listening_on(port: u16) -> Option<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes_listening(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(process_id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if holds(&entry.path(), &wanted) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(Listener { process_id, name: name.trim().to_owned() });
        }
    }
    None
}

fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().any(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        sockets.iter().any(|socket| target.as_os_str() == socket.as_str())
    })
}

/// The inodes of sockets that listen on a port, from a table of `/proc/net`: local address in the second column, state
/// (0A listens) in the fourth, inode in the tenth.
fn inodes_listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
            (local.ends_with(&suffix) && *state == "0A").then(|| (*inode).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // A connection *to* a port has the port in the third column, and one that is established is no listener.
    #[test]
    fn only_listeners_of_the_port_itself_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:46A0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n   \
            1: 0100007F:46A0 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n   \
            2: 0100007F:1F90 0100007F:46A0 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n";

        assert_eq!(inodes_listening(table, 18080), ["111"]);
        assert!(inodes_listening(table, 8080).is_empty());
        assert!(inodes_listening("", 18080).is_empty());
    }

    // The real thing: this very process listens, and is found by name and id.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_on_its_own_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();

        let found = listening_on(port).unwrap();

        assert_eq!(found.process_id, std::process::id());
        assert!(!found.name.is_empty());
        drop(listener);
        assert_eq!(listening_on(port), None);
    }
}
