CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE probes (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, digest TEXT NOT NULL,
    kind TEXT NOT NULL, size INTEGER NOT NULL, UNIQUE (fingerprint, digest));
CREATE TABLE chunks (
    probe INTEGER NOT NULL, chunk INTEGER NOT NULL, labels BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (probe, chunk)) WITHOUT ROWID;
CREATE TABLE intents (
    id INTEGER PRIMARY KEY, audit TEXT NOT NULL, probe INTEGER NOT NULL, items BLOB NOT NULL,
    attempt INTEGER NOT NULL, started REAL NOT NULL);
CREATE TABLE unknown (
    id INTEGER PRIMARY KEY, audit TEXT NOT NULL, probe INTEGER NOT NULL, items BLOB NOT NULL,
    started REAL NOT NULL, why TEXT NOT NULL);
CREATE TABLE ledger (
    audit TEXT NOT NULL, entry TEXT NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (audit, entry)) WITHOUT ROWID;
CREATE TABLE label_names (
    fingerprint TEXT NOT NULL, label INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (fingerprint, label)) WITHOUT ROWID;
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    started REAL NOT NULL, UNIQUE (fingerprint, name, value));
