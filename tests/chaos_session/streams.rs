//! The two byte streams: order, cuts, bulk, strangers.

use kafka_protocol::messages as kp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{Connection, answer, framed, produce, produced, proxy, request};

// TLS, HTTP, SSH and whatever else come through byte for byte in both directions, from the first byte on.
#[test]
fn what_is_not_kafka_passes_byte_for_byte() {
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let cases: [&[u8]; 7] = [
        &hello,
        b"GET / HTTP/1.1\r\n\r\n",
        b"x",
        b"SSH-2.0-x\r\n",
        // A plausible length, and then no API that exists, a negative version, a client id that is no text.
        &[0, 0, 0, 30, 0, 5, 0, 0, 0, 0, 0, 1, 0, 1, b'a'],
        &[0, 0, 0, 30, 0, 3, 0xff, 0xff, 0, 0, 0, 1, 0, 1, b'a'],
        &[0, 0, 0, 30, 0, 3, 0, 1, 0, 0, 0, 1, 0, 2, 0xff, 0xfe],
    ];
    for case in cases {
        for cut in [1, 5, case.len()] {
            let mut connection = Connection::new(&proxy());
            connection.server_sends(b"220 hello");
            for piece in case.chunks(cut) {
                connection.client_sends(piece);
            }
            assert_eq!(connection.to_server, case, "nothing is held back");
            connection.client_sends(&[1; 70_000]);
            connection.server_sends(&[2; 70_000]);
            assert_eq!(connection.to_server.len(), case.len() + 70_000);
            assert_eq!(connection.to_client, [&b"220 hello"[..], &[2; 70_000]].concat());
            assert_eq!(connection.events.len(), 1, "{:?}", connection.events);
            assert!(connection.events[0].reason().contains("no Kafka"));
            assert_eq!(connection.closed, None);
        }
    }
}

// Half a frame and then the end: what was held of it still arrives, as it would through a cable.
#[test]
fn an_unfinished_frame_is_not_swallowed_at_the_end() {
    let mut connection = Connection::new(&proxy());
    connection.client_sends(&[0, 0, 0, 30, 0, 3]);
    assert!(connection.to_server.is_empty(), "it may still become a request");
    let mut steps = Vec::new();
    connection.session.client_ended(&mut steps);
    assert_eq!(steps.len(), 1);
}

// Records are most of all bytes. Fails if a Produce request were held, or cut into more pieces than it came in.
#[test]
fn a_produce_request_passes_in_the_pieces_in_which_it_came() {
    let asked = produce(9, 1, -1, "t", 1_000_000);
    let mut connection = Connection::new(&proxy());
    let mut pieces = 0;
    for piece in asked.chunks(65_536) {
        connection.client_sends(piece);
        pieces += 1;
        assert_eq!(connection.to_server.len(), asked.len().min(pieces * 65_536), "nothing is held");
    }
    assert_eq!(connection.to_server, asked);
    assert_eq!(connection.pieces_to_server, pieces);

    // Many small requests in one read leave as one piece.
    let mut connection = Connection::new(&proxy());
    let many: Vec<u8> = (0..50).flat_map(|id| produce(9, id, -1, "t", 100)).collect();
    connection.client_sends(&many);
    assert_eq!(connection.pieces_to_server, 1);
    assert_eq!(connection.to_server, many);
}

// acks=0 has no answer: taken for pending, the next answer would be taken for another request's and end the connection.
#[test]
fn a_request_without_answer_is_not_waited_for() {
    for version in 3..=13 {
        let mut connection = Connection::new(&proxy());
        let asked = [produce(version, 1, 0, "t", 50), produce(version, 2, -1, "t", 50)].concat();
        for byte in &asked {
            connection.client_sends(&[*byte]);
        }
        assert_eq!(connection.to_server, asked);
        let answered = produced(version, 2);
        connection.server_sends(&answered);
        assert_eq!(connection.to_client, answered, "version {version}");
        assert_eq!(connection.closed, None);
    }
}

