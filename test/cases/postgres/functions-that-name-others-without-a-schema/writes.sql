INSERT INTO t (id, v, r, p, w) VALUES (200, 'new', 'things', 'is_short(text)', 'things');
UPDATE t SET v = 'changed', r = 'things_pkey' WHERE id = 7;
DELETE FROM t WHERE id = 8;
