//! A reference names something in the same namespace, never elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// Something by its name in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its name.
    #[schemars(schema_with = "text::label")]
    pub name: String,
}

impl Reference {
    /// A reference to what is called `name`.
    pub fn to(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// One key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey {
    /// The name of the Secret.
    #[schemars(schema_with = "text::object_name")]
    pub name: String,
    /// The key within it. Left out: the usual one for what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub key: Option<String>,
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Secret {
    /// Its name.
    #[schemars(schema_with = "text::object_name")]
    pub name: String,
}
