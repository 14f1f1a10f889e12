//! The SHA-256 of a file, as `sha256sum` prints it.

use sha2::{Digest as _, Sha256};

use super::hex::Hex;

/// The sum of the bytes of a file, one piece after the other.
#[derive(Debug, Clone, Default)]
pub struct FileSum(Sha256);

impl FileSum {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 64 hexadecimal digits.
    pub fn finish(self) -> String {
        Hex::<32>(self.0.finalize().into()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::FileSum;

    #[test]
    fn it_is_that_of_sha256sum() {
        let mut sum = FileSum::default();
        sum.update(b"ab");
        sum.update(b"c");
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sum.finish(), want);
    }
}
