//! Lists of CPUs and memory nodes (cpuset(7), "List format").

#![forbid(unsafe_code)]

use super::builder::quoted;
use crate::error::{Error, Result};

/// The numbers in a list such as `0-3,7`, each below `limit`, as a string of bits: number `n` is bit
/// `n % 8` of byte `n / 8`. Blanks around elements are passed over.
pub(crate) fn bits(field: &str, list: &str, limit: u32) -> Result<Vec<u8>> {
    let wrong = |part: &str| {
        Error::config(
            field,
            format_args!(
                "{}: {} is neither a number nor a range of numbers below {limit}",
                quoted(list),
                quoted(part)
            ),
        )
    };
    let mut bits = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(wrong(part));
        };
        if first > last || last >= limit {
            return Err(wrong(part));
        }
        let size = last as usize / 8 + 1;
        if bits.len() < size {
            bits.resize(size, 0);
        }
        for number in first..=last {
            if let Some(byte) = bits.get_mut(number as usize / 8) {
                *byte |= 1 << (number % 8);
            }
        }
    }
    Ok(bits)
}

/// Digits alone: `parse` would take a sign too.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The bits as the words of a node mask.
pub(crate) fn words(bits: &[u8]) -> Vec<u64> {
    bits.chunks(8)
        .map(|chunk| {
            chunk.iter().enumerate().fold(0, |word, (index, byte)| {
                word | u64::from(*byte) << (8 * index)
            })
        })
        .collect()
}
