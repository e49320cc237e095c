CREATE TABLE t (k smallint PRIMARY KEY, v integer);
INSERT INTO t VALUES
  (-32768, 1),
  (-1, 2),
  (0, 3),
  (1, 4),
  (9, 5),
  (32767, 6),
  (10, 7);
