BEGIN;
UPDATE t SET u = 'none' WHERE id = 1;
UPDATE t SET u = 'ROW 1' WHERE id = 200;
UPDATE t SET u = 'rOW 200' WHERE id = 1;
COMMIT;
UPDATE t SET u = upper(u);
DELETE FROM t WHERE id = 7;
INSERT INTO t VALUES (201, 'row 7');
