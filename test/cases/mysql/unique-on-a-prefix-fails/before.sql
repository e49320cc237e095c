CREATE TABLE t (
  id INT NOT NULL PRIMARY KEY,
  a INT,
  b VARCHAR(40),
  c INT NOT NULL DEFAULT 3
);
INSERT INTO t VALUES (1, 10, 'one', 100), (2, 20, 'two', 200), (3, NULL, NULL, 300), (4, 40, 'four', 400);
INSERT INTO t VALUES (31, 1, 'same start', 1), (32, 2, 'same end', 1);
