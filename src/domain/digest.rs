//! A digest says exactly what was looked at: equal digests mean equal bytes, and a digest that covers a secret is keyed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::name::NameError;

/// A SHA-256 over canonical bytes, as 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The digest of a value's canonical JSON: object keys sorted, no white space.
    pub fn of_json(value: &serde_json::Value) -> Self {
        Self::of(canonical(value).as_bytes())
    }

    /// All 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits: enough for a person to tell two previews apart.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// JSON with sorted keys and no white space, so that equal values are equal bytes.
pub fn canonical(value: &serde_json::Value) -> String {
    // serde_json's map is a BTreeMap unless a crate asks for insertion order; sorting here keeps the
    // digests right even if some dependency turns that feature on.
    fn sorted(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
            }
            serde_json::Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

/// The key under which secret values are hashed, so that a digest cannot be used to guess them.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key from 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What stands for `value` wherever a secret is compared: HMAC-SHA-256, so that equal values are equal here.
    pub fn seal(&self, value: &[u8]) -> String {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            for (slot, key) in block.iter_mut().zip(self.0) {
                *slot = byte ^ key;
            }
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(value).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        format!("hmac-sha256:{}", hex::encode(outer))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl FromStr for Digest {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError { what: "digest", problem: "must be 64 lower-case hex digits".to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_order_does_not_change_a_digest() {
        let one: serde_json::Value = serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"a":{"c":3,"d":2},"b":1}"#).unwrap();
        assert_eq!(Digest::of_json(&one), Digest::of_json(&two));
        assert_eq!(canonical(&one), r#"{"a":{"c":3,"d":2},"b":1}"#);
    }

    #[test]
    fn the_seal_is_hmac_sha256() {
        // RFC 4231, test case 1, with the key padded by zeroes as HMAC does.
        let mut key = [0_u8; 32];
        key[..20].copy_from_slice(&[0x0b; 20]);
        assert_eq!(
            SecretKey::new(key).seal(b"Hi There"),
            "hmac-sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
