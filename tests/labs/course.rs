//! The course's own shell lines.

use std::process::Command;

use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::runner::own_lab::OwnLab;

// Steps 4 to 18 of the course, line by line, with only ports and the place of validate.sh replaced: what a student types
// must work, and step 12 must take the five seconds that it promises.
#[tokio::test(flavor = "multi_thread")]
async fn the_courses_shell_lines_work_unchanged() {
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let target = own.target();
    let root = env!("CARGO_MANIFEST_DIR");
    let script = include_str!("course.sh")
        .replace("http://localhost:18080", &target.java)
        .replace("http://localhost:18081", &target.librdkafka)
        .replace("http://localhost:8474", &target.toxiproxy)
        .replace("./day-01-foundations/module-02-producer-reliability/scripts/", &format!("{root}/scripts/"));

    let run = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .args(["-c", &script])
            .env("FACTEUR", env!("CARGO_BIN_EXE_facteur"))
            .env("KAFKA", &target.kafka)
            .env("FACTEUR_JAVA_URL", &target.java)
            .env("FACTEUR_DOTNET_URL", &target.librdkafka)
            .env("TOXIPROXY_URL", &target.toxiproxy)
            .output()
    });
    let Ok(output) = run.await.unwrap() else { panic!("bash is needed for the course's lines") };

    own.stop().await;
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.ends_with("done\n"), "{stdout}");
}
