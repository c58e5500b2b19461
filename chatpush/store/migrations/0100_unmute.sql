-- What undoes a mute lasts as long as the mute.
DROP INDEX event_lasting;
CREATE INDEX event_lasting ON event (tenant, user_id, at) WHERE type IN ('purchase', 'dismiss', 'mute', 'unmute');
