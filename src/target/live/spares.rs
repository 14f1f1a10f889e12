//! Parcels whose room is used again.

use std::sync::Arc;

use super::parcel::{Item, Parcel};
use crate::bytes::rooms::Rooms;

/// What is left of parcels that have arrived, for the next ones. Whoever packs has the same as the
/// [`Courier`](super::Courier) that they are given to.
#[derive(Debug, Clone, Default)]
pub struct Spares(Arc<Spare>);

#[derive(Debug, Default)]
struct Spare {
    bytes: Rooms,
    items: Rooms<Item>,
}

impl Spares {
    /// An empty parcel.
    pub fn parcel(&self) -> Parcel {
        let (bytes, items) = (self.0.bytes.take(), self.0.items.take());
        Parcel { bytes, items, ..Parcel::default() }
    }

    /// Takes back one that nobody needs any more.
    pub fn give(&self, parcel: Parcel) {
        self.0.bytes.give(parcel.bytes);
        self.0.items.give(parcel.items);
    }
}
