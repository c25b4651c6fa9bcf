//! Several brokers behind one proxy: a listener for each (D-60), which shares the proxy's toxics and its switch.

use std::io::ErrorKind;
use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Line, PATIENCE, call, get, read_exactly, read_to_end};

/// Metadata v1 for all topics, as a client asks at its start.
const METADATA: &[u8] = &[0, 0, 0, 15, 0, 3, 0, 1, 0, 0, 0, 9, 0, 1, b'c', 0xff, 0xff, 0xff, 0xff];

/// The answer to [`METADATA`] of a cluster of these brokers, with ids from 1 and no topics.
fn metadata_answer(brokers: &[SocketAddr]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 9];
    body.extend(u32::try_from(brokers.len()).unwrap().to_be_bytes());
    for (index, broker) in brokers.iter().enumerate() {
        body.extend(u32::try_from(index + 1).unwrap().to_be_bytes());
        let host = broker.ip().to_string();
        body.extend(u16::try_from(host.len()).unwrap().to_be_bytes());
        body.extend(host.as_bytes());
        body.extend(u32::from(broker.port()).to_be_bytes());
        body.extend([0xff, 0xff]);
    }
    body.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Asks through the proxy and answers as its first broker: the ports that the client is told.
async fn told(line: &Line, brokers: &[SocketAddr]) -> Vec<u16> {
    let (mut client, mut server) = line.connect().await;
    client.write_all(METADATA).await.unwrap();
    assert_eq!(read_exactly(&mut server, METADATA.len()).await, METADATA);
    server.write_all(&metadata_answer(brokers)).await.unwrap();
    let length = u32::from_be_bytes(read_exactly(&mut client, 4).await.try_into().unwrap());
    let body = read_exactly(&mut client, usize::try_from(length).unwrap()).await;
    let mut at = 8;
    brokers
        .iter()
        .map(|_| {
            let host = usize::from(u16::from_be_bytes([body[at + 4], body[at + 5]]));
            let port = at + 6 + host;
            at = port + 6;
            u16::try_from(u32::from_be_bytes(body[port..port + 4].try_into().unwrap())).unwrap()
        })
        .collect()
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    tokio::time::timeout(PATIENCE, listener.accept()).await.expect("the proxy dials in time").unwrap().0
}

// One broker needs no second port: clients are sent to the proxy itself. Fails if they are told the broker's own address,
// and leave the faulty path as in the original course.
#[tokio::test]
async fn clients_of_one_broker_stay_on_the_proxys_port() {
    let line = Line::new().await;

    let ports = told(&line, &[line.listener.local_addr().unwrap()]).await;

    assert_eq!(ports, [line.proxy.port()]);
    assert_eq!(get(&line.admin, "/proxies").await.json().as_object().unwrap().len(), 1);
    line.admin.stop().await;
}

