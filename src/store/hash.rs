//! Two different things never have the same bytes to hash: every hash names its purpose and the length of each field.

use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};
use slipway_domain::digest::Digest;

/// A raw SHA-256.
pub(crate) type Hash = [u8; 32];

/// What stands where there is nothing before.
pub(crate) const ZERO: Hash = [0; 32];

/// SHA-256 over length-prefixed fields, begun with the purpose of the hash.
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn new(purpose: &str) -> Self {
        Self(Sha256::new()).field(purpose.as_bytes())
    }

    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// A value of a column, with its type, so that NULL, 1, '1' and x'31' all differ.
    fn value(mut self, value: ValueRef<'_>) -> Self {
        let (tag, bytes): (u8, &[u8]) = match value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_be_bytes()),
            ValueRef::Real(number) => (2, &number.to_be_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        self.0.update([tag]);
        self.field(bytes)
    }

    pub(crate) fn done(self) -> Hash {
        self.0.finalize().into()
    }
}

/// The hash of row `row` of `deployment_events`.
pub(crate) fn event(row: i64, previous: &Hash, canonical: &str, state: &Hash) -> Hash {
    Hasher::new("slipway.event.v1").number(row).field(previous).field(canonical.as_bytes()).field(state).done()
}

/// The hash of row `change` of `state_changes`.
pub(crate) fn change(change: i64, previous: &Hash, table: &str, key: &str, digest: &Hash) -> Hash {
    Hasher::new("slipway.state.v1")
        .number(change)
        .field(previous)
        .field(table.as_bytes())
        .field(key.as_bytes())
        .field(digest)
        .done()
}

/// The digest of all columns of a current row.
pub(crate) fn row<'a>(table: &str, values: impl Iterator<Item = ValueRef<'a>>) -> Hash {
    values.fold(Hasher::new("slipway.row.v1").field(table.as_bytes()), Hasher::value).done()
}

/// A hash as the domain writes it.
pub(crate) fn digest(hash: &Hash) -> Digest {
    // 32 bytes in hex are what a digest is; the zero hash cannot be reached.
    hex::encode(hash).parse().unwrap_or_else(|_| Digest::of(hash))
}

/// The other way round.
pub(crate) fn raw(digest: &Digest) -> Hash {
    let mut hash = ZERO;
    // A digest is 64 hex digits by construction.
    if hex::decode_to_slice(digest.as_str(), &mut hash).is_err() {
        hash = ZERO;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_from_one_field_to_the_next_changes_the_hash() {
        assert_ne!(change(1, &ZERO, "ab", "c", &ZERO), change(1, &ZERO, "a", "bc", &ZERO));
        let values = |items: &[&'static str]| row("t", items.iter().map(|text| ValueRef::Text(text.as_bytes())));
        assert_ne!(values(&["ab", "c"]), values(&["a", "bc"]));
    }

    #[test]
    fn the_type_of_a_value_is_part_of_its_hash() {
        let one = |value| row("t", std::iter::once(value));
        let all = [one(ValueRef::Null), one(ValueRef::Text(b"")), one(ValueRef::Blob(b"")), one(ValueRef::Integer(0))];
        for (index, hash) in all.iter().enumerate() {
            assert!(!all[..index].contains(hash), "{index}");
        }
    }

    #[test]
    fn a_digest_is_the_hash_in_hex() {
        let hash = event(7, &ZERO, "{}", &ZERO);
        assert_eq!(raw(&digest(&hash)), hash);
        assert_eq!(digest(&hash).as_str(), hex::encode(hash));
    }
}
