//! Version 1 units in version 2 files. Pure.

use crate::error::Error;

/// `cpu.shares` (2 to 262144, default 1024) as `cpu.weight` (1 to 10000, default 100).
///
/// A quadratic in the logarithm that meets three points: the two ends, and the
/// defaults of both scales; a straight line would give a container with the
/// default shares a weight of 39 and so less than half of what a service gets.
pub fn shares_to_weight(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            // Exact below 2^53, and the range was bounded above.
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // The kernel's scale ends at 10000, so the value fits.
            #[allow(clippy::cast_sign_loss)]
            let weight = 10f64.powf(exponent).ceil() as u64;
            weight.clamp(1, 10_000)
        }
    }
}

/// A block I/O weight (10 to 1000) as `io.weight` (1 to 10000), linearly.
pub fn block_weight_to_io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9999 / 990
}

/// Memory plus swap, as version 1 limits them, as swap alone; -1 is no limit.
///
/// `memory` is the limit that holds (new or present), -1 for none.
///
/// # Errors
/// When there is no memory limit to subtract, or it is larger than both together.
pub fn swap_alone(memory_and_swap: i64, memory: Option<i64>) -> Result<i64, Error> {
    const FIELD: &str = "linux.resources.memory.swap";
    if memory_and_swap < 0 {
        return Ok(-1);
    }
    let text = || memory_and_swap.to_string();
    match memory {
        None | Some(..=0) => Err(Error::invalid(
            FIELD,
            text(),
            "a swap limit needs a memory limit",
        )),
        Some(memory) if memory_and_swap < memory => Err(Error::invalid(
            FIELD,
            text(),
            "memory plus swap must not be less than the memory limit",
        )),
        Some(memory) => Ok(memory_and_swap - memory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points that runc 1.3.2's own test of its conversion holds.
    #[test]
    fn weights() {
        for (shares, weight) in [
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 2),
            (1024, 100),
            (262_143, 10_000),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(shares_to_weight(shares), weight, "{shares}");
        }
        for (weight, io) in [(10, 1), (100, 910), (500, 4950), (1000, 10_000)] {
            assert_eq!(block_weight_to_io_weight(weight), io);
        }
    }

    #[test]
    fn weight_never_falls_when_shares_rise() {
        let weights: Vec<u64> = (2..262_144).step_by(61).map(shares_to_weight).collect();
        assert!(weights.is_sorted());
    }

    #[test]
    fn swap() {
        assert_eq!(swap_alone(-1, None).unwrap(), -1);
        assert_eq!(swap_alone(300, Some(200)).unwrap(), 100);
        assert_eq!(swap_alone(200, Some(200)).unwrap(), 0);
        assert!(swap_alone(100, Some(200)).is_err());
        assert!(swap_alone(100, None).is_err());
        assert!(swap_alone(100, Some(-1)).is_err());
    }
}
