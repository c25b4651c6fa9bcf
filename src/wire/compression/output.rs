//! Where a codec writes: bytes that are initialised once and then written again and again.
//!
//! **Why not a `Vec` alone.** Safe encoders want initialised room for the worst case before they begin. A `Vec` would fill it
//! with zeros for each block; this one does so once in a thread's life.
//!
//! Neighbours: each thread that compresses keeps one (in [`super`]). Not here: growing beyond what a codec asks for.

#[derive(Debug, Default)]
pub(super) struct Output {
    /// Initialised, and written up to `len`.
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), len: 0 }
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How much it holds on to.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Room for at least so many bytes, behind what is written.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len.saturating_add(bytes);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.len..).unwrap_or_default()
    }

    /// So many bytes of the room were written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.len = self.len.saturating_add(bytes).min(self.bytes.len());
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room(bytes.len()).get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.advance(bytes.len());
    }

    /// Overwrites four bytes that were written before: a length that is known only now.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn patch(&mut self, at: usize, length: [u8; 4]) {
        if let Some(place) = self.bytes.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&length);
        }
    }
}
