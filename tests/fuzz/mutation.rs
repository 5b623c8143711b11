//! Inputs made of others: bytes changed, taken away, doubled, put in, or from another input.

use fastrand::Rng;

/// Pieces that mean something to a parser.
const PIECES: [&[u8]; 28] = [
    b"\0",
    b"\n",
    b"\n---\n",
    b"\r\n",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e400",
    b"9999999999999999999",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"%2F",
    b"%",
    b"=",
    b"&X-Amz-Expires=604801",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "é😀".as_bytes(),
];
/// Longer inputs are cut.
const LONGEST: usize = 4096;

/// An endless row of inputs, the same for the same seeds and number.
pub(crate) struct Mutations {
    inputs: Vec<Vec<u8>>,
    random: Rng,
}

impl Mutations {
    pub(crate) fn new(inputs: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { inputs, random: Rng::with_seed(seed) }
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let from = self.below(self.inputs.len());
        let mut input = self.inputs[from].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        // Some are kept, so that changes add up; the first ones never go.
        if self.below(16) == 0 && self.inputs.len() < 256 {
            self.inputs.push(input.clone());
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, other) = (self.below(input.len() + 1), self.below(input.len() + 1));
        let (begin, end) = (at.min(other), at.max(other));
        let short = end.min(begin + 24);
        match self.below(6) {
            0 => {
                let byte = u8::try_from(self.below(256)).unwrap();
                if let Some(place) = input.get_mut(at) {
                    *place ^= byte;
                }
            }
            1 => drop(input.drain(begin..short)),
            2 => {
                let again = input[begin..short].to_vec();
                drop(input.splice(at..at, again));
            }
            3 => {
                let piece = self.below(PIECES.len());
                drop(input.splice(at..at, PIECES[piece].iter().copied()));
            }
            4 => {
                let piece = self.below(PIECES.len());
                drop(input.splice(begin..short, PIECES[piece].iter().copied()));
            }
            _ => {
                let from = self.below(self.inputs.len());
                let donor = self.inputs[from].clone();
                let start = self.below(donor.len() + 1);
                let stop = donor.len().min(start + 1 + self.below(200));
                drop(input.splice(at..at, donor[start.min(stop)..stop].iter().copied()));
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit.max(1))
    }
}
