//! What somebody may be allowed to do, in the words of RBAC.

/// What a caller may be allowed to do with an Environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Ask for anything but a return to an older release; confirm, start, finish, abort.
    Deploy,
    /// Approve and reject.
    Approve,
    /// Ask for a rollback, or for a return to an older release.
    Rollback,
    /// Free a failed Environment.
    Reset,
    /// Make backups.
    Backup,
    /// Skip review, override a freeze.
    BreakGlass,
    /// Weaken an Environment.
    Govern,
    /// Name another person as requester.
    ActAs,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 8] = [
        Self::Deploy,
        Self::Approve,
        Self::Rollback,
        Self::Reset,
        Self::Backup,
        Self::BreakGlass,
        Self::Govern,
        Self::ActAs,
    ];

    /// The verb as RBAC knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Approve => "approve",
            Self::Rollback => "rollback",
            Self::Reset => "reset",
            Self::Backup => "backup",
            Self::BreakGlass => "breakglass",
            Self::Govern => "govern",
            Self::ActAs => "actas",
        }
    }
}
