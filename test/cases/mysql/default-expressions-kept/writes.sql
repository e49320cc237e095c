INSERT INTO t (id, n, u, r, j, d) VALUES (3, 3, 'u3', 0.125, '[]', '2020-01-03');
UPDATE t SET n = 11 WHERE id = 1;
