//! `facteur healthcheck`, and `facteur serve --only`, which it was made for.

use crate::binary::{Running, code, facteur, run, stderr, stdout};

const FREE: [&str; 4] = ["--kafka-port", "0", "--kafka-internal-port", "0"];

// A container serves one profile and checks itself through the same variables. If `--only` opened the other port too,
// two containers on one host network would collide; if the check asked elsewhere, the container would be restarted.
#[test]
fn a_container_of_one_profile_checks_itself_by_its_own_variables() {
    for (only, variable, other) in
        [("java", "SERVER_PORT", "librdkafka"), ("librdkafka", "ASPNETCORE_URLS", "java")]
    {
        // A free port, found by binding and letting go: `serve` must take the very one that the variable names.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let value = if only == "java" { port.to_string() } else { format!("http://+:{port}") };
        let environment = [("FACTEUR_ONLY", only), (variable, value.as_str())];
        let check = || facteur(&["healthcheck"]).envs(environment).output().unwrap();

        let before = check();
        let mut serve = facteur(&[&["serve", "--json"], &FREE[..]].concat());
        serve.envs(environment);
        let lab = Running::start(serve);
        let after = check();

        assert_eq!(code(&before), 1, "{}", stderr(&before));
        assert!(
            stderr(&before).contains(&port.to_string()) && stdout(&before).is_empty(),
            "{}",
            stderr(&before)
        );
        assert_eq!(lab.first[only], format!("http://127.0.0.1:{port}"));
        assert!(lab.first.get(other).is_none(), "{}", lab.first);
        assert_eq!(code(&after), 0, "{}", stderr(&after));
        assert_eq!(stdout(&after), format!("healthy: http://127.0.0.1:{port}/livez answered 200\n"));
    }
}

// An answer that is not 2xx is unhealthy, and the status is told, also to a program.
#[test]
fn an_answer_that_is_no_success_is_unhealthy() {
    let free = ["serve", "--json", "--java-port", "0", "--librdkafka-port", "0"];
    let lab = Running::start(facteur(&[&free[..], &FREE[..]].concat()));
    let url = format!("{}/nowhere", lab.first["java"].as_str().unwrap());

    let plain = run(&["healthcheck", "--url", &url]);
    let json = run(&["healthcheck", "--url", &url, "--json"]);

    assert_eq!((code(&plain), code(&json)), (1, 1));
    assert!(stderr(&plain).contains("answered 404"), "{}", stderr(&plain));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["healthy"], &json["status"]), (&false.into(), &404.into()));
}

// A wrong variable is a usage error: the image is wrong, not the program unhealthy.
#[test]
fn a_wrong_port_variable_is_a_usage_error() {
    let wrong = facteur(&["healthcheck"]).env("SERVER_PORT", "eighty").output().unwrap();

    assert_eq!(code(&wrong), 2);
    assert!(
        stderr(&wrong).contains("SERVER_PORT") && stderr(&wrong).contains("eighty"),
        "{}",
        stderr(&wrong)
    );
}
