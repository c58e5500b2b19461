-- What proves a consent: the words that were shown and the address it came from, sealed with the user's key.

ALTER TABLE consent_entry ADD COLUMN evidence_sealed BYTES;
