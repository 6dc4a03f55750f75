//! Words that stand in columns of Cofi's own tables.

/// Makes an enum of fixed words that a column holds.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The word that stands in the column.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = UnknownWord;

            fn try_from(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord(word.to_owned())),
                }
            }
        }
    };
}

/// A column holds a word that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

words! {
    /// Where a recording's file stands.
    Placement {
        /// Not on a host yet.
        Planned = "planned",
        /// On a host, with its rows.
        Stored = "stored",
        /// Rests: could not be placed.
        Failed = "failed",
        /// Its batch was cancelled before it was placed.
        Cancelled = "cancelled",
    }
}

words! {
    /// What was decided about an agent.
    Standing {
        /// Takes nothing new; finishes what it has.
        Draining = "draining",
        /// Gets no session; what it held is placed again.
        Removed = "removed",
        /// Was away for too long, or came with another store: what it held is
        /// placed again. When it is back it says all that it holds.
        Lost = "lost",
    }
}

words! {
    /// Who wanted a recording to be released.
    ReleaseCause {
        /// An operator.
        Operator = "operator",
        /// The setting for how long recordings are kept.
        Retention = "retention",
    }
}

words! {
    /// What an agent is quarantined for.
    AgentFault {
        /// Its engine fails on what it is given.
        Engine = "engine",
        /// Its disk refuses what it is given.
        Storage = "storage",
    }
}

words! {
    /// What a token is.
    TokenKind {
        /// A machine joins with it.
        Join = "join",
        /// Its bearer may look.
        Viewer = "viewer",
        /// Its bearer may look, and change.
        Operator = "operator",
    }
}

/// What has become of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenState {
    /// It lets its bearer in.
    Good,
    /// A machine joined with it.
    Used,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

words! {
    /// Where a recording's identification stands.
    Lid {
        /// Not identified in its round yet.
        None = "none",
        /// Identified.
        Done = "done",
        /// Rests: could not be identified.
        Failed = "failed",
    }
}
