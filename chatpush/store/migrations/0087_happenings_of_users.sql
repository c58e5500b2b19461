-- Whose consent it is about, '' for what is about deliveries: it goes when the user goes.

ALTER TABLE happening ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
