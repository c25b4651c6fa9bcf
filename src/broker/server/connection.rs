//! One connection: read a frame, let it be handled, write the answer, and again.
//!
//! **Why one at a time.** Kafka reads the next request of a connection after the answer to the one before (D-54). It makes
//! the order of answers trivially right, and it shows a client what a slow request does to those behind it.
//!
//! Neighbours: [`super`] accepts and owns; [`crate::broker::handlers`] decides. Not here: what a request means.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Shared, pause};
use crate::broker::events::EventKind;
use crate::broker::handlers::fetch::PendingFetch;
use crate::broker::handlers::groups::PendingGroup;
use crate::broker::handlers::{Answer, Handled, Pending, Reply, RequestContext, decode, handle};
use crate::config::HostPort;
use crate::wire::frame::parse_frame_length;

/// Memory is reserved in steps of this size as a frame arrives, never by what its length claims.
const READ_STEP_BYTES: usize = 64 * 1024;
/// Parts of an answer smaller than this are joined before they are written.
const JOIN_BELOW_BYTES: usize = 16 * 1024;

/// Serves a connection until it ends; answers why it did.
pub(super) async fn serve(
    mut stream: TcpStream,
    shared: &Shared,
    advertised: &HostPort,
    mut stop: watch::Receiver<bool>,
) -> String {
    if let Err(error) = stream.set_nodelay(true) {
        return error.to_string();
    }
    let peer = stream.peer_addr().ok().map(|address| address.ip());
    loop {
        let frame = tokio::select! {
            frame = read_frame(&mut stream, shared) => frame,
            _ = stop.wait_for(|stop| *stop) => return "the broker stops".to_owned(),
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(reason) => return reason,
        };
        let answer = tokio::select! {
            biased;
            answer = answer_to(frame, shared, advertised, peer) => answer,
            _ = stop.wait_for(|stop| *stop) => return "the broker stops".to_owned(),
        };
        match answer {
            Err(reason) => return reason,
            Ok(None) => {}
            Ok(Some(answer)) => {
                if let Err(reason) = write(&mut stream, &answer, shared.limits.frame_timeout).await {
                    return reason;
                }
            }
        }
    }
}

/// The next frame without its length prefix. Its memory grows with what arrives.
async fn read_frame(stream: &mut TcpStream, shared: &Shared) -> Result<Bytes, String> {
    let limits = shared.limits;
    let mut prefix = [0_u8; 4];
    let begun = within(limits.max_idle, stream.read(&mut prefix)).await?;
    if begun == 0 {
        return Err("the client closed the connection".to_owned());
    }
    if let Some(rest) = prefix.get_mut(begun..) {
        within(limits.frame_timeout, stream.read_exact(rest)).await?;
    }
    let length = parse_frame_length(prefix, limits.max_frame_bytes).map_err(|error| error.to_string())?;
    let mut frame = BytesMut::new();
    while frame.len() < length {
        let missing = length.saturating_sub(frame.len());
        frame.reserve(missing.min(READ_STEP_BYTES.max(frame.len())));
        let room = missing.min(frame.capacity().saturating_sub(frame.len()));
        let mut limited = BufMut::limit(&mut frame, room);
        // The limit is per read: a slow link may take its time, a silent one may not.
        if within(limits.frame_timeout, stream.read_buf(&mut limited)).await? == 0 {
            return Err("the client closed the connection within a frame".to_owned());
        }
    }
    Ok(frame.freeze())
}

/// What to write for a frame: an answer, nothing, or the reason to close.
async fn answer_to(
    frame: Bytes,
    shared: &Shared,
    advertised: &HostPort,
    peer: Option<IpAddr>,
) -> Result<Option<Answer>, String> {
    let request = match decode(&frame, &shared.caps) {
        Ok(request) => request,
        Err(Reply::Answer(answer)) => return Ok(Some(answer)),
        Err(Reply::Close(reason)) => return Err(reason),
        Err(Reply::Silence | Reply::Wait(_)) => return Ok(None),
    };
    drop(frame);
    let (handled, changes) = {
        let context = RequestContext { advertised, peer, now: shared.clock.now() };
        let mut cluster = shared.cluster();
        (handle(&mut cluster, &request, &context), cluster.groups.changes())
    };
    shared.tell_groups(changes);
    let Handled { reply, delay, loses_answer, events } = handled;
    let wakes = events.iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Appended | EventKind::TopicDeleted | EventKind::RetentionTruncated { .. }
        )
    });
    if wakes {
        shared.appends.send_modify(|count| *count = count.wrapping_add(1));
    }
    shared.publish(events);
    let answer = match reply {
        Reply::Close(reason) => return Err(reason),
        Reply::Silence => None,
        Reply::Answer(answer) => Some(answer),
        Reply::Wait(Pending::Fetch(pending)) => Some(wait_for_data(shared, &pending).await),
        Reply::Wait(Pending::Group(pending)) => Some(wait_for_members(shared, &pending).await),
    };
    if let Some(delay) = delay {
        pause(delay).await;
    }
    if loses_answer {
        return Err("a fault lost the answer".to_owned());
    }
    Ok(answer)
}

/// Asks a waiting Fetch again after each append, and at its deadline.
async fn wait_for_data(shared: &Shared, pending: &PendingFetch) -> Answer {
    let mut appends = shared.appends.subscribe();
    loop {
        appends.borrow_and_update();
        let now = shared.clock.now();
        if let Some(answer) = pending.resume(&shared.cluster(), now) {
            return answer;
        }
        // One millisecond more than is left, so that the timer's rounding cannot make this a busy loop.
        let left = pending.deadline().since(now.instant).saturating_add(Duration::from_millis(1));
        tokio::select! {
            _ = appends.changed() => {}
            () = pause(left) => {}
        }
    }
}

/// Asks a waiting member of a group again after each change; the group's own deadlines end each wait.
async fn wait_for_members(shared: &Shared, pending: &PendingGroup) -> Answer {
    let mut changes = shared.group_changes.subscribe();
    loop {
        changes.borrow_and_update();
        if let Some(answer) = pending.resume(&mut shared.cluster()) {
            return answer;
        }
        // The sender lives as long as `shared`, so this does not fail.
        let _changed = changes.changed().await;
    }
}

/// Writes an answer; small parts are joined, large ones go out as they are.
async fn write(stream: &mut TcpStream, answer: &Answer, limit: Duration) -> Result<(), String> {
    let mut joined = BytesMut::new();
    for chunk in answer.chunks() {
        if chunk.len() < JOIN_BELOW_BYTES {
            joined.extend_from_slice(chunk);
            continue;
        }
        write_part(stream, joined.split().freeze(), limit).await?;
        write_part(stream, chunk.clone(), limit).await?;
    }
    write_part(stream, joined.freeze(), limit).await
}

/// As with reading, the limit is per step: only a client that takes nothing at all is given up.
async fn write_part(stream: &mut TcpStream, mut part: Bytes, limit: Duration) -> Result<(), String> {
    while part.has_remaining() {
        if within(limit, stream.write_buf(&mut part)).await? == 0 {
            return Err("the client takes no more bytes".to_owned());
        }
    }
    Ok(())
}

/// The result of `work`, unless it takes longer than `limit`.
async fn within<T>(limit: Duration, work: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    tokio::select! {
        result = work => result.map_err(|error| error.to_string()),
        () = pause(limit) => Err(format!("nothing moved for {limit:?}")),
    }
}
