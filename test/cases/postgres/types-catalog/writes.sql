UPDATE t SET c = NULL, l = NULL, x = NULL WHERE id = 2;
UPDATE t SET ty = '"odd type"', c = 'other', l = '0/1' WHERE id = 4;
INSERT INTO t (id, x) VALUES (5, '9223372036854775808');
DELETE FROM t WHERE id = 3;
