-- The archive. Two append-only chains and the current rows that they vouch for.
--
--   deployment_events  the history. Each row's hash covers the hash before it, its own bytes and the head of state_changes.
--   state_changes      one line for each write of a current row: which row, and the digest of all of its columns.
--
-- Every column of every table is covered by one of the two, so `slipway audit verify` finds an edit and says where.
-- The triggers stop mistakes, not an attacker with the file: verify also compares this schema with what it finds.
-- Times are RFC 3339 in UTC with nine digits of fraction, so that text order is time order.

PRAGMA application_id = 1397508432; -- "SLIP"

CREATE TABLE meta (
    key    TEXT NOT NULL PRIMARY KEY,
    value  TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE deployment_events (
    row            INTEGER NOT NULL PRIMARY KEY,
    event_id       TEXT    NOT NULL UNIQUE,
    seq            INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    action         TEXT    NOT NULL,
    resource_type  TEXT    NOT NULL,
    resource_id    TEXT    NOT NULL,
    resource_name  TEXT    NOT NULL,
    project_id     TEXT    NOT NULL,
    team_id        TEXT    NOT NULL,
    environment_id TEXT    NOT NULL,
    actor_id       TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    occurred_at    TEXT    NOT NULL,
    detail         TEXT    NOT NULL,
    body           TEXT    NOT NULL,
    state_digest   BLOB    NOT NULL CHECK (length(state_digest) = 32),
    prev_hash      BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    CHECK (event_id = resource_id || '/' || seq)
) STRICT;

CREATE INDEX deployment_events_resource ON deployment_events (resource_id, seq);

CREATE TABLE state_changes (
    change     INTEGER NOT NULL PRIMARY KEY,
    table_name TEXT    NOT NULL,
    row_key    TEXT    NOT NULL,
    row_digest BLOB    NOT NULL CHECK (length(row_digest) = 32),
    hash       BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE checkpoints (
    id           INTEGER NOT NULL PRIMARY KEY,
    row          INTEGER NOT NULL,
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    state_change INTEGER NOT NULL,
    state_hash   BLOB    NOT NULL CHECK (length(state_hash) = 32),
    at           TEXT    NOT NULL,
    key_id       TEXT,
    signature    TEXT,
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    CHECK ((key_id IS NULL) = (signature IS NULL))
) STRICT;

CREATE TABLE environments (
    uid        TEXT    NOT NULL PRIMARY KEY,
    namespace  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    team       TEXT    NOT NULL,
    tier       TEXT    NOT NULL,
    runtime    TEXT    NOT NULL,
    phase      TEXT    NOT NULL,
    operations INTEGER NOT NULL,
    spec       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    updated_at TEXT    NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE releases (
    uid            TEXT NOT NULL PRIMARY KEY,
    namespace      TEXT NOT NULL,
    name           TEXT NOT NULL,
    service        TEXT NOT NULL,
    version        TEXT NOT NULL,
    release_digest TEXT NOT NULL,
    content        TEXT NOT NULL, -- JSON without secret values
    created_at     TEXT NOT NULL,
    digest         BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE deployments (
    uid              TEXT    NOT NULL PRIMARY KEY,
    namespace        TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    service          TEXT    NOT NULL,
    environment      TEXT    NOT NULL,
    release          TEXT    NOT NULL,
    operation        TEXT    NOT NULL,
    requester        TEXT    NOT NULL,
    submitted_by     TEXT    NOT NULL,
    phase            TEXT    NOT NULL,
    request_digest   TEXT    NOT NULL,
    release_digest   TEXT    NOT NULL,
    variables        TEXT    NOT NULL, -- JSON
    resource_version TEXT,
    status           TEXT    NOT NULL, -- JSON
    seq              INTEGER NOT NULL,
    created_at       TEXT    NOT NULL,
    updated_at       TEXT    NOT NULL,
    finished_at      TEXT,
    digest           BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- A recreated object asks whether the same request has already been decided.
CREATE INDEX deployments_twin ON deployments (namespace, name, request_digest, release_digest, updated_at);

CREATE TABLE previews (
    deployment     TEXT NOT NULL REFERENCES deployments (uid),
    preview_ref    TEXT NOT NULL,
    preview_digest TEXT NOT NULL,
    body           TEXT NOT NULL, -- JSON, the whole diff
    created_at     TEXT NOT NULL,
    digest         BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (deployment, preview_ref)
) STRICT;

-- `deployment` is the uid of what the attempt works for; the bootstrap of an Environment has no Deployment.
CREATE TABLE attempts (
    deployment  TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    started_at  TEXT    NOT NULL,
    finished_at TEXT,
    outcome     TEXT,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (deployment, id)
) STRICT;

CREATE TABLE attempt_logs (
    deployment TEXT    NOT NULL,
    attempt    TEXT    NOT NULL,
    line       INTEGER NOT NULL,
    at         TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (deployment, attempt, line),
    FOREIGN KEY (deployment, attempt) REFERENCES attempts (deployment, id)
) STRICT;

CREATE TABLE backups (
    uid         TEXT    NOT NULL PRIMARY KEY,
    namespace   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    phase       TEXT    NOT NULL,
    spec        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE drift_checks (
    uid         TEXT    NOT NULL PRIMARY KEY,
    namespace   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    result      TEXT    NOT NULL,
    spec        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- INSERT OR REPLACE deletes without firing delete triggers, so what may not be replaced is refused before the insert.
CREATE TRIGGER deployment_events_insert BEFORE INSERT ON deployment_events BEGIN
    SELECT RAISE(ABORT, 'deployment_events is append-only: a new row is the last row plus 1')
    WHERE NEW.row IS NOT (SELECT coalesce(max(row), 0) + 1 FROM deployment_events);
    SELECT RAISE(ABORT, 'deployment_events is append-only: this event_id is there already')
    WHERE EXISTS (SELECT 1 FROM deployment_events WHERE event_id = NEW.event_id);
END;
CREATE TRIGGER deployment_events_update BEFORE UPDATE ON deployment_events BEGIN
    SELECT RAISE(ABORT, 'deployment_events is append-only');
END;
CREATE TRIGGER deployment_events_delete BEFORE DELETE ON deployment_events BEGIN
    SELECT RAISE(ABORT, 'deployment_events is append-only');
END;

CREATE TRIGGER state_changes_insert BEFORE INSERT ON state_changes BEGIN
    SELECT RAISE(ABORT, 'state_changes is append-only: a new change is the last change plus 1')
    WHERE NEW.change IS NOT (SELECT coalesce(max(change), 0) + 1 FROM state_changes);
END;
CREATE TRIGGER state_changes_update BEFORE UPDATE ON state_changes BEGIN
    SELECT RAISE(ABORT, 'state_changes is append-only');
END;
CREATE TRIGGER state_changes_delete BEFORE DELETE ON state_changes BEGIN
    SELECT RAISE(ABORT, 'state_changes is append-only');
END;

CREATE TRIGGER checkpoints_insert BEFORE INSERT ON checkpoints BEGIN
    SELECT RAISE(ABORT, 'checkpoints is append-only: a new id is the last id plus 1')
    WHERE NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM checkpoints);
END;
CREATE TRIGGER checkpoints_update BEFORE UPDATE ON checkpoints BEGIN
    SELECT RAISE(ABORT, 'checkpoints is append-only');
END;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints BEGIN
    SELECT RAISE(ABORT, 'checkpoints is append-only');
END;

CREATE TRIGGER previews_insert BEFORE INSERT ON previews BEGIN
    SELECT RAISE(ABORT, 'a preview is immutable')
    WHERE EXISTS (SELECT 1 FROM previews WHERE deployment = NEW.deployment AND preview_ref = NEW.preview_ref);
END;
CREATE TRIGGER previews_update BEFORE UPDATE ON previews BEGIN
    SELECT RAISE(ABORT, 'a preview is immutable');
END;
CREATE TRIGGER previews_delete BEFORE DELETE ON previews BEGIN
    SELECT RAISE(ABORT, 'a preview is immutable');
END;

CREATE TRIGGER releases_insert BEFORE INSERT ON releases BEGIN
    SELECT RAISE(ABORT, 'a release is immutable')
    WHERE EXISTS (SELECT 1 FROM releases WHERE uid = NEW.uid);
END;
CREATE TRIGGER releases_update BEFORE UPDATE ON releases BEGIN
    SELECT RAISE(ABORT, 'a release is immutable');
END;
CREATE TRIGGER releases_delete BEFORE DELETE ON releases BEGIN
    SELECT RAISE(ABORT, 'a release is immutable');
END;
