CREATE TABLE t (k oid PRIMARY KEY, v integer);
INSERT INTO t VALUES
  (0, 1),
  (4294967295, 2),
  (2147483648, 3),
  (1, 4),
  (10, 5),
  (9, 6);
