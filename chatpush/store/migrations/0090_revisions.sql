-- Who has a conversation, and its state, change in numbered steps: whoever acts on what was read
-- a moment ago can see in the transaction whether that is still so.
ALTER TABLE conversation ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
