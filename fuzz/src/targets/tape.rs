//! A fuzzer's input read as choices: when it is used up, every choice is the tamest, zero.
//!
//! **Why our own.** A structure-aware target needs numbers at the edges far more often than chance gives them, and the
//! same bytes must mean the same in the fuzzer and in `cargo test`. Neighbours: every target. Not here: meaning.

/// What is left of an input.
#[derive(Debug)]
pub struct Tape<'a> {
    rest: &'a [u8],
}

impl<'a> Tape<'a> {
    /// The whole input.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether it is used up.
    pub const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// A number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// True for half of all bytes.
    pub fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// 16 bits, big-endian.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number that is often at an edge.
    pub fn i16(&mut self) -> i16 {
        let any = i16::from_be_bytes([self.byte(), self.byte()]);
        self.pick(&[0, 1, -1, i16::MIN, i16::MAX, any, any, any % 130])
    }

    /// A number that is often at an edge.
    pub fn i32(&mut self) -> i32 {
        let any = i32::from_be_bytes(std::array::from_fn(|_| self.byte()));
        self.pick(&[0, 1, 2, 3, -1, -2, i32::MIN, i32::MAX, any, any % 8, any % 1000])
    }

    /// A number that is often at an edge.
    pub fn i64(&mut self) -> i64 {
        let any = i64::from_be_bytes(std::array::from_fn(|_| self.byte()));
        self.pick(&[0, 1, -1, i64::MIN, i64::MAX, any, any % 1000])
    }

    /// At most `most` bytes; their number is chosen by the tape.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let wanted = if most > 255 { usize::from(self.u16()) } else { usize::from(self.byte()) };
        self.take(wanted % (most + 1))
    }

    /// That many bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Text of at most so many bytes; bytes that are none are replaced.
    pub fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(self.bytes(most)).into_owned()
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}
