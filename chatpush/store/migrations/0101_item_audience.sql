-- Whom an item is for, as a condition ('' for all); and whether a rating said that its item is not liked.
ALTER TABLE item ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN disliked INTEGER NOT NULL DEFAULT 0;
