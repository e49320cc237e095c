CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(40), c INT, KEY by_b (b) IGNORED);
INSERT INTO t VALUES (1, 10, 'one', 100), (2, 20, 'two', 200), (4, 1, 'x', 2);
