//! The circuit breaker of the course's theory (4.2): after several failures in a row, calls are refused for a while.
//!
//! **Why.** While Kafka is away every call waits for its time-out, and all of them together fill the producer's memory. An
//! open circuit says "not now" at once, and lets one call at a time find out whether Kafka is back. The course's code
//! stops before the half-open state; here it is whole. It is off unless asked for (`--breaker`), because it would hide
//! what the labs want to show.
//!
//! ```text
//!                    failed, the threshold-th in a row
//!         ┌──────┐ ───────────────────────────────────▶ ┌──────┐ ◀───────────┐
//!   ok ──▶│Closed│                                      │ Open │             │ failed
//!         └──────┘ ◀──────────┐                         └──────┘             │
//!                             │ ok                          │ admit, after the cool-down
//!                             │          ┌────────┐         │                │
//!                             └───────── │HalfOpen│ ◀───────┘ ───────────────┘
//!                                        └────────┘  one call passes, all others are refused
//! ```
//!
//! Time is handed in, so the machine is pure. Neighbours: `routes/send` asks and tells, `/metrics` shows the state. Not
//! here: the answer that a refused call gets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::lab::error::kind_of;
use crate::lab::problem_kind::ProblemKind;
use crate::time::Instant;

/// When the circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it; at least 1.
    pub threshold: u32,
    /// How long it stays open before one call may try.
    pub cool_down: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { threshold: 5, cool_down: Duration::from_secs(60) }
    }
}

/// What the circuit does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// All calls pass.
    Closed,
    /// One call tries, the others are refused.
    HalfOpen,
    /// All calls are refused.
    Open,
}

impl CircuitState {
    /// As in `lab_circuit_state`.
    pub const fn number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// The state machine.
#[derive(Debug, Clone)]
struct Circuit {
    settings: BreakerSettings,
    phase: Phase,
    /// Grows with each change of state: what a call of an earlier period says does not count.
    period: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed { failures_in_a_row: u32 },
    Open { until: Instant },
    HalfOpen { trial: Trial },
}

/// The one call that may try while half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    Free,
    Taken,
}

impl Circuit {
    const fn new(settings: BreakerSettings) -> Self {
        Self { settings, phase: Phase::Closed { failures_in_a_row: 0 }, period: 0 }
    }

    const fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Lets a call pass, with the period that its verdict belongs to; or says how long to wait.
    fn admit(&mut self, now: Instant) -> Result<u64, Duration> {
        match self.phase {
            Phase::Closed { .. } => Ok(self.period),
            Phase::Open { until } if now < until => Err(until.since(now)),
            Phase::Open { .. } | Phase::HalfOpen { trial: Trial::Free } => {
                if self.state() == CircuitState::Open {
                    self.period += 1;
                }
                self.phase = Phase::HalfOpen { trial: Trial::Taken };
                Ok(self.period)
            }
            Phase::HalfOpen { trial: Trial::Taken } => Err(TRIAL_PATIENCE),
        }
    }

    fn ok(&mut self, period: u64) {
        if period != self.period {
            return;
        }
        if self.state() == CircuitState::HalfOpen {
            self.period += 1;
        }
        self.phase = Phase::Closed { failures_in_a_row: 0 };
    }

    fn failed(&mut self, period: u64, now: Instant) {
        if period != self.period {
            return;
        }
        let failures = match self.phase {
            Phase::Closed { failures_in_a_row } => failures_in_a_row.saturating_add(1),
            Phase::HalfOpen { .. } => self.settings.threshold,
            Phase::Open { .. } => return,
        };
        if failures >= self.settings.threshold.max(1) {
            self.phase = Phase::Open { until: now + self.settings.cool_down };
            self.period += 1;
        } else {
            self.phase = Phase::Closed { failures_in_a_row: failures };
        }
    }

    /// A call ended without a verdict: another one may try.
    fn withdrawn(&mut self, period: u64) {
        if period == self.period && self.state() == CircuitState::HalfOpen {
            self.phase = Phase::HalfOpen { trial: Trial::Free };
        }
    }
}

/// The breaker of one façade. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<Mutex<Circuit>>);

impl Breaker {
    /// Closed.
    pub fn new(settings: BreakerSettings) -> Self {
        Self(Arc::new(Mutex::new(Circuit::new(settings))))
    }

    /// Lets a call pass.
    ///
    /// # Errors
    ///
    /// How long to wait, if the circuit is open or another call is trying.
    pub fn admit(&self, now: Instant) -> Result<Pass, Duration> {
        let period = self.circuit().admit(now)?;
        Ok(Pass { breaker: self.clone(), period: Some(period) })
    }