// A server that mixes up its answers would have addresses rewritten in the wrong places.
#[test]
fn an_answer_to_another_request_closes_the_connection() {
    for (answered, part) in [
        (produced(9, 3), "expected 2"),
        ([framed(&[0, 0, 0]), vec![0]].concat(), "frame of 3 bytes"),
        (vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], "frame of -1 bytes"),
        ([produced(9, 2), produced(9, 2)].concat(), "nobody asked"),
    ] {
        let mut connection = Connection::new(&proxy());
        connection.client_sends(&produce(9, 2, -1, "t", 50));
        connection.server_sends(&answered);
        let reason = connection.closed.clone().expect("closed");
        assert!(reason.contains(part), "{reason}");
    }
}

// An answer that cannot be read could name an address that nobody saw.
#[test]
fn a_broken_metadata_answer_closes_the_connection() {
    let whole = {
        let broker = kp::metadata_response::MetadataResponseBroker::default().with_port(9092);
        answer(1, 2, &kp::MetadataResponse::default().with_brokers(vec![broker]))
    };
    let mut broken = whole.clone();
    // A count of brokers that cannot be true.
    broken[8..12].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let mut connection = Connection::new(&proxy());
    connection.client_sends(&request(3, 1, 2, &kp::MetadataRequest::default()));
    connection.server_sends(&broken);
    assert!(
        connection.closed.as_ref().is_some_and(|reason| reason.contains("cannot be read")),
        "{:?}",
        connection.closed
    );
    assert!(connection.to_client.is_empty());
}

// SASL of old: after a handshake in version 0 the client sends tokens without headers.
#[test]
fn sasl_tokens_of_version_0_pass() {
    let mut connection = Connection::new(&proxy());
    let ask = kp::SaslHandshakeRequest::default().with_mechanism(crate::support::text("PLAIN"));
    let handshake = request(17, 0, 1, &ask);
    let tokens = framed(b"\0user\0secret");
    connection.client_sends(&[&handshake[..], &tokens].concat());
    assert_eq!(connection.to_server, [&handshake[..], &tokens].concat());
    let answered = answer(0, 1, &kp::SaslHandshakeResponse::default());
    let token = framed(b"welcome");
    connection.server_sends(&[&answered[..], &token].concat());
    assert_eq!(connection.to_client, [answered, token].concat());
    assert_eq!(connection.closed, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // Whatever strangers send from whichever side, in whatever pieces: no panic, and nothing is invented.
    #[test]
    fn strangers_never_break_it(
        client in vec(vec(any::<u8>(), 0..60), 0..8),
        server in vec(vec(any::<u8>(), 0..60), 0..8),
        with_request in any::<bool>(),
        version in 0_i16..=13,
    ) {
        let mut connection = Connection::new(&proxy());
        if with_request {
            let ask = kp::MetadataRequest::default().with_topics(Some(Vec::new()));
            connection.client_sends(&request(3, version, 0, &ask));
        }
        for piece in client {
            connection.client_sends(&piece);
        }
        for piece in server {
            connection.server_sends(&[&[0, 0, 0, 40, 0, 0, 0, 0][..], &piece].concat());
        }
    }

    // Where TCP cuts the streams changes nothing.
    #[test]
    fn cuts_change_nothing(cuts in vec(1_usize..200, 1..40), version in 9_i16..=13) {
        let asked = [
            request(18, 3, 1, &kp::ApiVersionsRequest::default()),
            produce(version, 2, -1, "t", 300),
            produce(version, 3, 0, "t", 300),
            request(3, 12, 4, &kp::MetadataRequest::default()),
        ]
        .concat();
        let broker = kp::metadata_response::MetadataResponseBroker::default()
            .with_node_id(1.into())
            .with_host(crate::support::text("kafka"))
            .with_port(9092);
        let answered = [
            answer(3, 1, &kp::ApiVersionsResponse::default()),
            produced(version, 2),
            answer(12, 4, &kp::MetadataResponse::default().with_brokers(vec![broker])),
        ]
        .concat();
        let run = |cuts: &[usize]| {
            let mut connection = Connection::new(&proxy());
            let mut cuts = cuts.iter().cycle();
            for (bytes, is_client) in [(&asked, true), (&answered, false)] {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (piece, left) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
                    if is_client { connection.client_sends(piece) } else { connection.server_sends(piece) }
                    rest = left;
                }
            }
            prop_assert_eq!(&connection.to_server, &asked);
            prop_assert_eq!(connection.closed.clone(), None);
            Ok(connection.to_client)
        };
        prop_assert_eq!(run(&cuts)?, run(&[usize::MAX])?);
    }
}
