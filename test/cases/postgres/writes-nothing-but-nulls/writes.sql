UPDATE t SET b = NULL WHERE id % 30 = 0;
UPDATE t SET b = NULL;
UPDATE t SET b = 'back' WHERE id = 500;
