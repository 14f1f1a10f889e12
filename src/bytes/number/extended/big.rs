//! Whole numbers of any size, as far as reading and printing wants them.

/// A large whole number, lowest limb first, without zeros on top.
#[derive(Debug, Clone, Default)]
pub(super) struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Self {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub(super) fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    pub(super) fn multiply_add(&mut self, by: u32, add: u32) {
        let mut carry = u64::from(add);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(by);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Multiplies by so many tens.
    pub(super) fn raise(&mut self, tens: u32) {
        for _ in 0..tens / 9 {
            self.multiply_add(1_000_000_000, 0);
        }
        self.multiply_add(10_u32.pow(tens % 9), 0);
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        if self.0.is_empty() {
            return;
        }
        if !bits.is_multiple_of(32) {
            self.multiply_add(1 << (bits % 32), 0);
        }
        if bits >= 32 {
            self.0.splice(0..0, std::iter::repeat_n(0, bits as usize / 32));
        }
    }

    /// Takes another away if it is not larger; whether it was.
    pub(super) fn subtract(&mut self, other: &Big) -> bool {
        let largest_first = |big: &Big| big.0.iter().rev().copied().collect::<Vec<u32>>();
        let order = self.bits().cmp(&other.bits());
        if order.then_with(|| largest_first(self).cmp(&largest_first(other))).is_lt() {
            return false;
        }
        let mut borrow = 0_i64;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (limb, other) in self.0.iter_mut().zip(others) {
            borrow += i64::from(*limb) - i64::from(other);
            *limb = borrow as u32;
            borrow >>= 32;
        }
        self.trim();
        true
    }

    /// The highest bits, whether any below them is set, and the exponent of the lowest of them.
    pub(super) fn top(&self) -> (u128, bool, i32) {
        let from = self.0.len().saturating_sub(4);
        let (below, top) = self.0.split_at_checked(from).unwrap_or_default();
        let bits = top.iter().rev().fold(0, |bits, &limb| bits << 32 | u128::from(limb));
        (bits, below.iter().any(|&limb| limb != 0), from as i32 * 32)
    }

    pub(super) fn into_digits(mut self) -> Vec<u8> {
        const PART: u64 = 1_000_000_000;
        let mut out = Vec::new();
        while !self.0.is_empty() {
            let mut rest = 0;
            for limb in self.0.iter_mut().rev() {
                let value = rest << 32 | u64::from(*limb);
                *limb = (value / PART) as u32;
                rest = value % PART;
            }
            self.trim();
            for _ in 0..9 {
                out.push(b'0' + (rest % 10) as u8);
                rest /= 10;
            }
        }
        while out.last() == Some(&b'0') {
            out.pop();
        }
        out.reverse();
        if out.is_empty() {
            out.push(b'0');
        }
        out
    }
}
