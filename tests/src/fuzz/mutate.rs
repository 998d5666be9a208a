//! Makes hostile bytes out of honest ones, the same ones from the same noise.

use crate::noise::Noise;

/// Nothing is made longer than this, in bytes.
const LEN_MAX: usize = 8 * 1024;
/// Numbers at which decoders go wrong: the marks and bounds of encoded numbers, and lengths that nothing has.
const EDGES: [&[u8]; 14] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[250],
    &[251, 0xff, 0xff],
    &[252, 0xff, 0xff, 0xff, 0xff],
    &[253, 0, 0, 0, 0, 0, 0, 0, 0x10],
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[254],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0, 0, 0x10, 0],
    &[0, 0x40, 0, 0],
];

/// Returns one of the `seeds`, changed in a few places.
#[must_use]
pub fn mutate(noise: &mut Noise, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = pick(noise, seeds).cloned().unwrap_or_default();
    for _ in 0..=below(noise, 4) {
        change(noise, &mut bytes, seeds);
    }
    bytes.truncate(LEN_MAX);
    bytes
}

fn change(noise: &mut Noise, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = below(noise, bytes.len() + 1);
    let end = at + below(noise, (bytes.len() - at).min(64) + 1);
    match below(noise, 8) {
        0 => flip(noise, bytes, at),
        1 => {
            let edge = pick(noise, &EDGES).copied().unwrap_or_default();
            let end = bytes.len().min(at + edge.len());
            bytes.splice(at..end, edge.iter().copied());
        }
        2 => {
            let edge = pick(noise, &EDGES).copied().unwrap_or_default();
            bytes.splice(at..at, edge.iter().copied());
        }
        3 => drop(bytes.drain(at..end)),
        4 => {
            let part = bytes[at..end].to_vec();
            let times = 1 + below(noise, 4);
            bytes.splice(at..at, part.repeat(times));
        }
        5 => {
            let new = below(noise, 9);
            let new = noise.bytes(new);
            bytes.splice(at..end, new);
        }
        6 => {
            let other = pick(noise, seeds).cloned().unwrap_or_default();
            let from = below(noise, other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => bytes.truncate(at),
    }
}

fn flip(noise: &mut Noise, bytes: &mut [u8], at: usize) {
    let bit = below(noise, 8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn pick<'a, T>(noise: &mut Noise, items: &'a [T]) -> Option<&'a T> {
    items.get(below(noise, items.len()))
}

fn below(noise: &mut Noise, bound: usize) -> usize {
    match bound {
        0 => 0,
        bound => (noise.number() % bound as u64) as usize,
    }
}
