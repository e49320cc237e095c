UPDATE t SET v = 'V4' WHERE id::text = 'k4';
INSERT INTO t VALUES ('K4', 'another'), ('k5', 'another');
DELETE FROM t WHERE id::text = 'K7';
INSERT INTO t VALUES ('k7', 'another');
UPDATE t SET id = 'k9' WHERE id::text = 'K9';
