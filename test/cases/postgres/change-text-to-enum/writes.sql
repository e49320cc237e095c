UPDATE t SET m = '' WHERE id = 1;
UPDATE t SET m = NULL, n = NULL WHERE id = 2;
INSERT INTO t VALUES (31, 'sad', 'sAd');
UPDATE t SET id = 40 WHERE id = 3;
DELETE FROM t WHERE id = 4;
