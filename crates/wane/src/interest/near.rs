//! What is near to an item that comes later, among the items that were there before.

use crate::events::ItemId;

/// The links that a later item has with the items of a catalogue: its own to them, and theirs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The nearest, each with how near it is; the nearest first.
    pub(super) nearest: Vec<(ItemId, f32)>,
    /// The items of which it would be one of the nearest.
    pub(super) back: Vec<(ItemId, f32)>,
}
