//! A lab of a page's own, and the two ways between its ports and the course's.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What the course calls each address, and the member of `facteur serve --json` that tells ours.
const COURSE_PORTS: &[(&str, &str)] =
    &[("18080", "java"), ("18081", "librdkafka"), ("8474", "toxiproxy"), ("29093", "proxied")];

/// A `facteur serve` on free ports that ends with this value.
pub struct Lab {
    child: Child,
    /// The course's port and ours.
    ports: Vec<(String, String)>,
    kafka: String,
    folder: PathBuf,
}

impl Lab {
    pub fn start() -> Self {
        let ports = [
            "--java-port",
            "--librdkafka-port",
            "--kafka-port",
            "--kafka-internal-port",
            "--toxiproxy-port",
            "--proxy-port",
        ];
        let mut command = facteur();
        command.args(["serve", "--json"]);
        for port in ports {
            command.args([port, "0"]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let port_of = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
        let mut ports: Vec<(String, String)> = COURSE_PORTS
            .iter()
            .map(|(course, member)| ((*course).to_owned(), port_of(addresses[member].as_str().unwrap())))
            .collect();
        let kafka = addresses["kafka"].as_array().unwrap();
        for (course, address) in ["9092", "29092"].iter().zip(kafka) {
            ports.push(((*course).to_owned(), port_of(address.as_str().unwrap())));
        }
        let folder = std::env::temp_dir().join(format!("facteur-guides-{}", child.id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { child, ports, kafka: kafka[0].as_str().unwrap().to_owned(), folder }
    }

    /// A bash that knows `facteur`, in an empty folder, with this lab in the place of the course's.
    pub fn shell(&self) -> Command {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_facteur"));
        let path =
            format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
        let url = |course: &str| format!("http://127.0.0.1:{}", self.own(course));
        let mut shell = Command::new("bash");
        without_settings(&mut shell);
        shell
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "120")
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.kafka)
            .env("FACTEUR_JAVA_URL", url("18080"))
            .env("FACTEUR_DOTNET_URL", url("18081"))
            .env("FACTEUR_URL", url("18080"))
            .env("TOXIPROXY_URL", url("8474"));
        shell
    }

    /// A command of a page, on this lab's ports.
    pub fn on_own_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (course, own)| {
            text.replace(&format!("localhost:{course}"), &format!("localhost:{own}"))
        })
    }

    /// What a command printed, on the course's ports.
    pub fn on_course_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (course, own)| {
            text.replace(&format!(":{own}"), &format!(":{course}"))
        })
    }

    fn own(&self, course: &str) -> &str {
        &self.ports.iter().find(|(candidate, _)| candidate == course).unwrap().1
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn facteur() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    without_settings(&mut command);
    command
}

/// The variables of whoever runs the tests are not the page's.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars() {
        if name.starts_with("KAFKA_")
            || name.starts_with("FACTEUR_")
            || ["SERVER_PORT", "RUST_LOG", "LANG"].contains(&name.as_str())
        {
            command.env_remove(name);
        }
    }
}
