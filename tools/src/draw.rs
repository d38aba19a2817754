//! Random numbers that are the same on every machine.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

/// A source of random numbers that a seed decides, with the few distributions that the tools need.
pub(crate) struct Draw {
    random: Pcg64,
}

impl Draw {
    /// `stream` sets apart those who use the same seed.
    pub(crate) fn new(seed: u64, stream: u128) -> Self {
        let mut random = Pcg64::new(u128::from(seed), stream);
        // The first output of neighbouring seeds is alike; the second is not.
        random.next_u64();
        Self { random }
    }

    /// Uniform in `[0, 1)`, with 53 random bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..bound`; the bias of the multiplication is below 2^-32 for the small bounds in use.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let high = self.random.next_u64() >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    /// Nearly normal with mean 0 and variance 1: the sum of four uniform draws, which stays within twice the square
    /// root of 3 and needs no logarithm.
    pub(crate) fn normal(&mut self) -> f64 {
        let sum = self.uniform() + self.uniform() + self.uniform() + self.uniform();
        (sum - 2.0) * Self::SQRT_3
    }

    /// One of `from`, which holds at least one.
    pub(crate) fn pick<T>(&mut self, from: &'static [T]) -> &'static T {
        &from[self.below(from.len() as u32) as usize]
    }

    const SQRT_3: f64 = 1.732_050_807_568_877_2;

    /// What [`Draw::normal`] stays within, either side of 0.
    #[cfg(test)]
    pub(crate) const NORMAL_LIMIT: f64 = 2.0 * Self::SQRT_3;
}
