//! Switches that break a rule on purpose, nudge a run off the beaten track, or note that a rare branch was taken.
//!
//! **Why in the code that ships.** A check is worth what it has been seen to find. Each rule K1-K16, and both proofs of
//! D-4, can be broken by one switch, and the simulation must then complain (D-67, D-68); each rare branch has a mark,
//! and a test says which marks no run has hit. Without `--cfg facteur_mutants` every question here is a constant
//! `false`, every mark is nothing, and the compiler leaves no trace of either.
//!
//! Neighbours: `engine` asks at the place that each rule lives; `engine::mutated` has what takes more than a line to
//! break; `tests/simulation/mutants.rs` throws the switches. Not here: what is checked. Outside semantic versioning.

/// An enum whose variants can be listed and named.
macro_rules! listed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The one with this name, whatever the case of its letters.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

listed! {
    /// A rule of the reliability contract, broken as a careless engineer might break it.
    Mutant {
        /// Identity belongs to the producer: a lane follows every bump at its next send, with what it has in doubt.
        K1,
        /// A definite error makes a batch certain, whatever came before.
        K2,
        /// A reset does not wait for doubt: what is in doubt is stamped anew.
        K3,
        /// A reset goes on under the same identity, with the sequence of the batch that was given up.
        K4,
        /// The first-batch gate is always open.
        K5,
        /// Acknowledged batches do not count in the window, and retries go out like any other batch.
        K6,
        /// A retry is encoded anew, with a fresh timestamp.
        K7,
        /// A lane moves to its new leader at once: what is on its way elsewhere does not count.
        K8,
        /// A topic that is absent from an answer takes its lanes' sequences with it.
        K9,
        /// 45 is always taken for a follower's: sent again at once, for ever.
        K10,
        /// A request that is overdue is given up, and its connection stays.
        K11,
        /// A late answer is told a second time.
        K12,
        /// Callbacks run where the outcome is told: on the I/O thread.
        K13,
        /// Memory goes back while a socket may still read it. It cannot be written in safe code, and a mutant that nobody
        /// can write proves nothing: see the doctests of `accumulator::producer_batch::Segment::freeze`, which must not compile,
        /// and the drop test `e15_the_bytes_of_an_expired_batch_stay_intact_under_the_socket`.
        K14,
        /// Sequences are given when a batch is put in line, and one that expires there leaves no hole.
        K15,
        /// Timers fire before what has come from the sockets is looked at.
        K16,
        /// D-4, present: any acknowledged neighbour proves a batch.
        D4Present,
        /// D-4, absent: a predecessor that was rejected, or given up, proves that a batch is not there, whatever made it
        /// doubtful.
        D4Absent,
    }
}

listed! {
    /// A place where a run may be pushed off the beaten track without breaking a promise.
    Nudge {
        /// A lane's first segment holds one record and no more.
        TinyBuffer,
        /// A batch is cut in two before it is stamped.
        SplitBatch,
        /// The sticky partition is chosen anew.
        StickyAgain,
        /// The socket takes one byte.
        ShortWrite,
        /// Ready lanes are served from the other end.
        ShuffleReady,
        /// A metadata refresh is lost before it is sent.
        DropRefresh,
        /// A batch's time is over early.
        ExpireEarly,
    }
}

