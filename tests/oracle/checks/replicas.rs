//! Q6 inconsistent-offset: below the high watermark, two readings of one log never differ.

use super::super::breach::{Check, Findings};
use super::super::final_log::{FinalLog, Found, LaneLog, Replica};
use super::super::history::Lane;

pub fn check(log: &FinalLog, findings: &mut Findings) {
    for (lane, lane_log) in (0..).map(Lane).zip(&log.lanes) {
        if lane_log.replicas.is_empty() {
            continue;
        }
        let read = last_life(lane_log);
        for replica in &lane_log.replicas {
            compare(lane, &read, replica, findings);
        }
    }
}

/// The reading that the replicas are held against: the topic's present life, by offset.
fn last_life(log: &LaneLog) -> Vec<Found> {
    let life = log.copies.iter().map(|copy| copy.life).max().unwrap_or(0);
    let present = log.copies.iter().filter(|copy| copy.life == life);
    let mut read: Vec<Found> = present.map(|copy| copy.found).collect();
    if !log.is_sorted {
        read.sort_by_key(|found| found.offset);
    }
    read
}

fn compare(lane: Lane, read: &[Found], replica: &Replica, findings: &mut Findings) {
    let mut theirs = replica.records.iter().peekable();
    let mut ours = read.iter().peekable();
    while let Some(&&here) = ours.peek() {
        let Some(&&there) = theirs.peek() else { break };
        if here == there {
            ours.next();
        } else {
            differ(lane, replica.node, Some(here), Some(there), findings);
            if here.offset <= there.offset {
                ours.next();
            }
        }
        if there.offset <= here.offset {
            theirs.next();
        }
    }
    for &there in theirs {
        differ(lane, replica.node, None, Some(there), findings);
    }
    if replica.is_complete {
        for &here in ours {
            differ(lane, replica.node, Some(here), None, findings);
        }
    }
}

fn differ(lane: Lane, node: i32, here: Option<Found>, there: Option<Found>, findings: &mut Findings) {
    findings
        .add(Check::Q6, || format!("lane {}: one reading has {here:?}, node {node} has {there:?}", lane.0));
}
