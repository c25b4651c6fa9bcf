//! What kind of producer a seed has: drawn apart from the faults, so that each can be varied alone.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How the producer is set up, beyond what every seed varies.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    pub acks: &'static str,
    pub idempotence: &'static str,
    pub codec: &'static str,
    /// `buffer.memory`: beyond it appends wait.
    pub buffer: usize,
    pub padding: usize,
    /// Batches stay in the codec for a while.
    pub delays_sealing: bool,
    /// The topic is deleted and made anew, once.
    pub recreates: bool,
}

impl Mode {
    pub fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ 0x6d6f_6465);
        let mut one_of = |choices: &[usize]| choices[random.random_range(0..choices.len())];
        let (acks, idempotence) = [("all", "true"), ("all", "false"), ("1", "false"), ("0", "false")]
            [one_of(&[0, 0, 0, 0, 1, 2, 3])];
        Self {
            acks,
            idempotence,
            codec: ["none", "gzip", "snappy", "lz4", "zstd"][one_of(&[0, 0, 0, 0, 1, 2, 3, 4])],
            buffer: [33_554_432, 20_000, 8_000][one_of(&[0, 0, 1, 2])],
            padding: one_of(&[0, 0, 100, 1_000]),
            delays_sealing: one_of(&[0, 0, 0, 1]) == 1,
            recreates: one_of(&[0, 0, 1]) == 1,
        }
    }

    pub fn is_idempotent(self) -> bool {
        self.idempotence == "true"
    }

    /// A resend is a duplicate if nobody recognises it; with acks=0 only what never left is sent again (D-25).
    pub fn may_duplicate(self) -> bool {
        !self.is_idempotent() && self.acks != "0"
    }
}
