//! What can go wrong with a sweep itself, or be found by it.

use std::path::PathBuf;

use crate::plane::PlaneError;

/// Why a run did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// There is no plane, or no longer one.
    #[error("{0}")]
    Plane(Box<PlaneError>),
    /// A request of the test itself failed.
    #[error("{doing}: {source}")]
    Kube {
        /// What was to be done.
        doing: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// A file could not be read or written, or a process not started.
    #[error("{doing}: {source}")]
    Io {
        /// What was to be done.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The archive could not be read.
    #[error("the archive could not be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The archive does not verify.
    #[error("the archive does not verify: {0}")]
    Verify(#[from] slipway_store::VerifyError),
    /// Something is not JSON.
    #[error("this is not JSON as expected: {0}")]
    Json(#[from] serde_json::Error),
    /// A program is missing.
    #[error("{path} is missing: run `cargo build -p slipway-tests -p slipway-cli --bins`", path = path.display())]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something did not happen in time.
    #[error("not seen within {seconds} s: {what}; now: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What there was instead.
        last: String,
    },
    /// What was found is not what should be.
    #[error("{0}")]
    Wrong(String),
    /// A controller lost its lease again and again, on a machine too busy to renew it: the run says nothing.
    #[error("the controller lost its lease {0} times")]
    Starved(usize),
    /// An event that should be there is not.
    #[error("lost: {0}")]
    Lost(String),
    /// An event is there more often than it should be.
    #[error("doubled: {0}")]
    Doubled(String),
}

/// What an error says of the history that a run was to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Something of it is lost.
    Lost,
    /// Something in it is doubled.
    Doubled,
    /// Nothing: the run never came to where it could be compared.
    Unjudged,
}

impl SweepError {
    /// What it says of the history.
    pub fn verdict(&self) -> Verdict {
        match self {
            // An archive that was changed behind its own back keeps nothing.
            Self::Lost(_) | Self::Verify(slipway_store::VerifyError::Tampered(_)) => Verdict::Lost,
            Self::Doubled(_) => Verdict::Doubled,
            Self::Plane(_)
            | Self::Kube { .. }
            | Self::Io { .. }
            | Self::Sqlite(_)
            | Self::Verify(_)
            | Self::Json(_)
            | Self::NoProgram { .. }
            | Self::Late { .. }
            | Self::Starved(_)
            | Self::Wrong(_) => Verdict::Unjudged,
        }
    }
}

impl From<PlaneError> for SweepError {
    fn from(error: PlaneError) -> Self {
        Self::Plane(Box::new(error))
    }
}

/// Adds what was being done to an error of kube.
pub(super) fn kube_error(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> SweepError {
    move |source| SweepError::Kube { doing: doing.into(), source: Box::new(source) }
}

/// Adds what was being done to an error of the operating system.
pub(super) fn io_error(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> SweepError {
    move |source| SweepError::Io { doing: doing.into(), source }
}