// Three brokers behind one port would each get the requests of the others; so each has a port, and no fault misses it.
#[tokio::test]
async fn each_of_several_brokers_gets_a_port_that_shares_the_toxics_and_the_switch() {
    let line = Line::new().await;
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let third = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real = [&line.listener, &second, &third].map(|listener| listener.local_addr().unwrap());

    let ports = told(&line, &real).await;
    let again = told(&line, &real).await;

    assert_eq!(ports, again, "a broker keeps its port");
    assert!(ports.iter().all(|port| real.iter().all(|broker| broker.port() != *port)), "{ports:?} {real:?}");
    let listed = get(&line.admin, "/proxies").await.json();
    for (id, port) in ["p-1", "p-2", "p-3"].iter().zip(&ports) {
        assert_eq!(listed[id]["listen"], format!("127.0.0.1:{port}"), "{listed}");
        assert_eq!(listed[id]["parent"], "p");
    }

    // The port of broker 2 leads to broker 2, and what is done to the proxy is done there.
    let mut client = TcpStream::connect(("127.0.0.1", ports[1])).await.unwrap();
    let mut broker = accepted(&second).await;
    line.toxic(json!({"name": "cut", "type": "limit_data", "attributes": {"bytes": 3}})).await;
    broker.write_all(b"answer").await.unwrap();
    assert_eq!(read_to_end(&mut client).await.0, b"ans");

    // One switch for all.
    call(&line.admin, "POST", "/proxies/p", r#"{"enabled": false}"#).await;
    let refused = TcpStream::connect(("127.0.0.1", ports[2])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(call(&line.admin, "POST", "/reset", "").await.status, 204);
    let mut client = TcpStream::connect(("127.0.0.1", ports[2])).await.unwrap();
    accepted(&third).await.write_all(b"whole answer").await.unwrap();
    assert_eq!(read_exactly(&mut client, 12).await, b"whole answer");

    // And they go together.
    assert_eq!(call(&line.admin, "DELETE", "/proxies/p", "").await.status, 204);
    assert_eq!(get(&line.admin, "/proxies").await.json(), json!({}));
    assert!(TcpStream::connect(("127.0.0.1", ports[1])).await.is_err());
    line.admin.stop().await;
}

// "Partition broker 2" is one call; the others go on.
#[tokio::test]
async fn one_broker_alone_can_be_taken_down_or_slowed() {
    let line = Line::new().await;
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real = [&line.listener, &second].map(|listener| listener.local_addr().unwrap());
    let ports = told(&line, &real).await;

    let down = call(&line.admin, "POST", "/proxies/p-2", r#"{"enabled": false}"#).await;
    assert_eq!(down.status, 200, "{down:?}");
    assert!(TcpStream::connect(("127.0.0.1", ports[1])).await.is_err());
    let own = r#"{"type": "limit_data", "attributes": {"bytes": 0}}"#;
    assert_eq!(call(&line.admin, "POST", "/proxies/p-1/toxics", own).await.status, 200);
    let refused = call(&line.admin, "POST", "/proxies/p-1/toxics", r#"{"type": "drop_response"}"#).await;
    assert_eq!(refused.status, 400, "{refused:?}");

    let mut hit = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
    accepted(&line.listener).await.write_all(b"x").await.unwrap();
    assert_eq!(read_to_end(&mut hit).await.0, b"");
    let (mut whole, mut server) = line.connect().await;
    server.write_all(b"y").await.unwrap();
    assert_eq!(read_exactly(&mut whole, 1).await, b"y", "the proxy's own port has no such toxic");
    line.admin.stop().await;
}

// A proxy of bytes changes nothing, and has no Kafka toxics.
#[tokio::test]
async fn a_proxy_of_bytes_leaves_addresses_alone() {
    let line = Line::with(crate::support::started(), |wanted| {
        wanted.protocol = facteur::chaos::definition::Protocol::Tcp;
    })
    .await;
    let real = line.listener.local_addr().unwrap();

    assert_eq!(told(&line, &[real]).await, [real.port()]);

    let refused = call(&line.admin, "POST", "/proxies/p/toxics", r#"{"type": "drop_response"}"#).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.json()["error"].as_str().unwrap().contains("protocol is tcp"), "{refused:?}");
    line.admin.stop().await;
}

// The experiment's heart, by hand: the server acts, its one answer is lost, the connection closes, the next one passes; and
// the toxic tells how often it fired, the event which request it was.
#[tokio::test]
async fn drop_response_loses_exactly_one_answer_and_tells_which() {
    let mut line = Line::new().await;
    line.toxic(
        json!({"name": "lose", "type": "drop_response", "attributes": {"api": "Metadata", "clientId": "c"}}),
    )
    .await;
    let real = line.listener.local_addr().unwrap();
    let (mut client, mut server) = line.connect().await;
    client.write_all(METADATA).await.unwrap();
    assert_eq!(read_exactly(&mut server, METADATA.len()).await, METADATA);

    server.write_all(&metadata_answer(&[real])).await.unwrap();

    let mut rest = Vec::new();
    drop(tokio::time::timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("closed in time"));
    assert_eq!(rest, b"");
    let event = line.fired("lose").await;
    let request = event.request.clone().unwrap();
    assert_eq!((request.api_key, request.correlation_id, request.client_id.as_deref()), (3, 9, Some("c")));
    assert_eq!(event.connection.unwrap().client, client.local_addr().unwrap());
    let toxic = get(&line.admin, "/proxies/p/toxics/lose").await.json();
    assert_eq!((&toxic["attributes"]["fired"], &toxic["attributes"]["count"]), (&json!(1), &json!(1)));
    assert_eq!(told(&line, &[real]).await, [line.proxy.port()], "the next answer passes");

    // Changed, it is armed anew; removed, it is gone.
    let path = "/proxies/p/toxics/lose";
    let changed = call(&line.admin, "PATCH", path, r#"{"attributes": {"count": 2}}"#).await;
    assert_eq!(
        (&changed.json()["attributes"]["fired"], &changed.json()["attributes"]["count"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(call(&line.admin, "DELETE", path, "").await.status, 204);
    assert_eq!(told(&line, &[real]).await, [line.proxy.port()]);
    line.admin.stop().await;
}
