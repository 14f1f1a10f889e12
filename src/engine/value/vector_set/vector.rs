//! One vector as a server stores it: of length 1, and quantized for the set.
//!
//! ```text
//! none   f32 LE per component
//! Q8     i8 per component, 127 for the largest by amount, which is the range
//! BIN    a bit per component in words of 64, LE: set where it is above zero
//! ```
//!
//! Everything is in single precision and summed up in the server's order (Redis 8.0.2 to 8.10.2 on
//! x86-64): the bytes go into digests, so a rounding elsewhere is a difference.

/// How the vectors of a set are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantization {
    /// As they are.
    None,
    /// A byte per component.
    Q8,
    /// A bit per component.
    Bin,
}

impl Quantization {
    /// The quantization of a number in a snapshot.
    pub(super) fn of(code: u64) -> Option<Self> {
        Some(match code {
            0 => Quantization::None,
            1 => Quantization::Q8,
            2 => Quantization::Bin,
            _ => return None,
        })
    }

    /// Its number in snapshots.
    pub fn code(self) -> u64 {
        match self {
            Quantization::None => 0,
            Quantization::Q8 => 1,
            Quantization::Bin => 2,
        }
    }

    /// What VINFO and VEMB call it.
    pub fn name(self) -> &'static str {
        match self {
            Quantization::None => "f32",
            Quantization::Q8 => "int8",
            Quantization::Bin => "bin",
        }
    }

    /// Bytes of a stored vector with so many components.
    pub(super) fn size_bytes(self, dimensions: usize) -> usize {
        match self {
            Quantization::None => dimensions.saturating_mul(4),
            Quantization::Q8 => dimensions,
            Quantization::Bin => dimensions.div_ceil(64).saturating_mul(8),
        }
    }
}

/// A stored vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// Its components, quantized.
    pub bytes: Box<[u8]>,
    /// The length that it had before it was made one of length 1; 1 for one without a length.
    pub length: f32,
    /// Of Q8 the amount of the largest component, else 0.
    pub range: f32,
}

impl Vector {
    /// Stores a vector.
    pub(super) fn new(mut components: Vec<f32>, quantization: Quantization) -> Self {
        let length = normalize(&mut components);
        let (bytes, range) = match quantization {
            Quantization::None => (components.iter().flat_map(|x| x.to_le_bytes()).collect(), 0.0),
            Quantization::Q8 => bytes_of(&components),
            Quantization::Bin => (bits_of(&components), 0.0),
        };
        Vector { bytes, length, range }
    }

    /// The vector that was stored, as far as that is still known.
    pub fn components(&self, quantization: Quantization, dimensions: usize) -> Vec<f32> {
        match quantization {
            Quantization::None => floats(&self.bytes).map(|x| x * self.length).collect(),
            Quantization::Q8 => {
                let component = |&byte: &u8| f32::from(byte as i8) * self.range / 127.0;
                self.bytes.iter().map(|byte| component(byte) * self.length).collect()
            }
            Quantization::Bin => {
                let bits =
                    self.bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
                bits.take(dimensions).map(|bit| if bit == 1 { 1.0 } else { -1.0 }).collect()
            }
        }
    }

    /// How far apart two vectors of one set are: 0 in the same direction, 2 in opposite ones.
    pub(super) fn distance(
        &self,
        other: &Vector,
        quantization: Quantization,
        dimensions: usize,
    ) -> f32 {
        match quantization {
            Quantization::None => 1.0 - dot(&self.bytes, &other.bytes),
            Quantization::Q8 => {
                if self.range == 0.0 || other.range == 0.0 {
                    return 1.0;
                }
                let scale = (self.range / 127.0) * (other.range / 127.0);
                let sum = dot_of_bytes(&self.bytes, &other.bytes);
                (1.0 - sum as f32 * scale).clamp(0.0, 2.0)
            }
            Quantization::Bin => {
                let pairs = self.bytes.iter().zip(&other.bytes);
                let unlike: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
                unlike as f32 * 2.0 / dimensions as f32
            }
        }
    }
}

/// Makes a vector one of length 1; the length that it had. One that has none stays as it is.
fn normalize(components: &mut [f32]) -> f32 {
    let mut sum = 0.0_f32;
    let (fours, rest) = components.as_chunks::<4>();
    for [a, b, c, d] in fours {
        sum += a * a + b * b + c * c + d * d;
    }
    for x in rest {
        sum += x * x;
    }
    if sum == 0.0 {
        return 1.0;
    }
    let length = sum.sqrt();
    components.iter_mut().for_each(|x| *x /= length);
    length
}

fn bytes_of(components: &[f32]) -> (Box<[u8]>, f32) {
    let mut range = 0.0_f32;
    for &x in components {
        // What is no number is never the larger one.
        if x > range {
            range = x;
        }
        if -x > range {
            range = -x;
        }
    }
    if range == 0.0 {
        return (vec![0; components.len()].into(), 0.0);
    }
    let scale = 127.0 / range;
    let byte = |x: &f32| {
        // A server converts to 32 bits and keeps eight: what is too large becomes 0.
        let rounded = (x * scale).round();
        let whole = if rounded.abs() < 2_147_483_648.0 { rounded as i32 } else { i32::MIN };
        whole as u8
    };
    (components.iter().map(byte).collect(), range)
}

