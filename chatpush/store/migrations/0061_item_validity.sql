-- From when until when an item may be shown, and the language it is in ('' for all).
ALTER TABLE item ADD COLUMN valid_from BIGINT;
ALTER TABLE item ADD COLUMN valid_to BIGINT;
ALTER TABLE item ADD COLUMN language TEXT NOT NULL DEFAULT '';
