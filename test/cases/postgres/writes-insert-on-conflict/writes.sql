INSERT INTO t VALUES (10, -1, 'new'), (11, 11, 'new'), (9990, -1, 'new') ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = t.b || '!';
INSERT INTO t VALUES (10, -2, 'new'), (12, 12, 'new') ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (20, -3, 'new') ON CONFLICT (id) DO UPDATE SET id = 21;
INSERT INTO t VALUES (30, -3, 'new') ON CONFLICT (id) DO UPDATE SET a = -3 WHERE t.a > 100;
INSERT INTO t SELECT n, n, 'many' FROM generate_series(1, 3000) AS n ON CONFLICT (id) DO UPDATE SET a = t.a + 1;
