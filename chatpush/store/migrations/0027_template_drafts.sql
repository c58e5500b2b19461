-- published_at orders what is in use: the version published last. A draft has none.

ALTER TABLE template ADD COLUMN published_at BIGINT;
UPDATE template SET published_at = created_at + version;
