SET sql_mode = '';
INSERT INTO t VALUES (8, b'1', b'100000001', 0x0102030405060708, 0, 'member 128', 'semi;colon', 's2,s63'), (9, b'0', b'0', 0, '`', 0, 0, 0);
UPDATE t SET e = '', s64 = s64 | 4, b64 = ~b64 WHERE id IN (1, 4);
UPDATE t SET id = 10, e = 0 WHERE id = 2;
DELETE FROM t WHERE id = 7;
