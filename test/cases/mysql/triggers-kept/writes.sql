INSERT INTO t (a, b) VALUES (50, 'five');
UPDATE t SET b = 'ONE' WHERE id IN (1, 2);
INSERT INTO feed VALUES (60, 'six'), (70, 'seven');
DELETE FROM feed WHERE id = 60;
UPDATE t SET b = 'TWO' WHERE id = 2;
DELETE FROM t WHERE id = 4;
