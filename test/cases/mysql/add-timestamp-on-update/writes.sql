SET timestamp = 1700000000.5;
INSERT INTO t (id, b) VALUES (4, 4);
UPDATE t SET b = 11 WHERE id = 1;
UPDATE t SET id = 9, at = at, dt = dt WHERE id = 2;
