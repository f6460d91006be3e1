//! Decisions, read one by one off a string of bytes.

/// What a fuzzer, or a seed, says is to be done. When it ends, every decision is 0.
#[derive(Debug)]
pub(crate) struct Script<'s> {
    bytes: &'s [u8],
}

impl<'s> Script<'s> {
    pub(crate) const fn new(bytes: &'s [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// A number below `bound`, which is 1 to 256.
    pub(crate) fn below(&mut self, bound: u16) -> usize {
        usize::from(u16::from(self.next()) % bound)
    }

    /// True this many times in 256.
    pub(crate) fn chance(&mut self, in_256: u8) -> bool {
        self.next() < in_256
    }

    /// One of `choices`, at most 256.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[usize::from(self.next()) % choices.len()]
    }
}