fn bits_of(components: &[f32]) -> Box<[u8]> {
    let mut bytes = vec![0; Quantization::Bin.size_bytes(components.len())];
    for (byte, eight) in bytes.iter_mut().zip(components.chunks(8)) {
        for (bit, &x) in eight.iter().enumerate() {
            *byte |= u8::from(x > 0.0) << bit;
        }
    }
    bytes.into()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four))
}

/// The product of two vectors. Servers sum long ones up in an order that depends on the processor,
/// so only the one for up to 15 components is theirs.
fn dot(one: &[u8], other: &[u8]) -> f32 {
    const LANES: usize = 16;
    let float = |four: &[u8; 4]| f32::from_le_bytes(*four);
    let (one, other) = (one.as_chunks::<4>().0, other.as_chunks::<4>().0);
    if one.len() < LANES {
        let (mut first, mut second) = (0.0_f32, 0.0_f32);
        let (eights, rest) = one.as_chunks::<8>();
        let (their_eights, their_rest) = other.as_chunks::<8>();
        for ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) in eights.iter().zip(their_eights)
        {
            first += float(a) * float(i)
                + float(b) * float(j)
                + float(c) * float(k)
                + float(d) * float(l);
            second += float(e) * float(m)
                + float(f) * float(n)
                + float(g) * float(o)
                + float(h) * float(p);
        }
        for (a, b) in rest.iter().zip(their_rest) {
            first += float(a) * float(b);
        }
        return first + second;
    }
    let mut sums = [0.0_f32; LANES];
    let (whole, rest) = one.as_chunks::<LANES>();
    let (their_whole, their_rest) = other.as_chunks::<LANES>();
    for (ours, theirs) in whole.iter().zip(their_whole) {
        for ((sum, a), b) in sums.iter_mut().zip(ours).zip(theirs) {
            *sum += float(a) * float(b);
        }
    }
    let rest: f32 = rest.iter().zip(their_rest).map(|(a, b)| float(a) * float(b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// The product of two vectors of bytes: at most 2^16 products of 2^14, which fit.
fn dot_of_bytes(one: &[u8], other: &[u8]) -> i32 {
    const LANES: usize = 32;
    // In 16 bits, which is what processors multiply many of at once.
    let product = |a: u8, b: u8| i32::from(i16::from(a as i8) * i16::from(b as i8));
    let mut sums = [0_i32; LANES];
    let (whole, rest) = one.as_chunks::<LANES>();
    let (their_whole, their_rest) = other.as_chunks::<LANES>();
    for (ours, theirs) in whole.iter().zip(their_whole) {
        for ((sum, a), b) in sums.iter_mut().zip(ours).zip(theirs) {
            *sum = sum.wrapping_add(product(*a, *b));
        }
    }
    let rest = rest.iter().zip(their_rest).map(|(a, b)| product(*a, *b));
    sums.into_iter().chain(rest).fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::{Quantization, Vector};

    #[track_caller]
    fn check(
        components: &[f32],
        quantization: Quantization,
        bytes: &[u8],
        length: f32,
        range: f32,
    ) {
        let vector = Vector::new(components.to_vec(), quantization);
        assert_eq!((&*vector.bytes, vector.length, vector.range), (bytes, length, range));
    }

    // As VEMB RAW of Redis 8.0.2, 8.6.3 and 8.10.2 has it.
    #[test]
    fn vectors_are_stored_as_servers_store_them() {
        use Quantization::{Bin, None, Q8};
        check(&[3.0, 1.0], Q8, b"\x7f\x2a", 3.162_277_7, 0.948_683_26);
        check(&[1.0, -2.0], None, b"\x2e\xf9\xe4\x3e\x2e\xf9\x64\xbf", 2.236_068, 0.0);
        check(&[1.0, -2.0], Bin, b"\x01\0\0\0\0\0\0\0", 2.236_068, 0.0);
        check(&[0.0, 0.0], Q8, b"\0\0", 1.0, 0.0);
        check(&[1.0, f32::INFINITY], Q8, b"\0\0", f32::INFINITY, 0.0);
        // Too short for its length to be known: its range is stored, its bytes are out of range.
        check(&[f32::from_bits(0x0123_55e6), f32::from_bits(0x0020_aac8)], Q8, b"\0\0", 1.0, 3e-38);
        let unlike = Vector::new(vec![f32::NEG_INFINITY, f32::INFINITY], None);
        assert!(unlike.length.is_infinite());
        assert!(super::floats(&unlike.bytes).all(f32::is_nan));
    }

    #[test]
    fn what_was_stored_comes_back_nearly() {
        let vector = Vector::new(vec![3.0, 1.0], Quantization::Q8);
        assert_eq!(vector.components(Quantization::Q8, 2), [3.0, 0.992_125_87]);
        let vector = Vector::new(vec![1.0, -2.0], Quantization::Bin);
        assert_eq!(vector.components(Quantization::Bin, 2), [1.0, -1.0]);
    }

    #[test]
    fn distances_are_those_of_directions() {
        for quantization in [Quantization::None, Quantization::Q8, Quantization::Bin] {
            for dimensions in [1, 3, 8, 15, 16, 17, 70, 300] {
                let ascending: Vec<f32> = (1..=dimensions).map(|n| n as f32).collect();
                let opposite: Vec<f32> = ascending.iter().map(|x| -x).collect();
                let one = Vector::new(ascending, quantization);
                let other = Vector::new(opposite, quantization);
                let distance = |a: &Vector, b| a.distance(b, quantization, dimensions);
                assert!(distance(&one, &one) < 0.02);
                assert!((distance(&one, &other) - 2.0).abs() < 0.02, "{quantization:?}");
            }
        }
    }
}
