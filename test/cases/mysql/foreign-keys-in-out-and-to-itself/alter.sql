ADD note INT NOT NULL DEFAULT 7 AFTER id, CHANGE owner_id holder INT, DROP INDEX name, ADD UNIQUE KEY called (name)
