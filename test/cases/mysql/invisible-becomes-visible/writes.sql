INSERT INTO t (id, a, hidden, shown) VALUES (5, 5, 'x', 5);
UPDATE t SET hidden = 'changed' WHERE id = 1;
