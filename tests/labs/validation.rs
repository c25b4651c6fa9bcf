//! The key experiment: true every time, and false where it must be.

use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::language::Language;
use facteur::lab::runner::experiment;
use facteur::lab::runner::lab_id::{COURSE, LabId};
use facteur::lab::runner::own_lab::{OwnLab, settings};
use facteur::lab::runner::recipe::Recipe;
use facteur::lab::runner::run::Runner;
use facteur::lab::running::LabSettings;

use crate::commands::{facteur, text};

const LINE: &str = "OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2";

async fn own_lab() -> OwnLab {
    OwnLab::start(None, ProducerEnvironment::default()).await.unwrap()
}

// The course's promise, ten times in a row on one lab: a flake would be a promise that holds by luck. Four numbers in
// under 3 s is the bound; the message tells what was measured.
#[tokio::test(flavor = "multi_thread")]
async fn one_lost_answer_stores_plain_twice_and_idempotent_once_every_time() {
    let own = own_lab().await;
    let runner = Runner::new(own.target(), Language::English);

    for run in 1..=10 {
        let verdict = experiment::run(&runner, Recipe::Drop).await.unwrap();

        assert_eq!(verdict.line, LINE, "run {run}: {verdict:#?}");
        assert!(verdict.elapsed_ms < 3_000, "run {run} took {} ms", verdict.elapsed_ms);
        for number in &verdict.numbers {
            assert_eq!(number.fired, Some(1), "{number:?}");
            assert_eq!(number.attempts, Some(2), "{number:?}");
        }
        assert!(runner.toxics.toxics().await.unwrap().is_empty(), "a toxic stayed after run {run}");
    }
    own.stop().await;
}

// A plain Toxiproxy has no drop_response; swallowing all answers and cutting the connection must show the same.
#[tokio::test(flavor = "multi_thread")]
async fn swallowed_answers_show_the_same() {
    let own = own_lab().await;
    let runner = Runner::new(own.target(), Language::French);

    let verdict = experiment::run(&runner, Recipe::Timeout).await.unwrap();

    own.stop().await;
    assert_eq!(verdict.line, LINE, "{verdict:#?}");
    assert!(verdict.why.iter().all(|sentence| sentence.contains("envoyé 2 fois")), "{verdict:#?}");
}

// The course's own recipe, with producers that wait 1,000 ms only (D-59): the command starts them itself.
#[test]
fn the_courses_own_recipe_duplicates_plain_with_impatient_producers() {
    let run = facteur(&["validate", "--own", "--recipe", "seed"]);

    let shown = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{shown}{}", text(&run.stderr));
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("OK: java_idempotent=1 java_plain="), "{shown}");
    assert_eq!(shown.lines().count(), 5, "one sentence per number, then the line: {shown}");
}

// As the course is shipped, its APIs bypass the injector: plain is 1. The validation must fail with 1, and the last line
// must say what broke. Here the injector that is told belongs to another lab.
#[tokio::test(flavor = "multi_thread")]
async fn a_bypassed_injector_fails_the_validation_and_is_named() {
    let (own, other) = (own_lab().await, own_lab().await);
    let (target, elsewhere) = (own.target(), other.target().toxiproxy);

    let run = tokio::task::spawn_blocking(move || {
        let urls =
            ["--java-url", &target.java, "--dotnet-url", &target.librdkafka, "--toxiproxy-url", &elsewhere];
        let validated = facteur(&[&["validate", "-b", &target.kafka][..], &urls].concat());
        let examined = facteur(&[&["doctor"][..], &urls].concat());
        (validated, examined)
    });
    let (validated, examined) = run.await.unwrap();

    own.stop().await;
    other.stop().await;
    assert_eq!(validated.status.code(), Some(1), "{}", text(&validated.stderr));
    let shown = text(&validated.stdout);
    let last = shown.lines().last().unwrap();
    assert!(
        last.starts_with("FAILED: java_idempotent=1 java_plain=1 dotnet_idempotent=1 dotnet_plain=1"),
        "{last}"
    );
    assert!(last.contains("the fault never acted") && last.contains("facteur doctor"), "{last}");
    assert_eq!(examined.status.code(), Some(1));
    assert!(text(&examined.stdout).contains("BYPASSED"), "{}", text(&examined.stdout));
}

// A lab without its injector cannot lose an answer: that is said, with exit code 1, and nothing is half-done.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_without_an_injector_cannot_be_validated() {
    let own = OwnLab::start_with(LabSettings { injector: None, ..settings() }).await.unwrap();
    let runner = Runner::new(own.target(), Language::English);

    let stop = experiment::run(&runner, Recipe::Drop).await.unwrap_err();

    own.stop().await;
    assert!(stop.reason.contains("injector"), "{stop:?}");
}

// The course's table: seven rows, all reached, in one command; and the doctor finds that lab well.
#[tokio::test(flavor = "multi_thread")]
async fn all_seven_labs_are_reached_and_the_doctor_agrees() {
    let own = own_lab().await;
    let target = own.target();

    let run = tokio::task::spawn_blocking(move || {
        let urls = [
            "--java-url",
            &target.java,
            "--dotnet-url",
            &target.librdkafka,
            "--toxiproxy-url",
            &target.toxiproxy,
        ];
        (
            facteur(&[&["lab", "all", "--check"][..], &urls].concat()),
            facteur(&[&["doctor"][..], &urls].concat()),
        )
    });
    let (checked, examined) = run.await.unwrap();

    own.stop().await;
    let shown = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{shown}{}", text(&checked.stderr));
    for lab in COURSE {
        let row = shown.lines().find(|line| line.starts_with(&format!("| {lab} ")));
        assert!(row.is_some_and(|row| row.contains("| pass ")), "{lab} in {shown}");
    }
    let report = text(&examined.stdout);
    assert_eq!(examined.status.code(), Some(0), "{report}");
    assert!(report.contains("active: the producers connect to"), "{report}");
    assert!(report.contains("latency alone cannot cause a retry"), "{report}");
}

// Whoever interrupts a lab must not leave five seconds of latency behind for the rest of the class.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_lab_leaves_no_toxic_behind() {
    let own = own_lab().await;
    let target = own.target();
    let runner = Runner::new(target.clone(), Language::English);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_facteur"));
    command.args(["lab", LabId::Faults.name(), "--check", "--java-url", &target.java]);
    command.args(["--dotnet-url", &target.librdkafka, "--toxiproxy-url", &target.toxiproxy]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while runner.toxics.toxics().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }

    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let ended = child.wait_with_output().await.unwrap();

    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert!(runner.toxics.toxics().await.unwrap().is_empty());
    own.stop().await;
}
