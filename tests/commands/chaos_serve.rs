//! `facteur chaos serve`: the injector alone, as the course's container `toxiproxy`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::binary::{Running, code, facteur, run, stderr};

fn ask(admin: &str, path: &str) -> serde_json::Value {
    let address = admin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

// A container names its proxies in arguments or a variable; they must be there without any job that creates them, and lead
// where they say.
#[test]
fn its_proxies_come_from_arguments_or_the_variable_and_carry_bytes() {
    for by_variable in [false, true] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("kafka=0={}", server.local_addr().unwrap());
        let mut command = facteur(&["chaos", "serve", "--port", "0", "--json", "--seed", "7"]);
        if by_variable {
            command.env("FACTEUR_PROXIES", format!("{proxy} other=127.0.0.1:0=127.0.0.1:9"));
        } else {
            command.args(["--proxy", &proxy, "--proxy", "other=127.0.0.1:0=127.0.0.1:9"]);
        }
        let injector = Running::start(command);

        assert_eq!(injector.first["seed"], 7);
        let proxies = ask(injector.first["toxiproxy"].as_str().unwrap(), "/proxies");
        assert_eq!(proxies["other"]["upstream"], "127.0.0.1:9");
        let listen: SocketAddr = proxies["kafka"]["listen"].as_str().unwrap().parse().unwrap();
        let mut client = TcpStream::connect(listen).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        client.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}

// What is wrong is said before anything runs: the argument's form, the upstream, the port that is taken and by whom.
#[test]
fn wrong_proxies_and_busy_ports_are_told() {
    let wrong = run(&["chaos", "serve", "--port", "0", "--proxy", "kafka"]);
    assert_eq!(code(&wrong), 2, "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("NAME=LISTEN=UPSTREAM"), "{}", stderr(&wrong));

    let upstream = run(&["chaos", "serve", "--port", "0", "--proxy", "kafka=0=nowhere"]);
    assert_eq!(code(&upstream), 2, "{}", stderr(&upstream));
    assert!(stderr(&upstream).contains("no port"), "{}", stderr(&upstream));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let busy = run(&["chaos", "serve", "--port", &port]);
    assert_eq!(code(&busy), 3, "{}", stderr(&busy));
    for part in [port.as_str(), "admin API", "--port"] {
        assert!(stderr(&busy).contains(part), "{part}: {}", stderr(&busy));
    }
    let busy = run(&["chaos", "serve", "--port", "0", "--proxy", &format!("kafka={port}=127.0.0.1:9")]);
    assert_eq!(code(&busy), 3, "{}", stderr(&busy));
    assert!(stderr(&busy).contains(&format!("127.0.0.1:{port}")), "{}", stderr(&busy));
}
