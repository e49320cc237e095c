CREATE TABLE t (k bit(5) PRIMARY KEY, v integer);
INSERT INTO t VALUES
  (B'00000', 1),
  (B'11111', 2),
  (B'10101', 3),
  (B'00001', 4),
  (B'01000', 5),
  (B'10000', 6);
