-- A run's page and its progress are one transaction now; a throttled run knows until when its users are spread.

ALTER TABLE run DROP COLUMN page_end;
ALTER TABLE run DROP COLUMN page_last;
ALTER TABLE run ADD COLUMN paced_until BIGINT NOT NULL DEFAULT 0;