    /// What it does with calls now. An open circuit whose time is over stays open until a call comes.
    pub fn state(&self) -> CircuitState {
        self.circuit().state()
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // A panic while it was held leaves whole values behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that passed. Dropped without a verdict it lets another one try.
#[derive(Debug)]
pub struct Pass {
    breaker: Breaker,
    period: Option<u64>,
}

impl Pass {
    /// Kafka answered, or failed to.
    pub fn tell(mut self, error: Option<&Error>, now: Instant) {
        let Some(period) = self.period.take() else { return };
        let mut circuit = self.breaker.circuit();
        match error {
            None => circuit.ok(period),
            Some(error) if is_failure(error) => circuit.failed(period, now),
            // Kafka answered, though not what the caller hoped for; or it was not asked.
            Some(_) => circuit.withdrawn(period),
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(period) = self.period {
            self.breaker.circuit().withdrawn(period);
        }
    }
}

/// Whether an error says that Kafka is away or not well. A wrong call and a full buffer do not.
fn is_failure(error: &Error) -> bool {
    let signs = [
        ProblemKind::NotReady,
        ProblemKind::DeliveryTimeout,
        ProblemKind::DeliveryUnknown,
        ProblemKind::BrokerRejected,
    ];
    signs.contains(&kind_of(error))
}

/// For calls that come while another one is trying.
const TRIAL_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn opened() -> Circuit {
        let mut circuit = Circuit::new(BreakerSettings::default());
        for _ in 0..5 {
            let period = circuit.admit(at(10)).unwrap();
            circuit.failed(period, at(10));
        }
        circuit
    }

    // Theory 4.2: the fifth failure in a row opens, not the fourth, and a success in between starts the count anew.
    #[test]
    fn the_fifth_failure_in_a_row_opens_the_circuit() {
        let mut circuit = Circuit::new(BreakerSettings::default());
        for _ in 0..4 {
            circuit.failed(0, at(1));
        }
        circuit.ok(0);
        for _ in 0..4 {
            circuit.failed(0, at(2));
        }
        assert_eq!(circuit.state(), CircuitState::Closed);

        circuit.failed(0, at(3));

        assert_eq!(circuit.state(), CircuitState::Open);
        assert_eq!(circuit.admit(at(4)), Err(Duration::from_secs(59)));
    }

    // The half-open state is what the course's code lacks: without it all waiting calls rush in at once.
    #[test]
    fn after_the_cool_down_one_call_tries_and_its_verdict_decides() {
        let mut circuit = opened();
        assert!(circuit.admit(at(69)).is_err());

        let trial = circuit.admit(at(70)).unwrap();
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        assert_eq!(circuit.admit(at(70)), Err(TRIAL_PATIENCE), "a second call must wait for the first");
        circuit.failed(trial, at(71));
        assert_eq!(circuit.state(), CircuitState::Open);
        assert_eq!(circuit.admit(at(72)), Err(Duration::from_secs(59)), "the cool-down starts anew");

        let trial = circuit.admit(at(131)).unwrap();
        circuit.ok(trial);
        assert_eq!(circuit.state(), CircuitState::Closed);
        assert!(circuit.admit(at(131)).is_ok() && circuit.admit(at(131)).is_ok());
    }

    // A call from before the circuit opened ends late; its verdict is about the past.
    #[test]
    fn the_verdict_of_an_earlier_period_does_not_count() {
        let mut circuit = opened();

        circuit.ok(0);
        assert_eq!(circuit.state(), CircuitState::Open, "a late success does not close it");
        let trial = circuit.admit(at(70)).unwrap();
        circuit.failed(0, at(70));
        assert_eq!(circuit.state(), CircuitState::HalfOpen, "a late failure does not end the trial");
        circuit.ok(trial);
        circuit.failed(trial, at(71));
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    // A trial that turns out to be a wrong call must not leave the circuit half-open for ever.
    #[test]
    fn a_trial_without_a_verdict_lets_the_next_call_try() {
        let breaker = Breaker::new(BreakerSettings { threshold: 1, cool_down: Duration::from_secs(1) });
        let away =
            Error::NotReady { bootstrap: "k".into(), waited: Duration::ZERO, detail: "refused".into() };
        breaker.admit(at(0)).unwrap().tell(Some(&away), at(0));
        assert_eq!(breaker.state(), CircuitState::Open);

        drop(breaker.admit(at(1)).unwrap());
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
        breaker.admit(at(1)).unwrap().tell(None, at(1));

        assert_eq!(breaker.state(), CircuitState::Closed);
    }
}
