//! Keys and strings: what stands around a value, and values that stand in there too.

use super::blocks::{roomy_string, string};
use super::rules::KeyRule;
use super::{Estimator, Key, read};
use crate::bytes::number::integer;
use crate::error::Fault;
use crate::rdb::Text;

/// The longest string that is one block with its object, where the key is none with it.
const EMBEDDED: u64 = 44;
/// What an object with a key and a string may take together.
const LINE: u64 = 64;
const TWO_LINES: u64 = 128;
/// What an expiry takes, and from which length on a name has the room for it anyway.
const EXPIRY: u64 = 8;
const LONG_NAME: u64 = 128;
/// The longest text of an integer.
const INTEGER: u64 = 20;

impl Estimator {
    /// A key and the object of a value that is elsewhere.
    pub(super) fn object(&self, key: Key) -> u64 {
        match self.blocks.rules.key {
            KeyRule::Apart { .. } => self.blocks.block(string(key.len)) + 24 + 16,
            KeyRule::Inside { by_length: true } => with_key(16, key),
            KeyRule::Inside { by_length: false } | KeyRule::InPlace => {
                self.blocks.block(with_key(16, key))
            }
            KeyRule::Uncounted => 16,
        }
    }

    /// A key that holds a string.
    pub(super) fn string(&self, key: Key, body: &[u8]) -> Result<u64, Fault> {
        let text = read(&mut { body }, Text::parse)?;
        let object = self.object(key);
        let is_integer = match text {
            Text::Int(_) => true,
            Text::Raw(bytes) => bytes.len() as u64 <= INTEGER && integer(bytes).is_some(),
            // What is shorter is not compressed.
            Text::Lzf { .. } => false,
        };
        Ok(if is_integer { object } else { self.text_value(key, object, text.len()) })
    }

    fn text_value(&self, key: Key, object: u64, len: u64) -> u64 {
        let rules = self.blocks.rules;
        // Short ones are one block with the object and the key.
        let together = with_key(16, key).saturating_add(roomy_string(len));
        // The room of the pointer is there in any case.
        let in_place = with_key(8, key).saturating_add(roomy_string(len).max(8));
        let guess = 16 + (key.len + 3).saturating_add(len.saturating_add(4));
        match rules.key {
            KeyRule::Apart { texts_by_length: true } if len <= EMBEDDED => object + len + 2,
            KeyRule::Apart { .. } if len <= EMBEDDED => {
                object - 16 + self.blocks.block(16 + roomy_string(len))
            }
            KeyRule::Inside { .. } if guess <= LINE => self.blocks.block(together),
            KeyRule::Uncounted if guess <= LINE => {
                let plain = with_key(16, Key { expires: false, ..key }) + roomy_string(len);
                let block = self.blocks.block(plain);
                // An expiry comes later: into the room that is left, or into a new object if that
                // may still hold all three.
                match key.expires {
                    true if plain + EXPIRY <= block => block,
                    true if guess + EXPIRY <= LINE => self.blocks.block(plain + EXPIRY),
                    true => object.saturating_add(self.blocks.text(len)),
                    false => block,
                }
            }
            KeyRule::InPlace if in_place <= TWO_LINES => self.blocks.block(in_place),
            _ => object.saturating_add(self.blocks.text(len)),
        }
    }
}

/// An object of `base` bytes with key and expiry.
fn with_key(base: u64, key: Key) -> u64 {
    // A long name is not to be moved when it gets an expiry, so the room for one is there.
    let expiry = if key.expires || key.len >= LONG_NAME { EXPIRY } else { 0 };
    (base + expiry + 1).saturating_add(string(key.len))
}
