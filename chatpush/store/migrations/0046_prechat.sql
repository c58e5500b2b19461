-- What a user said in the form before the conversation.
ALTER TABLE conversation ADD COLUMN prechat_sealed BYTES;
