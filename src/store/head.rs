//! A head names one state of the history: a row and the hash that covers everything up to it.

use std::fmt;
use std::str::FromStr;

use slipway_domain::digest::Digest;

/// The last row of the history and its hash, written `<row>:<hash>`.
///
/// Kept outside the file (an annotation of the Lease, a ticket, a notebook), it proves that no row up to it was changed
/// or cut off.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Head {
    /// The row number, from 1, without gaps.
    pub row: u64,
    /// The hash of that row.
    pub hash: Digest,
}

/// A text that is not a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a head: it is written <row>:<64 hex digits>, as `slipway audit verify` prints it")]
pub struct HeadError {
    /// What was read.
    pub text: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.row, self.hash)
    }
}

impl FromStr for Head {
    type Err = HeadError;
    fn from_str(text: &str) -> Result<Self, HeadError> {
        let refused = || HeadError { text: text.to_owned() };
        let (row, hash) = text.split_once(':').ok_or_else(refused)?;
        let row: u64 = row.parse().map_err(|_| refused())?;
        if row == 0 {
            return Err(refused());
        }
        Ok(Self { row, hash: hash.parse().map_err(|_| refused())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_from_its_text() {
        let head = Head { row: 42, hash: Digest::of(b"x") };
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
    }

    #[test]
    fn what_is_not_a_head_is_refused() {
        let digest = Digest::of(b"x");
        for bad in ["", "1", ":", "1:", "x:y", &format!("0:{digest}"), &format!("-1:{digest}"), &format!("1:{digest}0")]
        {
            assert!(bad.parse::<Head>().is_err(), "{bad}");
        }
    }
}
