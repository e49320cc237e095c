UPDATE t SET p.tx = E'\n', m = '🐬' WHERE id = 1;
UPDATE t SET p = NULL, w = NULL, d = NULL, ms = NULL, s = NULL WHERE id = 2;
INSERT INTO t (id, u, p) VALUES (4, 5, ROW(NULL, '', NULL, '{}'));
UPDATE t SET id = 5 WHERE id = 3;
