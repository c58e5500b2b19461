-- What else users do with messages, and what is put aside.
-- counted = 0: shown, but not part of the unread count. tags: ,one,two, or ''.
-- An item is snoozed while snoozed_until is ahead; the wake-up clears it once pages were told.

ALTER TABLE delivery ADD COLUMN read_at BIGINT;
ALTER TABLE delivery ADD COLUMN replied_at BIGINT;
ALTER TABLE delivery ADD COLUMN archived_at BIGINT;
ALTER TABLE delivery ADD COLUMN snoozed_at BIGINT;
ALTER TABLE inbox_item ADD COLUMN read_at BIGINT;
ALTER TABLE inbox_item ADD COLUMN archived_at BIGINT;
ALTER TABLE inbox_item ADD COLUMN snoozed_until BIGINT;
ALTER TABLE inbox_item ADD COLUMN counted BIGINT NOT NULL DEFAULT 1;
ALTER TABLE inbox_item ADD COLUMN category TEXT NOT NULL DEFAULT '';
ALTER TABLE inbox_item ADD COLUMN tags TEXT NOT NULL DEFAULT '';
CREATE INDEX inbox_item_snoozed ON inbox_item (snoozed_until) WHERE snoozed_until IS NOT NULL;
