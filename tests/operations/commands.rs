//! What the image is told to run, in `docker/`: every command line is read by the real command line, and the services of
//! `compose.yml` are run as processes, with its commands and variables, so that its fault path is known to work.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use std::io::{BufRead, BufReader};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A list in brackets, as YAML and Dockerfiles write it.
fn list(text: &str) -> Vec<String> {
    let inner = text.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
    inner.split(", ").map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

/// The block of a service in a compose file: the lines below its name that are indented further.
fn service(compose: &str, name: &str) -> Vec<String> {
    let head = format!("  {name}:");
    let lines = compose.lines().skip_while(|line| **line != head).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with("    ")).map(str::to_owned).collect()
}

fn command_of(compose: &str, name: &str) -> Vec<String> {
    let lines = service(compose, name);
    let line = lines
        .iter()
        .find(|line| line.starts_with("    command: ["))
        .unwrap_or_else(|| panic!("{name}: {lines:?}"));
    list(line)
}

/// The variables that both APIs get.
fn api_environment(compose: &str) -> Vec<(String, String)> {
    let lines = compose.lines().skip_while(|line| !line.starts_with("x-api-environment:")).skip(1);
    let lines =
        lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.map(|line| line.trim().split_once(": ").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// The arguments of the containers of a manifest, in either of YAML's two forms.
fn kubernetes_arguments(manifest: &str) -> Option<Vec<String>> {
    let mut lines = manifest.lines().skip_while(|line| !line.trim_start().starts_with("args:"));
    let first = lines.next()?;
    if first.contains('[') {
        return Some(list(first));
    }
    let items = lines.map_while(|line| line.trim_start().strip_prefix("- "));
    Some(items.map(str::to_owned).collect())
}

// A flag that was renamed would let an image start, say "usage" and be restarted for ever.
#[test]
fn every_command_in_the_manifests_is_one_that_the_program_knows() {
    let (one, three) = (read("docker/compose.yml"), read("docker/compose.cluster.yml"));
    let mut commands: Vec<Vec<String>> =
        read("docker/Dockerfile").lines().filter(|line| line.starts_with("CMD ")).map(list).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    commands.extend(["kafka-init", "toxiproxy", "toxiproxy-init"].map(|name| command_of(&one, name)));
    commands.push(command_of(&three, "kafka-init"));
    for name in ["toxiproxy", "toxiproxy-init"] {
        commands.push(kubernetes_arguments(&read(&format!("docker/k8s/{name}.yaml"))).expect(name));
    }
    commands.push(vec!["healthcheck".to_owned()]);

    for command in commands {
        let words = [&["facteur".to_owned()][..], &command].concat();
        let read = facteur::cli::command().try_get_matches_from(&words);
        assert!(read.is_ok(), "{words:?}: {}", read.unwrap_err());
    }
}

/// A `facteur` that runs until it is dropped.
struct Running(Child, serde_json::Value);

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} {command:?}"));
        Self(child, first)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    command.args(arguments).env_clear();
    command
}

fn succeeds(arguments: &[String]) -> bool {
    program(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

// The services of compose.yml as processes, with its own commands and variables; only addresses are put in. If an API
// went past the injector, as in the course's file, no answer would be lost and `plain` would stay at one.
#[test]
fn the_services_of_compose_have_a_fault_path_that_works() {
    let compose = read("docker/compose.yml");
    let kafka = Running::start(&mut program(&["broker", "--kafka-port", "0", "--json"].map(str::to_owned)));
    let kafka_at = kafka.1["kafka"][0].as_str().unwrap().to_owned();
    let here = |command: Vec<String>, admin: &str| -> Vec<String> {
        let put = |word: String| {
            let word = word.replace("kafka:29092", &kafka_at).replace("0.0.0.0:29093", "127.0.0.1:0");
            word.replace("0.0.0.0", "127.0.0.1")
                .replace("http://toxiproxy:8474", admin)
                .replace("toxiproxy", "127.0.0.1")
        };
        command.into_iter().map(put).collect()
    };

    assert!(succeeds(&here(command_of(&compose, "kafka-init"), "")), "the topic is not created");
    let mut injector = program(&here(command_of(&compose, "toxiproxy"), ""));
    let injector = Running::start(injector.args(["--port", "0", "--json"]));
    let admin = injector.1["toxiproxy"].as_str().unwrap().to_owned();
    let proxy = injector.1["proxies"][0]["listen"].as_str().unwrap().to_owned();
    assert!(succeeds(&here(command_of(&compose, "toxiproxy-init"), &admin)), "the proxy is not there");
    let api = |only: &str, port: (&str, &str)| {
        let mut serve = program(&list(r#"["serve", "--no-chaos"]"#));
        for (name, value) in api_environment(&compose) {
            if name != "FACTEUR_HEALTHCHECK_URL" {
                serve.env(name, value.replace("toxiproxy:29093", &proxy));
            }
        }
        Running::start(serve.env("FACTEUR_ONLY", only).env(port.0, port.1).arg("--json"))
    };
    let java = api("java", ("SERVER_PORT", "0"));
    let dotnet = api("librdkafka", ("ASPNETCORE_URLS", "http://+:0"));
    let (java_at, dotnet_at) = (java.1["java"].as_str().unwrap(), dotnet.1["librdkafka"].as_str().unwrap());

    for at in [java_at, dotnet_at] {
        let ready = ["healthcheck", "--url", &format!("{at}/readyz")].map(str::to_owned);
        assert!((0..MOST_LOOKS).any(|_| succeeds(&ready)), "{at} does not become ready");
    }
    let validate = [
        "validate",
        "--java-url",
        java_at,
        "--dotnet-url",
        dotnet_at,
        "--toxiproxy-url",
        &admin,
        "-b",
        &kafka_at,
    ];
    let validated = program(&validate.map(str::to_owned)).output().unwrap();

    let said = String::from_utf8_lossy(&validated.stdout).into_owned();
    assert!(validated.status.success(), "{said}{}", String::from_utf8_lossy(&validated.stderr));
    assert!(
        said.ends_with("OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2\n"),
        "{said}{}",
        String::from_utf8_lossy(&validated.stderr)
    );
}

/// Each look is a process of some milliseconds.
const MOST_LOOKS: u32 = 2_000;
