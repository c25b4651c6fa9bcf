//! Stub commands in a folder of their own, in front of the real ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A stub: writes its call down, then answers by the first rule whose pattern fits.
const STUB: &str = r#"#!/bin/sh
call="$(basename "$0") $*"
echo "$call" >>"$STUB_CALLS"
while IFS='|' read -r pattern status output; do
  case $call in
    $pattern)
      [ -z "$output" ] || printf '%b\n' "$output"
      exit "$status"
      ;;
  esac
done <"$STUB_RULES"
exit 0
"#;

/// A `sudo` that only runs its command, and an `id` of someone who is not root: the scripts behave the same for all.
const SUDO: &str = "#!/bin/sh\necho \"sudo $*\" >>\"$STUB_CALLS\"\nexec \"$@\"\n";
const ID: &str = "#!/bin/sh\necho 1000\n";

/// A folder with stubs.
pub struct Stubs {
    folder: PathBuf,
    rules: String,
}

/// How a script ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The calls, in order.
    pub calls: Vec<String>,
}

impl Stubs {
    /// Stubs of these commands; each answers nothing and succeeds until told otherwise.
    pub fn of(commands: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stubs-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        for command in commands {
            write(&folder.join("bin").join(command), STUB);
        }
        write(&folder.join("bin/sudo"), SUDO);
        write(&folder.join("bin/id"), ID);
        // What the scripts may use of the real system, and nothing else: no real docker or kubectl can be reached.
        for tool in
            ["bash", "sh", "basename", "cat", "cut", "dirname", "grep", "mktemp", "rm", "sed", "sleep", "env"]
        {
            let real = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
            let real = real.iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(real, folder.join("bin").join(tool)).unwrap();
        }
        Self { folder, rules: String::new() }
    }

    /// From now on a call that fits the shell pattern ends with `status` and prints `output`. The first rule wins.
    pub fn answer(mut self, pattern: &str, status: i32, output: &str) -> Self {
        self.rules.push_str(&format!("{pattern}|{status}|{output}\n"));
        self
    }

    /// Runs a script of the repository.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Ended {
        self.run_with(script, arguments, &[])
    }

    /// As [`Self::run`], with variables.
    pub fn run_with(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        std::fs::write(self.folder.join("rules"), &self.rules).unwrap();
        std::fs::write(self.folder.join("calls"), "").unwrap();
        let output: Output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script))
            .args(arguments)
            .env_clear()
            .env("PATH", self.folder.join("bin"))
            .env("TMPDIR", &self.folder)
            .env("STUB_CALLS", self.folder.join("calls"))
            .env("STUB_RULES", self.folder.join("rules"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let calls = std::fs::read_to_string(self.folder.join("calls")).unwrap();
        // Paths of this checkout, and of this run, are not what a test wants to say.
        let calls = calls.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
        let calls = calls.replace(env!("CARGO_MANIFEST_DIR"), ".");
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            calls: calls.lines().map(str::to_owned).collect(),
        }
    }

    /// What the scripts left behind in the folder for temporary files.
    pub fn left_over(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !["bin", "calls", "rules"].contains(&name.as_str())).collect()
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Ended {
    /// The calls that begin so, in order.
    pub fn calls_of(&self, beginning: &str) -> Vec<&str> {
        self.calls.iter().map(String::as_str).filter(|call| call.starts_with(beginning)).collect()
    }

    /// Both outputs, for messages.
    pub fn said(&self) -> String {
        format!("{}{}{}", self.stdout, self.stderr, self.calls.join("\n"))
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
