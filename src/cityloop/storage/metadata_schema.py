"""Tables of the metadata database: the entities of SensorThings, streams, and device tokens."""

from __future__ import annotations

__all__ = ["FORMAT", "SCHEMA"]

FORMAT = 1
"""Format of the database; kept in ``PRAGMA user_version``. Another one is refused untouched."""

# AUTOINCREMENT where a row number leaves the database: it is never given out again.
SCHEMA = """
CREATE TABLE things (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, properties TEXT
);
CREATE TABLE locations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
  location TEXT NOT NULL, properties TEXT
);
CREATE TABLE thing_locations (
  thing INTEGER NOT NULL REFERENCES things ON DELETE CASCADE,
  location INTEGER NOT NULL REFERENCES locations ON DELETE CASCADE,
  PRIMARY KEY (thing, location)
) WITHOUT ROWID;
CREATE INDEX thing_locations_by_location ON thing_locations (location);
CREATE TABLE historical_locations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL,
  thing INTEGER NOT NULL REFERENCES things ON DELETE CASCADE
);
CREATE INDEX historical_locations_by_thing ON historical_locations (thing, time_ms);
CREATE TABLE historical_places (
  historical_location INTEGER NOT NULL REFERENCES historical_locations ON DELETE CASCADE,
  location INTEGER NOT NULL REFERENCES locations ON DELETE CASCADE,
  PRIMARY KEY (historical_location, location)
) WITHOUT ROWID;
CREATE INDEX historical_places_by_location ON historical_places (location);
CREATE TABLE sensors (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
  metadata TEXT NOT NULL, properties TEXT
);
CREATE TABLE observed_properties (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, definition TEXT NOT NULL, description TEXT NOT NULL,
  properties TEXT
);
CREATE TABLE datastreams (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, observation_type TEXT NOT NULL,
  unit_name TEXT, unit_symbol TEXT, unit_definition TEXT, properties TEXT,
  thing INTEGER NOT NULL REFERENCES things ON DELETE CASCADE,
  sensor INTEGER NOT NULL REFERENCES sensors ON DELETE CASCADE,
  observed_property INTEGER NOT NULL REFERENCES observed_properties ON DELETE CASCADE,
  west REAL, south REAL, east REAL, north REAL,
  external_name TEXT, folded_name TEXT UNIQUE, device TEXT NOT NULL DEFAULT '',
  low REAL NOT NULL DEFAULT (-9e999), high REAL NOT NULL DEFAULT (9e999), feature_stale INTEGER NOT NULL DEFAULT 1,
  lon_deg REAL, lat_deg REAL, interval_s REAL, kind INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX datastreams_by_thing ON datastreams (thing);
CREATE INDEX datastreams_by_sensor ON datastreams (sensor);
CREATE INDEX datastreams_by_observed_property ON datastreams (observed_property);
CREATE INDEX datastreams_by_name ON datastreams (name);
CREATE TABLE multi_datastreams (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, observation_type TEXT NOT NULL,
  data_types TEXT NOT NULL, units TEXT NOT NULL, properties TEXT,
  thing INTEGER NOT NULL REFERENCES things ON DELETE CASCADE,
  sensor INTEGER NOT NULL REFERENCES sensors ON DELETE CASCADE,
  west REAL, south REAL, east REAL, north REAL, device TEXT NOT NULL DEFAULT ''
);
CREATE INDEX multi_datastreams_by_thing ON multi_datastreams (thing);
CREATE INDEX multi_datastreams_by_sensor ON multi_datastreams (sensor);
CREATE TABLE multi_properties (
  multi INTEGER NOT NULL REFERENCES multi_datastreams ON DELETE CASCADE, rank INTEGER NOT NULL,
  observed_property INTEGER NOT NULL REFERENCES observed_properties ON DELETE CASCADE,
  PRIMARY KEY (multi, rank)
) WITHOUT ROWID;
CREATE INDEX multi_properties_by_property ON multi_properties (observed_property);
CREATE TABLE features (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
  feature TEXT NOT NULL, properties TEXT, made_from INTEGER REFERENCES locations ON DELETE SET NULL
);
CREATE INDEX features_by_source ON features (made_from);

-- What readings of a stream have in common: their feature, and whether their result time is their phenomenon time.
-- A span holds for readings received from since_ms up to, not including, until_ms.
CREATE TABLE spans (
  stream INTEGER NOT NULL REFERENCES datastreams ON DELETE CASCADE,
  since_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL DEFAULT 9223372036854775807,
  feature INTEGER REFERENCES features, same_time INTEGER NOT NULL DEFAULT 0, hidden INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (stream, since_ms)
) WITHOUT ROWID;
CREATE INDEX spans_by_feature ON spans (feature);

-- Observations that are more than a number at an instant.
CREATE TABLE observations (
  id TEXT PRIMARY KEY,
  stream INTEGER REFERENCES datastreams ON DELETE CASCADE,
  multi INTEGER REFERENCES multi_datastreams ON DELETE CASCADE,
  begin_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
  result, result_kind INTEGER NOT NULL, result_time_ms INTEGER, result_quality TEXT,
  valid_begin_ms INTEGER, valid_end_ms INTEGER, parameters TEXT,
  feature INTEGER REFERENCES features ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX observations_by_stream ON observations (stream, begin_ms);
CREATE INDEX observations_by_multi ON observations (multi, begin_ms);
CREATE INDEX observations_by_feature ON observations (feature);

-- Readings that were deleted or replaced by an observation.
CREATE TABLE withdrawn (
  stream INTEGER NOT NULL REFERENCES datastreams ON DELETE CASCADE,
  observed_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, observed_ms, received_ms)
) WITHOUT ROWID;

-- Entities made for streams that were registered by name.
CREATE TABLE made_for (
  entity TEXT NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (entity, key)
) WITHOUT ROWID;

CREATE TABLE device_tokens (
  token_id TEXT PRIMARY KEY, device TEXT NOT NULL, digest BLOB NOT NULL, made_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_tokens_by_device ON device_tokens (device);
CREATE TABLE device_subjects (subject TEXT PRIMARY KEY, device TEXT NOT NULL) WITHOUT ROWID;
"""