listed! {
    /// A rare branch that some run must have taken.
    Mark {
        /// D-4: a batch in doubt was proven present.
        ProofPresent,
        /// D-4: a batch in doubt was proven absent at its end.
        ProofAbsent,
        /// D-4: a batch in doubt was proven absent in a reset, and goes out again.
        CleanAgain,
        /// D-5: a batch was given up after late resolution.
        LateGivenUp,
        /// D-5: a batch was acknowledged after its caller was told "unknown".
        LateAcknowledged,
        /// D-34: late resolution held too much, and the oldest was given up.
        LateBounded,
        /// D-7: the epochs of an id are used up.
        EpochsUsedUp,
        /// D-7: a lane bumped inside its old id.
        InsideOldId,
        /// D-6: a reset waited for doubt to be settled.
        ResetWaits,
        /// D-40: a topic was made anew.
        Recreated,
        /// D-40: a batch in doubt ended because its topic was made anew.
        RecreatedInDoubt,
        /// D-15: a batch was cut.
        Cut,
        /// D-16: named records were left out of a batch.
        CulpritsLeftOut,
        /// KIP-951: a leader hint was followed.
        HintFollowed,
        /// KIP-951: a leader hint was no news.
        HintRefused,
        /// B22: older news was ignored.
        OlderNewsIgnored,
        /// B22: older news was believed after all.
        OlderNewsBelieved,
        /// K8: a lane waited for the answers of its old connection.
        WaitsForOldAnswers,
        /// K9: a topic with lanes was absent from an answer.
        TopicVanished,
        /// K10: 45 behind the head.
        OutOfOrderBehind,
        /// K10: 45 at a clean head.
        OutOfOrderAtHead,
        /// 47, 49, 59 or 90.
        IdentityLost,
        /// K11: a request was overdue.
        RequestOverdue,
        /// B31: a batch was found corrupt too often.
        CorruptTooOften,
        /// D-14: retries were used up.
        RetriesUsedUp,
        /// D-24: the whole producer was refused.
        ProducerRefused,
        /// N29: an answer left a partition out.
        AnswerLeavesOut,
        /// N27: an answer to no request, or one that cannot be read.
        AnswerUnreadable,
        /// D-27: a broker said that it had seen the batch.
        KnownDuplicate,
        /// D-3: an attempt ended before its last byte was taken.
        NotWritten,
        /// D-42: a lane travels alone.
        TravelsAlone,
        /// D-20 of the engine's side: a batch expired in its window before it was ever sent.
        ExpiredUnsent,
        /// KIP-899: back to the bootstrap addresses.
        Rebootstrap,
        /// A broker's address changed under an open connection.
        AddressChanged,
        /// B41 and D-42: a throttled connection was waited for.
        Throttled,
    }
}

#[cfg(not(facteur_mutants))]
mod switches {
    use super::{Mark, Mutant, Nudge};

    /// Whether this rule is broken: never.
    #[must_use]
    #[inline(always)]
    pub const fn is_on(_: Mutant) -> bool {
        false
    }

    /// Whether the run is nudged here: never.
    #[must_use]
    #[inline(always)]
    pub const fn buggify(_: Nudge) -> bool {
        false
    }

    /// A rare branch was taken; nobody counts.
    #[inline(always)]
    pub const fn mark(_: Mark) {}
}

#[cfg(facteur_mutants)]
mod switches {
    use std::cell::{Cell, RefCell};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Mark, Mutant, Nudge};

    type Hook = Box<dyn FnMut(Nudge) -> bool>;

    thread_local! {
        static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
        static MARKS: Cell<u64> = const { Cell::new(0) };
    }

    /// For every thread: the mutant's place in the list, plus one. `FACTEUR_MUTANT=K5` before any test binary puts all
    /// its tests under that mutant.
    static BROKEN_EVERYWHERE: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let wanted = std::env::var("FACTEUR_MUTANT").ok();
        AtomicUsize::new(number(wanted.and_then(|name| Mutant::named(&name))))
    });

    const fn number(mutant: Option<Mutant>) -> usize {
        match mutant {
            Some(mutant) => mutant as usize + 1,
            None => 0,
        }
    }

    /// Breaks a rule on this thread, or none.
    pub fn switch_on(mutant: Option<Mutant>) {
        BROKEN.set(mutant);
    }

    /// Breaks a rule on every thread, or none: for a producer with threads of its own.
    pub fn switch_on_everywhere(mutant: Option<Mutant>) {
        BROKEN_EVERYWHERE.store(number(mutant), Ordering::SeqCst);
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn is_on(mutant: Mutant) -> bool {
        BROKEN.get() == Some(mutant) || BROKEN_EVERYWHERE.load(Ordering::Relaxed) == number(Some(mutant))
    }

    /// Asks `hook` at every [`Nudge`] of this thread from now on; without one nothing is nudged.
    pub fn set_hook(hook: Option<Hook>) {
        HOOK.set(hook);
    }

    /// Whether the run is nudged here.
    #[must_use]
    pub fn buggify(nudge: Nudge) -> bool {
        HOOK.with_borrow_mut(|hook| hook.as_mut().is_some_and(|hook| hook(nudge)))
    }

    /// A rare branch was taken.
    pub fn mark(mark: Mark) {
        MARKS.set(MARKS.get() | 1 << (mark as u64));
    }

    /// The marks of this thread since it last asked.
    #[must_use]
    pub fn take_marks() -> Vec<Mark> {
        let marks = MARKS.take();
        Mark::ALL.iter().copied().filter(|mark| marks & 1 << (*mark as u64) != 0).collect()
    }
}

pub use switches::*;
