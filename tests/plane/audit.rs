//! The API server's own record of writes: what a client really sent, counted where it arrived.
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{PlaneError, file_error};

/// The audit log of a plane.
///
/// The server writes a line when it has answered, so a client may look a moment too early: wait for the count.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

/// One write that the server has answered. It also lists an apply that changed nothing: only etcd knows that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub user_agent: String,
    /// The user that it was done as, after impersonation.
    pub user: String,
    pub verb: String,
    /// `group/resource`, or only the resource in the core group.
    pub resource: String,
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// The HTTP status.
    pub code: u16,
    /// Nothing was to be stored.
    pub dry_run: bool,
}

impl Write {
    /// Whether the server accepted it and was to store it.
    pub fn is_persisted(&self) -> bool {
        !self.dry_run && (200..300).contains(&self.code)
    }
}

impl AuditLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All writes so far, in the order of their answers. A line that is being written is left for the next time.
    pub fn writes(&self) -> Result<Vec<Write>, PlaneError> {
        let text = std::fs::read_to_string(&self.path).map_err(file_error("read", &self.path))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(parse).collect()
    }
}

fn parse(line: &str) -> Result<Write, PlaneError> {
    let entry: Entry =
        serde_json::from_str(line).map_err(|source| PlaneError::Answer { line: line.to_owned(), source })?;
    let object = entry.object_ref.unwrap_or_default();
    Ok(Write {
        user_agent: entry.user_agent,
        user: entry.impersonated_user.unwrap_or(entry.user).username,
        verb: entry.verb,
        resource: match object.api_group {
            Some(group) => format!("{group}/{}", object.resource),
            None => object.resource,
        },
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        code: entry.response_status.code,
        dry_run: entry.request_uri.contains("dryRun="),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ObjectRef {
    api_group: Option<String>,
    #[serde(default)]
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRY_RUN: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete",
        "requestURI":"/apis/apps/v1/namespaces/shop/deployments/shop/scale?fieldManager=slipway&dryRun=All","verb":"patch",
        "user":{"username":"plane-admin","groups":["system:masters"]},"impersonatedUser":{"username":"alice"},
        "sourceIPs":["127.0.0.1"],"userAgent":"slipway/0.1","objectRef":{"resource":"deployments","namespace":"shop",
        "name":"shop","apiGroup":"apps","apiVersion":"v1","subresource":"scale"},"responseStatus":{"code":200}}"#;

    #[test]
    fn a_dry_run_is_a_write_that_is_not_persisted() {
        let write = parse(DRY_RUN).unwrap();
        assert_eq!(write.resource, "apps/deployments");
        assert_eq!(write.subresource.as_deref(), Some("scale"));
        assert_eq!(write.user, "alice");
        assert_eq!(write.user_agent, "slipway/0.1");
        assert!(!write.is_persisted());
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::new(dir.path().join("audit.log"));
        let line = DRY_RUN.replace('\n', "");
        std::fs::write(log.path(), format!("{line}\n{}", &line[..40])).unwrap();
        assert_eq!(log.writes().unwrap().len(), 1);
    }
}
