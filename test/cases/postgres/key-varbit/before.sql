CREATE TABLE t (k varbit PRIMARY KEY, v integer);
INSERT INTO t VALUES
  (B'', 1),
  (B'0', 2),
  (B'00', 3),
  (B'1', 4),
  (B'10', 5),
  (B'0001', 6);
