UPDATE t SET b = NULL WHERE b;
UPDATE t SET id = md5('x')::uuid WHERE id = '00000000-0000-0000-0000-000000000000';
DELETE FROM t WHERE id = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
INSERT INTO t VALUES ('ffffffff-ffff-ffff-ffff-ffffffffffff', true, NULL), ('00000000-0000-0000-0000-000000000000', false, NULL);
