-- An open topic is one that users join and leave themselves; titles are its name by locale, JSON.

ALTER TABLE topic ADD COLUMN is_open BIGINT NOT NULL DEFAULT 0;
ALTER TABLE topic ADD COLUMN titles TEXT NOT NULL DEFAULT '{}';
