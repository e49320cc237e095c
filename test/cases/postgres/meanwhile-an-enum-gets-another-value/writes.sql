ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy';
UPDATE t SET m = 'ok', n = 'ok' WHERE id = 3;
INSERT INTO t VALUES (51, 'ok', NULL);
ALTER TYPE mood RENAME VALUE 'sad' TO 'low';
UPDATE t SET m = 'low' WHERE id = 4;
